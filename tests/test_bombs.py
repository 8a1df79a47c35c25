"""What decodes to far more than it is: nothing that the package reads by itself takes memory."""

import gzip
import time
import tracemalloc
import zlib

import anyio
import pytest

from statuspolicy.testing import Answer
from tests.library import httpx, sp

brotli = pytest.importorskip("brotli", reason="httpx[brotli] is not installed")
zstandard = pytest.importorskip("zstandard", reason="httpx[zstd] is not installed")

SIZE = 48 * 1024 * 1024
MOST = 8 * 1024 * 1024  # bytes
TEXT = {"status": "succeeded", "title": "one", "detail": "two", "x": "y" * 5000}


def coded(coding: str) -> bytes:
    feed = {
        "gzip": zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16),
        "deflate": zlib.compressobj(9),
        "br": brotli.Compressor(quality=5, lgwin=24),
        "zstd": zstandard.ZstdCompressor().compressobj(),
    }[coding]
    put = getattr(feed, "compress", None) or feed.process
    parts = [put(bytes(1024 * 1024)) for _ in range(SIZE // 1024 // 1024)]
    return b"".join([*parts, (getattr(feed, "flush", None) or feed.finish)()])


@pytest.fixture(scope="module")
def bombs():
    """By their Content-Encoding, each short enough to be read and put away."""
    gz = coded("gzip")
    return {
        "gzip": gz,
        "gzip, gzip, gzip": gzip.compress(gzip.compress(gz)),
        "deflate, gzip": gzip.compress(coded("deflate")),
        "br": coded("br"),
        "zstd": coded("zstd"),
    }


def peak(call):
    """What a call returns, and the bytes that were held at once."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def opened(session, method, url, look):
    """What `look` makes of a streaming response."""

    def sync():
        with session.client.stream(method, url) as response:
            return look(response)

    async def later():
        async with session.client.stream(method, url) as response:
            return look(response)

    return session.run(sync if session.portal is None else later)


def why(response) -> str:
    return sp.trace(response).reason


def of_its_end(response):
    return response.status_code, why(response)


class Asks(httpx.Auth):
    """Fetches a token, whose answer it wants to read; or the 401's own body."""

    requires_response_body = True

    def __init__(self, url=None):
        self.url = url

    def auth_flow(self, request):
        response = yield request
        if self.url is not None:
            response = yield httpx.Request("GET", self.url)
        request.headers["Authorization"] = f"Bearer {response.json()['title']}"
        yield request


def test_content_encoding_a_bomb_is_decoded_by_no_row_that_reads_an_answer(
    open_session, status_server, bombs
):
    for field, bomb in bombs.items():
        said = {"Content-Encoding": field, "Content-Type": "application/problem+json"}
        script = status_server.script
        script("/401", Answer(401, said | {"WWW-Authenticate": "Bearer"}, bomb))
        token = script("/token", Answer(200, said, bomb))
        plain = script("/plain", Answer(401, {"WWW-Authenticate": "Bearer"}, b"no"))
        seen = []

        def resolver(exchange, seen=seen):
            seen.append(exchange.body)

        rows = sp.STANDARD | {
            401: sp.authenticate(Asks()), 409: sp.resolve(resolver), 449: sp.perform(resolver),
            500: resolved(seen), 202: sp.poll(monitor="/where"),
        }  # fmt: skip
        session = open_session(table=rows)
        for status in (409, 449, 500, 202):
            script(f"/{status}", Answer(status, said | {"Ms-Echo-Request": "x"}, bomb))

        urls = [f"{status_server.url}/{status}" for status in (401, 409, 449, 500, 202)]
        got, held = peak(
            lambda session=session, urls=urls: [opened(session, "GET", one, why) for one in urls]
        )
        assert "needs the response's body" in got[0], field
        assert "names no status monitor" in got[4], field
        assert seen == [None] * 3, field
        assert held < MOST, (field, held)

        aside = open_session(table=sp.STANDARD | {401: sp.authenticate(Asks(token))})
        reason, held = peak(lambda aside=aside, plain=plain: opened(aside, "GET", plain, why))
        assert "the body of the response to its own request" in reason, field
        assert held < MOST, (field, held)


def resolved(seen):
    """A duty that reads the answer first."""

    def duty(exchange):
        return sp.Inspect(read)

    def read(exchange):
        seen.append(exchange.body)
        return sp.Settle()

    return duty


def test_202_whose_monitor_answers_with_a_bomb_is_handed_over(open_session, status_server, bombs):
    monitor = status_server.url + "/monitor"
    for field, bomb in bombs.items():
        said = {"Content-Encoding": field, "Content-Type": "application/json"}
        status_server.script("/monitor", Answer(200, said, bomb))
        start = status_server.script("/", Answer(202, {"Operation-Location": monitor}, b"wait"))
        session = open_session(table=sp.STANDARD | {202: sp.poll()})
        response, held = peak(lambda session=session, start=start: session.get(start))
        assert (response.status_code, response.text) == (202, "wait"), field
        assert "can't be decoded within Limits.drain_bytes" in why(response)
        pointer = sp.STANDARD | {202: sp.poll(monitor="operation-location", result="/there")}
        session = open_session(table=pointer)
        response, more = peak(lambda session=session, start=start: session.get(start))
        assert response.status_code == 202
        assert max(held, more) < MOST, (field, held, more)


def test_202_is_handed_over_where_a_poll_s_callable_can_t_read_what_came(
    open_session, status_server, bombs
):
    def looks(response):
        return response.json()["url"]

    bomb = bombs["gzip"]
    places = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    status_server.script("/monitor", Answer(200, places, bomb))
    long = status_server.script("/long", Answer(202, places, bomb))
    start = status_server.script("/", Answer(202, {"Location": "/monitor"}, b"wait"))
    for how, url in (
        ({"monitor": looks}, long),
        ({"done": looks}, start),
        ({"result": looks}, start),
    ):
        session = open_session(table=sp.STANDARD | {202: sp.poll(**how)})
        (status, reason), held = peak(
            lambda session=session, url=url: opened(session, "GET", url, of_its_end)
        )
        assert status == 202, how
        assert "can't be decoded within Limits.drain_bytes" in reason, how
        assert held < MOST, (how, held)


def test_what_a_duty_s_own_request_can_t_read_is_raised(open_session, status_server):
    own = httpx.DecodingError("its own", request=httpx.Request("GET", "https://example.org"))

    def duty(exchange):
        raise own

    session = open_session(table=sp.STANDARD | {404: duty})
    with pytest.raises(httpx.DecodingError, match="its own"):
        session.get(status_server.script("/404", Answer(404)))


def test_302_content_encoding_a_history_and_an_error_hold_a_bomb_as_it_came(
    open_session, status_server, bombs
):
    session = open_session(table=sp.STANDARD)
    for field, bomb in bombs.items():
        said = {"Content-Encoding": field, "Location": "/there"}
        hop = status_server.script("/hop", Answer(302, said, bomb))
        status_server.script("/there", Answer(200, {}, b"there"))
        loop = status_server.script("/loop", Answer(302, said | {"Location": "/loop"}, bomb))

        def calls(hop=hop, loop=loop):
            (passed,) = session.get(hop).history
            with pytest.raises(sp.RedirectLoop) as raised:
                session.get(loop)
            for response in (passed, raised.value.response):
                assert b"".join(response.stream) == bomb  # noqa: B023 - called in this round

        _, held = peak(calls)
        assert held < MOST, (field, held)


def test_302_content_encoding_the_caller_reads_all_of_a_history_and_of_an_error_s_response(
    open_session, status_server
):
    """Limits.drain_bytes bounds what is decoded without being asked for."""
    long = b"z" * 300_000
    asks = {"WWW-Authenticate": "Basic realm=a", "Content-Encoding": "gzip"}
    table = sp.STANDARD | {401: sp.authenticate(httpx.BasicAuth("a", "b"))}
    session = open_session(table=table)
    for field, put in {"gzip": gzip.compress, "br": brotli.compress}.items():
        status_server._turns.clear()
        said = {"Content-Encoding": field, "Location": "/401"}
        hop = status_server.script("/hop", Answer(302, said, put(long)))
        status_server.script("/401", Answer(401, asks, gzip.compress(long)), Answer(200))
        loop = status_server.script("/loop", Answer(302, said | {"Location": "/loop"}, put(long)))
        assert [one.content for one in session.get(hop).history] == [long, long]
        with pytest.raises(sp.RedirectLoop) as raised:
            session.get(loop)
        assert raised.value.response.content == long
        status_server.script("/hop", Answer(302, said | {"Location": "/200"}, b"no such thing"))
        status_server.script("/200", Answer(200))
        (passed,) = session.get(hop).history
        with pytest.raises(httpx.DecodingError) as failed:
            assert passed.content
        assert failed.value.request.url == hop


def test_404_content_encoding_a_download_s_refusal_holds_no_bomb(
    open_session, status_server, bombs, tmp_path
):
    session = open_session()
    call = sp.download if session.portal is None else sp.adownload
    for field, bomb in bombs.items():
        url = status_server.script("/file", Answer(404, {"Content-Encoding": field}, bomb))

        def calls(url=url):
            with pytest.raises(httpx.HTTPStatusError) as raised:
                session.run(call, session.client, url, tmp_path / "file")
            return raised.value.response

        response, held = peak(calls)
        assert held < MOST, (field, held)
        with pytest.raises(httpx.ResponseNotRead):
            assert response.content


def test_multistatus_reads_a_207_that_is_a_bomb_in_small_pieces(open_session, status_server, bombs):
    session = open_session()
    for field, bomb in bombs.items():
        url = status_server.script("/dav", Answer(207, {"Content-Encoding": field}, bomb))

        def calls(url=url):
            if session.portal is None:
                with session.client.stream("PROPFIND", url) as response:
                    return list(sp.multistatus(response))
            return session.run(later, url)

        async def later(url):
            async with session.client.stream("PROPFIND", url) as response:
                return [part async for part in sp.multistatus(response)]

        def refused(calls=calls):
            with pytest.raises(httpx.DecodingError, match="not well-formed"):
                calls()

        _, held = peak(refused)
        assert held < MOST, (field, held)


def test_a_207_is_read_as_it_is_coded_and_what_is_not_so_coded_is_a_decoding_error(
    open_session, status_server
):
    session = open_session()
    inside = b"<response><href>/a</href></response>"
    xml = b'<multistatus xmlns="DAV:">' + inside + b"</multistatus>"
    said = {"Content-Encoding": "gzip"}
    url = status_server.script("/dav", Answer(207, said, gzip.compress(xml)))
    broken = status_server.script("/broken", Answer(207, said, b"no such thing"))

    def parts(url, read):
        with session.client.stream("PROPFIND", url) as response:
            if read:
                response.read()
            return [part.href for part in sp.multistatus(response)]

    async def parts_async(url, read):
        async with session.client.stream("PROPFIND", url) as response:
            if read:
                await response.aread()
            return [part.href async for part in sp.multistatus(response)]

    call = parts if session.portal is None else parts_async
    assert session.run(call, url, True) == session.run(call, url, False) == ["/a"]
    with pytest.raises(httpx.DecodingError, match="The body of the 207 can't be read"):
        session.run(call, broken, False)


def test_304_content_encoding_a_validation_behind_the_caller_s_back_decodes_nothing(
    open_session, status_server, bombs
):
    session = open_session(cache=sp.Cache())
    stale = {"Cache-Control": "max-age=0, stale-while-revalidate=9", "ETag": '"a"'}
    bomb = {"Cache-Control": "max-age=99", "Content-Encoding": "gzip"}
    url = status_server.script(
        "/stale", Answer(200, stale, b"old"), Answer(200, bomb, bombs["gzip"])
    )
    assert session.get(url).text == "old"

    running = session.client._transport._client_cache.validations._running

    def calls():
        assert session.get(url).text == "old"
        end = time.monotonic() + 5
        while (len(status_server.received) < 2 or running) and time.monotonic() < end:
            session.run(time.sleep if session.portal is None else anyio.sleep, 0.01)

    _, held = peak(calls)
    assert (len(status_server.received), running) == (2, {})
    assert held < MOST, held


# ── what is no bomb ────────────────────────────────────────────────────────────────────


def test_content_encoding_what_is_coded_is_still_read(open_session, status_server, tmp_path):
    import json

    body = json.dumps(TEXT).encode()
    long = json.dumps(TEXT | {"y": "z" * 300_000}).encode()  # within Limits.drain_bytes as it comes
    for field, put in {
        "gzip": gzip.compress,
        "br": brotli.compress,
        "zstd": zstandard.ZstdCompressor().compress,
        "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
    }.items():
        said = {"Content-Encoding": field, "Content-Type": "application/problem+json"}
        problem = status_server.script("/409", Answer(409, said, put(body)))
        status_server.script("/monitor", Answer(200, said, put(body)))
        place = {"Operation-Location": "/monitor", "Location": "/result"}
        start = status_server.script("/202", Answer(202, place, b""))
        status_server.script("/result", Answer(200, said, put(long)))
        hop = status_server.script("/hop", Answer(302, said | {"Location": "/result"}, put(body)))
        table = sp.STANDARD | {202: sp.poll(), 409: resolved([])}
        session = open_session(table=table)
        response = session.get(problem)
        assert (response.json(), why(response)) == (TEXT, "one: two"), field
        assert session.get(start).content == long
        response = session.get(hop)
        assert (response.content, response.history[0].content) == (long, body), field
        longer = status_server.script("/long", Answer(409, said, put(long)))
        assert session.get(longer).content == long  # which no duty was shown
        missing = status_server.script("/file", Answer(404, said, put(body)))
        call = sp.download if session.portal is None else sp.adownload
        with pytest.raises(httpx.HTTPStatusError) as raised:
            session.run(call, session.client, missing, tmp_path / "file")
        assert raised.value.response.json() == TEXT
