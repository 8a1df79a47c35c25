"""The cache in whole clients over real sockets: sync, asyncio and trio."""

import gzip
import logging
import threading

import anyio
import pytest

from statuspolicy.engine.client_cache import ClientCache
from statuspolicy.testing import Answer
from tests.library import httpx, sp

FRESH = {"Cache-Control": "max-age=60"}
TAGGED = {**FRESH, "ETag": '"a"'}
ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


@pytest.fixture
def cached(open_session):
    """Open a session with a pool of one connection and a cache: `cached(user=...)`."""

    def opened(wrap=None, client=None, **cache):
        wrap = {"cache": sp.Cache(**cache)} | (wrap or {})
        return open_session({**ONE, **(client or {})}, **wrap)

    return opened


def validated(request):
    """What a server answers that has the one representation "a"."""
    if request.headers.get("if-none-match") == '"a"':
        return Answer(304, TAGGED)
    return Answer(200, TAGGED, b"body")


def targets(server):
    return [request.target for request in server.received]


# ── hits and validations ───────────────────────────────────────────────────────────────


def test_a_hit_needs_no_server(cached, status_server):
    session = cached()
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    assert [session.get(url).content for _ in range(3)] == [b"body"] * 3
    response = session.get(url)
    assert (response.headers["age"], str(response.url), response.history) == ("0", url, [])
    assert response.http_version == "HTTP/1.1"
    assert response.reason_phrase == "OK"
    assert response.elapsed.total_seconds() >= 0
    assert len(status_server.received) == 1
    response.raise_for_status()


def test_304s_over_a_pool_of_one_are_closed(cached, status_server):
    """Their bodies are never read by anybody else: a pool would run dry."""
    session = cached()
    url = status_server.script("/a", validated)
    for _ in range(5):
        assert session.get(url).content == b"body"
        session.clock.now += 60
    assert len(status_server.received) == 5
    assert status_server.connections == 1


def test_an_unmatched_304_is_asked_again_without_conditions(cached, status_server):
    session = cached()
    other = Answer(304, {**FRESH, "ETag": '"b"'})
    new = Answer(200, {**FRESH, "ETag": '"b"'}, b"new")
    url = status_server.script("/a", Answer(200, TAGGED, b"old"), other, new)
    session.get(url)
    session.clock.now += 60
    assert session.get(url).content == b"new"
    assert session.get(url).content == b"new"
    conditions = [request.headers.get("if-none-match") for request in status_server.received]
    assert conditions == [None, '"a"', None]


def test_a_callers_own_304_is_his(cached, status_server):
    session = cached()
    url = status_server.script("/a", validated)
    for _ in range(2):
        response = session.get(url, headers={"If-None-Match": '"a"'})
        assert (response.status_code, response.content) == (304, b"")
    assert len(status_server.received) == 2
    assert session.get(url).content == b"body"
    assert session.get(url, headers={"If-None-Match": '"a"'}).status_code == 304
    assert len(status_server.received) == 3


def test_content_encoding_a_packed_body_is_unpacked_each_time(cached, status_server):
    session = cached()
    headers = {**TAGGED, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    url = status_server.script("/a", Answer(200, headers, gzip.compress(b"body" * 1000)))
    assert session.get(url).content == session.get(url).content == b"body" * 1000
    assert len(status_server.received) == 1


def test_304_the_timeouts_of_a_call_reach_the_transport_of_a_validation(cached):
    """A cache that builds its own request loses them, and a call hangs for ever."""
    seen = []

    def handler(request):
        seen.append((request.headers.get("if-none-match"), dict(request.extensions)))
        fresh = {**TAGGED, "Cache-Control": "max-age=0"}
        return httpx.Response(304 if seen[-1][0] else 200, headers=fresh, content=b"")

    session = cached(client={"transport": httpx.MockTransport(handler)})
    for _ in range(2):
        session.get("http://a.example/", timeout=7, extensions={"mine": 1})
    assert [condition for condition, _ in seen] == [None, '"a"']
    for _, extensions in seen:
        assert (extensions["timeout"]["read"], extensions["mine"]) == (7, 1)


# ── streaming ──────────────────────────────────────────────────────────────────────────


def stream(session, url, kind, whole):
    """Read a streamed body to its end, or leave it after its first part.

    (In trio it isn't begun: of what is left, httpx's own generators would warn there.)
    """
    if session.portal is None:
        with session.client.stream("GET", url) as response:
            return b"".join(response.iter_raw()) if whole else next(response.iter_raw())

    async def read():
        async with session.client.stream("GET", url) as response:
            if not whole and kind == "trio":
                return b""
            body = b""
            async for part in response.aiter_raw():
                body += part
                if not whole:
                    break
            return body

    return session.run(read)


BIG = bytes(range(256)) * 4096  # more than one read of a socket


def test_a_stream_is_stored_at_its_end_and_not_before(cached, status_server, kind):
    session = cached()
    url = status_server.script("/a", Answer(200, FRESH, BIG))
    assert len(stream(session, url, kind, whole=False)) < len(BIG)
    assert stream(session, url, kind, whole=True) == BIG
    assert len(status_server.received) == 2
    assert stream(session, url, kind, whole=True) == BIG
    assert session.get(url).content == BIG
    assert len(status_server.received) == 2


def test_a_stream_that_nobody_reads_is_not_stored(cached, status_server, kind):
    session = cached()
    url = status_server.script("/a", Answer(200, FRESH, BIG))
    stream(session, url, kind, whole=False)
    session.get(url)
    assert len(status_server.received) == 2


def test_transfer_encoding_a_chunked_body_is_stored(cached, status_server):
    session = cached()
    headers = {**FRESH, "Transfer-Encoding": "chunked"}
    url = status_server.script("/a", Answer(200, headers, b"body"))
    assert [session.get(url).content for _ in range(2)] == [b"body"] * 2
    response = session.get(url)
    assert "transfer-encoding" not in response.headers
    assert len(status_server.received) == 1


def test_a_body_that_breaks_is_not_stored(cached, status_server):
    session = cached()
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\n"
    url = status_server.script("/a", head + b"half", Answer(200, FRESH, b"whole"))
    with pytest.raises(httpx.RemoteProtocolError):
        session.get(url)
    assert session.get(url).content == b"whole"


def test_a_body_that_is_too_long_is_handed_on_and_not_stored(cached, status_server):
    session = cached(entry_bytes=1000)
    url = status_server.script("/a", Answer(200, FRESH, BIG))
    assert session.get(url).content == session.get(url).content == BIG
    assert len(status_server.received) == 2


def test_206_content_range_a_beginning_is_completed_over_the_wire(cached, status_server):
    def ranged(request):
        first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        begin, end = int(first), int(last or len(BIG) - 1)
        span = {"Content-Range": f"bytes {begin}-{end}/{len(BIG)}"}
        return Answer(206, {**TAGGED, **span}, BIG[begin : end + 1])

    session = cached()
    url = status_server.script("/a", ranged)
    session.get(url, headers={"Range": "bytes=0-99"})
    assert session.get(url, headers={"Range": "bytes=10-19"}).content == BIG[10:20]
    response = session.get(url)
    assert (response.status_code, response.content) == (200, BIG)
    assert session.get(url).content == BIG
    assert [r.headers["range"] for r in status_server.received] == ["bytes=0-99", "bytes=100-"]


def test_206_a_rest_that_breaks_completes_nothing_and_the_beginning_stays(cached, status_server):
    span = "Content-Range: bytes 4-9/10\r\nContent-Length: 6"
    head = f'HTTP/1.1 206 P\r\nETag: "a"\r\nCache-Control: max-age=60\r\n{span}\r\n\r\n'
    first = Answer(206, {**TAGGED, "Content-Range": "bytes 0-3/10"}, b"0123")
    rest = Answer(206, {**TAGGED, "Content-Range": "bytes 4-9/10"}, b"456789")
    url = status_server.script("/a", first, head.encode() + b"45", rest)
    session = cached()
    session.get(url, headers={"Range": "bytes=0-3"})
    with pytest.raises(httpx.RemoteProtocolError):
        session.get(url)
    assert session.get(url).content == b"0123456789"


# ── redirects and what fails ───────────────────────────────────────────────────────────


def test_301_307_a_chain_of_stored_redirects_is_followed_without_a_server(cached, status_server):
    session = cached()
    status_server.script("/a", Answer(301, {**FRESH, "Location": "/b"}, b"moved"))
    status_server.script("/b", Answer(307, {**FRESH, "Location": "/c"}))
    status_server.script("/c", Answer(200, FRESH, b"end"))
    for _ in range(3):
        response = session.get(status_server.url + "/a")
        assert (response.content, response.url.path) == (b"end", "/c")
        assert [passed.status_code for passed in response.history] == [301, 307]
        assert response.history[0].content == b"moved"
    assert targets(status_server) == ["/a", "/b", "/c"]


def test_302_a_stored_redirect_is_not_followed_where_the_call_says_so(cached, status_server):
    session = cached()
    url = status_server.script("/a", Answer(302, {**FRESH, "Location": "/b"}))
    for _ in range(2):
        assert session.get(url, follow_redirects=False).status_code == 302
    assert targets(status_server) == ["/a"]


def test_410_what_is_gone_takes_the_stored_redirect_with_it(cached, status_server):
    session = cached()
    status_server.script("/a", Answer(301, {**FRESH, "Location": "/b"}), 200)
    status_server.script("/b", 200, 410)
    url = status_server.url + "/a"
    assert [session.get(url).status_code for _ in range(3)] == [200, 410, 200]
    assert targets(status_server) == ["/a", "/b", "/b", "/a"]


def test_a_dead_server_is_stood_in_for(cached, status_server):
    session = cached(wrap={"limits": sp.Limits(attempts=2)})
    url = status_server.script("/a", Answer(200, TAGGED, b"body"), Answer(raw=b"", close=True))
    session.get(url)
    session.clock.now += 1000
    response = session.get(url)
    assert (response.content, response.headers["age"][:2]) == (b"body", "10")
    assert len(status_server.received) == 3
    assert [step.verdict for step in sp.trace(response)] == ["repeat", "use"]


def test_503_an_error_is_stood_in_for_after_the_repeats(cached, status_server):
    session = cached(wrap={"limits": sp.Limits(attempts=3)})
    headers = {"Cache-Control": "max-age=60, stale-if-error=600"}
    url = status_server.script("/a", Answer(200, headers, b"body"), 503)
    session.get(url)
    session.clock.now += 100
    assert session.get(url).content == b"body"
    assert len(status_server.received) == 4
    assert session.get(status_server.url + "/200").status_code == 200


def test_a_504_of_the_cache_is_made_once(cached, status_server):
    session = cached()
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    response = session.get(url, headers={"Cache-Control": "only-if-cached"})
    assert (response.status_code, response.content) == (504, b"")
    assert not status_server.received
    assert session.clock.waits == []


def test_200_through_a_cache_resets_the_count_for_a_cooldown_of_its_origin(cached, status_server):
    memory, twice = sp.Memory(), sp.Cool(60, after=2)
    session = cached(wrap={"memory": memory})
    url = status_server.script("/a", Answer(200, {"Cache-Control": "no-store"}, b"body"))
    counted = [memory.cool(status_server.url, twice, session.clock.monotonic())]
    for _ in range(2):
        session.get(url)
        counted.append(memory.cool(status_server.url, twice, session.clock.monotonic()))
    assert counted == [False] * 3
    assert memory.cool(status_server.url, twice, session.clock.monotonic())


# ── whose a response is ────────────────────────────────────────────────────────────────

WHO = [
    {"Authorization": "Basic a"},
    {"Authorization": "Basic b"},
    {"Cookie": "id=a"},
    {"Cookie": "id=b"},
    {"X-API-Key": "a"},
    {"X-API-Key": "b"},
    {"X-Auth-Token": "a"},
    {"Proxy-Authorization": "a"},
    {"Authorization": "Basic a", "X-API-Key": "a"},
    {},
]


@pytest.mark.parametrize("said", ["max-age=60", "public, max-age=60", "private, max-age=60"])
def test_no_response_is_anybody_elses(cached, status_server, said):
    """§3.5 is about shared caches; this one keeps apart whoever says who he is."""

    def told(request):
        who = sorted(f"{name}={request.headers[name]}" for name in NAMES & {*request.headers})
        return Answer(200, {**FRESH, "Cache-Control": said}, " ".join(who).encode())

    NAMES = {"authorization", "cookie", "x-api-key", "x-auth-token", "proxy-authorization"}
    session = cached()
    url = status_server.script("/a", told)
    first = [session.get(url, headers=headers).content for headers in WHO]
    assert len({*first}) == len(WHO)
    assert [session.get(url, headers=headers).content for headers in WHO] == first
    assert len(status_server.received) == len(WHO)


def test_what_says_nothing_of_anybody_is_one(cached, status_server):
    session = cached()
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    for headers in ({}, {"X-Foo": "1"}, {"Accept": "x"}, {"Idempotency-Key": "1"}):
        session.get(url, headers=headers)
    assert len(status_server.received) == 1


def test_the_cookies_of_the_jar_are_the_clients_own(cached, status_server):
    """As in a browser; a server that answers by them says Vary: Cookie."""
    session = cached()
    url = status_server.script("/a", Answer(200, {**FRESH, "Set-Cookie": "id=1"}, b"body"))
    varied = status_server.script("/b", Answer(200, {**FRESH, "Vary": "Cookie"}, b"body"))
    session.get(varied)
    session.get(url)
    session.get(url)
    assert targets(status_server) == ["/b", "/a"]
    session.get(varied)
    session.get(varied)
    assert targets(status_server) == ["/b", "/a", "/b"]
    assert status_server.received[-1].headers["cookie"] == "id=1"


def test_two_clients_with_one_cache_share_a_storage_and_no_response(open_session, status_server):
    cache = sp.Cache()
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    for _ in range(2):
        session = open_session(cache=cache)
        assert session.get(url).content == session.get(url).content == b"body"
    assert len(status_server.received) == 2


def test_two_clients_of_one_user_share_a_response(open_session, status_server):
    cache = sp.Cache(user="me")
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    for _ in range(2):
        assert open_session(cache=cache).get(url).content == b"body"
    assert len(status_server.received) == 1


class Shared(sp.MemoryStorage):
    """A storage that other programs see too."""

    shared = True


def test_cache_control_public_a_shared_storage_keeps_for_all_what_is_nobodys(
    open_session, status_server
):
    storage = Shared()

    def answered(said):
        return status_server.script("/a", Answer(200, {**FRESH, "Cache-Control": said}, b"body"))

    def twice(url, headers=None, **client):
        before = len(status_server.received)
        for _ in range(2):
            session = open_session(client, cache=sp.Cache(storage=storage))
            session.get(url, headers=headers)
        return len(status_server.received) - before

    assert twice(answered("max-age=60")) == 1
    storage.drop(status_server.url + "/a", None)
    # What is private is kept for nobody, but for somebody who says who he is.
    assert twice(answered("private, max-age=60")) == 2
    assert twice(answered("private, max-age=60"), headers={"Authorization": "x"}) == 1
    # The jar's cookies may be another's in the next client: each keeps its own.
    assert twice(answered("max-age=60"), cookies={"id": "1"}) == 2


def test_a_user_is_told_by_a_callable(cached, status_server):
    session = cached(user=lambda request: request.headers.get("X-User", ""))
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    for user in "aabb":
        session.get(
            url, headers={"X-User": user, "Authorization": user * len(status_server.received)}
        )
    assert len(status_server.received) == 2


def test_the_mounts_of_a_client_share_its_cache(open_session, status_server):
    kind = httpx.HTTPTransport, httpx.AsyncHTTPTransport
    session = open_session()
    transport = kind[session.portal is not None]()
    session = open_session({"mounts": {"all://localhost": transport}}, cache=sp.Cache())
    there = status_server.script("/b", Answer(200, FRESH, b"there"))
    there = there.replace("127.0.0.1", "localhost")
    url = status_server.script("/a", Answer(301, {**FRESH, "Location": there}))
    for _ in range(2):
        assert session.get(url).content == b"there"
        assert session.get(there).content == b"there"
    assert targets(status_server) == ["/a", "/b"]


# ── several at once ────────────────────────────────────────────────────────────────────


def at_once(session, calls):
    """Make these calls at the same time: in threads, or in tasks."""
    if session.portal is None:
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return

    async def together():
        async with anyio.create_task_group() as tasks:
            for call in calls:
                tasks.start_soon(call)

    session.run(together)


def getting(session, url, got, **options):
    """Calls for `at_once` that note the body of what comes."""
    if session.portal is None:

        def get():
            got.append(session.client.get(url, **options))
    else:

        async def get():
            got.append(await session.client.get(url, **options))

    return get


def slowly(answer):
    """A script's line that takes a moment, so that the others come meanwhile."""

    def answering(request):
        threading.Event().wait(0.2)
        return answer(request)

    return answering


def test_of_many_who_would_validate_the_same_one_asks(open_session, status_server):
    session = open_session(cache=sp.Cache(collapse=True))
    url = status_server.script("/a", Answer(200, TAGGED, b"body"), slowly(validated))
    session.get(url)
    session.clock.now += 60
    got = []
    at_once(session, [getting(session, url, got)] * 16)
    assert [response.content for response in got] == [b"body"] * 16
    assert len(status_server.received) == 2
    collapsed = ["collapsed" in sp.trace(response)[-1].cache for response in got]
    assert collapsed.count(False) == 1


def test_where_the_one_who_asks_fails_each_asks_for_himself(open_session, status_server):
    session = open_session(cache=sp.Cache(collapse=True), table=sp.STANDARD | {503: sp.surface})
    url = status_server.script(
        "/a", Answer(200, TAGGED, b"body"), slowly(lambda r: Answer(503)), 503
    )
    session.get(url)
    session.clock.now += 60
    got = []
    at_once(session, [getting(session, url, got)] * 4)
    assert [response.status_code for response in got] == [503] * 4
    assert len(status_server.received) == 5


def test_who_waits_for_another_waits_no_longer_than_his_total(open_session, status_server):
    """The clock stands still, so the wait ends with the other's answer or not at all."""
    session = open_session(cache=sp.Cache(collapse=True), limits=sp.Limits(total=30))
    url = status_server.script("/a", Answer(200, TAGGED, b"body"), slowly(validated))
    session.get(url)
    session.clock.now += 60
    got = []
    at_once(session, [getting(session, url, got)] * 3)
    assert [response.content for response in got] == [b"body"] * 3
    assert len(status_server.received) == 2


def test_who_is_refused_lets_those_go_on_who_wait_for_what_he_asks(open_session, status_server):
    session = open_session(
        cache=sp.Cache(collapse=True), limits=sp.Limits(attempts=1, cooling="raise")
    )
    url = status_server.script("/a", Answer(200, TAGGED, b"body"), validated)
    session.get(url)
    session.get(status_server.script("/b", Answer(503, {"Retry-After": "20"})))
    session.clock.now += 10
    wanted = {"headers": {"Cache-Control": "no-cache"}}
    for _ in range(2):
        with pytest.raises(sp.CoolingDown):
            session.get(url, **wanted)
    session.clock.now += 60
    assert session.get(url).content == b"body"


def test_304_etag_what_is_stale_as_it_comes_is_not_asked_for_by_each(open_session, status_server):
    """Who comes while the first is asking counts only what was asked for after that."""
    stale = {"Cache-Control": "no-cache", "ETag": '"a"'}
    session = open_session(cache=sp.Cache(collapse=True), clock=sp.SystemClock())
    url = status_server.script(
        "/a", Answer(200, stale, b"body"), slowly(lambda r: Answer(304, stale))
    )
    session.get(url)
    got = []
    at_once(session, [getting(session, url, got)] * 16)
    assert [response.content for response in got] == [b"body"] * 16
    assert len(status_server.received) <= 4


def test_without_collapse_each_asks(open_session, status_server):
    session = open_session(cache=sp.Cache())
    url = status_server.script("/a", Answer(200, TAGGED, b"body"), slowly(validated))
    session.get(url)
    session.clock.now += 60
    got = []
    at_once(session, [getting(session, url, got)] * 3)
    assert len(status_server.received) == 4


# ── stale-while-revalidate ─────────────────────────────────────────────────────────────

SWR = {"Cache-Control": "max-age=60, stale-while-revalidate=600", "ETag": '"a"'}


class Gate:
    """A script's line that answers when it is let."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, request):
        self.asked.release()
        assert self.open.wait(10)
        return self.answer(request) if callable(self.answer) else self.answer


def until(condition):
    """Wait for what happens behind our back."""
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never happened")


def swr_validated(request):
    return Answer(304, SWR) if "if-none-match" in request.headers else Answer(200, SWR, b"body")


def test_stale_while_revalidate_a_stale_response_is_handed_over_while_it_is_validated(
    cached, status_server
):
    session = cached()
    gate = Gate(swr_validated)
    url = status_server.script("/a", Answer(200, SWR, b"body"), gate)
    session.get(url)
    session.clock.now += 100
    response = session.get(url)
    assert (response.content, response.headers["age"]) == (b"body", "100")
    assert gate.asked.acquire(timeout=5)
    assert status_server.received[-1].headers["if-none-match"] == '"a"'
    # One a URL: who comes meanwhile gets the stale one too, and asks nobody.
    assert session.get(url).headers["age"] == "100"
    gate.open.set()
    until(lambda: session.get(url).headers["age"] == "0")
    assert len(status_server.received) == 2


def test_what_is_new_is_stored_behind_the_callers_back(cached, status_server):
    session = cached()
    new = Answer(200, FRESH, b"new")
    url = status_server.script("/a", Answer(200, SWR, b"old"), new)
    session.get(url)
    session.clock.now += 100
    assert session.get(url).content == b"old"
    until(lambda: session.get(url).content == b"new")
    assert len(status_server.received) == 2


def test_set_cookie_of_a_background_validation_is_in_the_clients_jar(cached, status_server):
    session = cached()
    new = Answer(200, {**FRESH, "Set-Cookie": "a=1"}, b"new")
    url = status_server.script("/a", Answer(200, SWR, b"old"), new)
    session.get(url)
    session.clock.now += 100
    assert session.get(url).content == b"old"
    until(lambda: session.client.cookies.get("a") == "1")


def test_a_validation_that_fails_is_nobodys_error_and_is_tried_once(cached, status_server, caplog):
    caplog.set_level(logging.INFO, "statuspolicy")
    session = cached()
    url = status_server.script("/a", Answer(200, SWR, b"old"), Answer(raw=b"", close=True))
    session.get(url)
    session.clock.now += 100
    assert session.get(url).content == b"old"
    until(lambda: "The background validation of" in caplog.text or len(status_server.received) > 1)
    assert session.get(url).content == b"old"
    assert session.clock.waits == []


def test_stale_while_revalidate_after_the_window_it_is_validated_before_it_is_used(
    cached, status_server
):
    session = cached()
    url = status_server.script("/a", Answer(200, SWR, b"body"), swr_validated)
    session.get(url)
    session.clock.now += 661
    assert session.get(url).headers.get("age") is None
    assert len(status_server.received) == 2


def test_only_so_many_are_validated_at_a_time(open_session, status_server):
    session = open_session(cache=sp.Cache())
    gate = Gate(swr_validated)
    urls = [status_server.script(f"/{n}", Answer(200, SWR, b"body"), gate) for n in range(12)]
    for url in urls:
        session.get(url)
    session.clock.now += 100
    for url in urls:
        assert session.get(url).content == b"body"
    for _ in range(8):
        assert gate.asked.acquire(timeout=5)
    assert not gate.asked.acquire(timeout=0.2)
    gate.open.set()
    until(lambda: len(status_server.received) >= 20)


def test_what_is_validated_ends_with_the_client(cached, status_server):
    """A task is cancelled, a thread is waited for, but not for long."""
    session = cached(wrap={"limits": sp.Limits(drain_seconds=0.1)})
    gate = Gate(swr_validated)
    url = status_server.script("/a", Answer(200, SWR, b"body"), gate)
    session.get(url)
    session.clock.now += 100
    session.get(url)
    assert gate.asked.acquire(timeout=5)
    session.run(session.client.close if session.portal is None else session.client.aclose)
    gate.open.set()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("statuspolicy: ")])


def test_a_request_that_a_validation_repeats_has_its_own_exchange(open_session, status_server):
    """It sees no redirects through, and repeats nothing: the caller did not wait for it."""
    session = open_session(cache=sp.Cache())
    url = status_server.script("/a", Answer(200, SWR, b"body"), 503, swr_validated)
    session.get(url)
    session.clock.now += 100
    assert session.get(url).content == b"body"
    until(lambda: len(status_server.received) == 2)
    until(lambda: session.get(url).headers["age"] == "0")
    assert session.clock.waits == []


def test_what_prepare_wrote_for_the_caller_does_not_travel_to_the_validation(
    open_session, status_server
):
    """As each attempt, it is prepared from the request without that."""

    def sign(request, attempt):
        request.headers["Signed"] = request.headers.get("signed", "") + "x"

    session = open_session(cache=sp.Cache(), prepare=sign)
    url = status_server.script("/a", Answer(200, SWR, b"body"), swr_validated)
    session.get(url)
    session.clock.now += 100
    session.get(url)
    until(lambda: len(status_server.received) == 2)
    assert [received.headers["signed"] for received in status_server.received] == ["x", "x"]


# ── a bare transport ───────────────────────────────────────────────────────────────────


def test_a_bare_transport_has_a_cache_too(status_server):
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    with httpx.Client(transport=sp.PolicyTransport(cache=sp.Cache())) as client:
        for _ in range(2):
            assert client.get(url, headers={"Cookie": "a=1"}).content == b"body"
    assert len(status_server.received) == 1


def test_a_client_that_was_closed_and_opened_again_has_what_it_stored(status_server):
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    cache = sp.Cache(user="me")
    for _ in range(2):
        with sp.wrap(httpx.Client(), cache=cache, clock=None) as client:
            client.get(url, headers={"Cache-Control": "max-stale"})
    assert len(status_server.received) == 1


def test_unwrapped_it_is_a_client_without_a_cache(status_server):
    url = status_server.script("/a", Answer(200, FRESH, b"body"))
    with sp.wrap(httpx.Client(), cache=sp.Cache()) as client:
        client.get(url)
        sp.unwrap(client)
        client.get(url)
    assert len(status_server.received) == 2


def test_what_is_known_of_requests_stays_few_and_is_the_same_for_the_same_words():
    client_cache = ClientCache(sp.Cache(), sp.Limits())
    for number in range(1000):
        request = httpx.Request("GET", f"http://a.example/{number}")
        asked = client_cache.asked(request, None)
        assert asked.url == f"http://a.example/{number}"
        assert client_cache.asked(request, None) is asked
    assert 0 < len(client_cache._known) <= 256
