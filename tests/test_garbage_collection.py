"""A wrapped client is freed when the last reference to it goes, and closes then if it does so."""

import asyncio
import gc
import weakref

import pytest

from statuspolicy.testing import Answer, FakeClock
from statuspolicy.wire import h11_internals, httpcore_internals, httpx_internals
from tests.library import httpx, sp

CLOSED: list[str] = []


class Closing(httpx.Client):
    """Closes when it is freed, as those of some SDKs do."""

    def __del__(self):
        if not self.is_closed:
            CLOSED.append("sync")
            self.close()


class AsyncClosing(httpx.AsyncClient):
    def __del__(self):
        CLOSED.append("async")


@pytest.fixture
def uncollected():
    """No collection of cycles: what is freed is freed by its reference count."""
    CLOSED.clear()
    httpx.Client().close()  # the first of a process stays, as httpx made it
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def urls(status_server):
    cookie = {"Set-Cookie": "seen=1", "Location": "/200"}
    return [
        status_server.url + "/200",
        status_server.script("/cookie", Answer(302, cookie), Answer(302, cookie)),
        status_server.url + "/302?location=/303?location=/404",
        status_server.url + "/503?retry-after=3&then=200",
        status_server.script("/swr", Answer(200, {"Cache-Control": "max-age=99"})),
        status_server.script("/loop", Answer(302, {"Location": "/loop"})),
    ]


OPTIONS = [
    {},
    {"cache": sp.Cache(), "observer": lambda event: None},
    {"prepare": lambda request, attempt: None, "limits": sp.Limits(total=60)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "cache", "prepare"])
def test_a_wrapped_client_is_freed_with_the_last_reference(options, urls, uncollected):
    """After all that it did, and though somebody keeps what came."""
    mounts = {"all://other.example": httpx.HTTPTransport()}
    client = sp.wrap(Closing(mounts=mounts), clock=FakeClock(), **options)
    seen = weakref.ref(client)
    responses = []
    for url in urls:
        try:
            responses.append(client.get(url))
            client.post(url, content=b"content", follow_redirects=False)
        except sp.RedirectLoop:
            pass
    with client.stream("GET", urls[2]) as response:
        response.read()
    del client
    assert CLOSED == ["sync"]
    assert seen() is None
    assert [r.status_code for r in responses] == [200, 200, 404, 200, 200]


def test_the_client_whose_transport_is_the_first_of_a_process_is_freed_like_others(uncollected):
    """What looks for the private names of libraries keeps no error, and so no frame of `wrap`."""
    for check in (h11_internals.check, httpcore_internals.check, httpx_internals._check):
        check.cache_clear()
    client = sp.wrap(httpx.Client())
    seen = weakref.ref(client)
    del client
    assert seen() is None


def test_the_transports_of_a_client_are_freed_with_it(status_server, uncollected):
    """Of what httpx has in cycles, its responses, nothing leads to them."""
    client = sp.wrap(httpx.Client(mounts={"all://other.example": httpx.HTTPTransport()}))
    watched = [weakref.ref(part) for part in (client, client._transport, *client._mounts.values())]
    assert client.get(status_server.url + "/302?location=/200").status_code == 200
    assert client.post(status_server.url + "/303?location=/200").status_code == 200
    client.close()
    del client
    assert [part() for part in watched] == [None] * 3


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "cache", "prepare"])
def test_a_wrapped_async_client_is_freed_with_the_last_reference(options, urls, uncollected):
    """Also while its connections stay open: they were made within a call of it."""

    async def main():
        client = sp.wrap(AsyncClosing(), clock=FakeClock(), **options)
        seen = weakref.ref(client)
        inner = client._transport._inner
        for url in urls:
            try:
                await client.get(url)
                await client.post(url, content=b"content", follow_redirects=False)
            except sp.RedirectLoop:
                pass
        async with client.stream("GET", urls[2]) as response:
            await response.aread()
        del response
        await asyncio.sleep(0)
        del client
        assert CLOSED == ["async"]
        assert seen() is None
        await inner.aclose()

    asyncio.run(main())


def test_what_was_unwrapped_is_freed_as_it_was(uncollected):
    client = sp.unwrap(sp.wrap(Closing()))
    del client
    assert CLOSED == ["sync"]


def test_a_method_that_is_kept_keeps_its_client(status_server, uncollected):
    get, send = sp.wrap(Closing()).get, sp.wrap(Closing()).send
    hop = status_server.url + "/302?location=/200"
    assert get(hop).status_code == 200
    assert send(httpx.Request("GET", hop)).status_code == 200
    assert CLOSED == []
    del get, send
    assert CLOSED == ["sync"] * 2


# ── classes that are made in a function ────────────────────────────────────────────────


def in_a_client(transport=httpx.MockTransport, response=httpx.Response, kind=httpx.Client):
    """A GET, of which the first answer is discarded and the second handed over."""
    answers = iter([(302, {"Location": "https://other.example/"}), (200, {})])

    def answer(request):
        status, headers = next(answers)
        return response(status, headers=headers)

    with sp.wrap(kind(transport=transport(answer))) as client:
        assert client.get("https://example.org/").status_code == 200


def a_client():
    class Own(httpx.Client):
        pass

    in_a_client(kind=Own)
    return Own


def an_async_client():
    class Own(httpx.AsyncClient):
        pass

    async def run():
        async with sp.wrap(Own(transport=httpx.MockTransport(lambda _: httpx.Response(200)))) as c:
            assert (await c.get("https://example.org/")).status_code == 200

    asyncio.run(run())
    return Own


def a_transport():
    class Own(httpx.HTTPTransport):
        pass

    sp.wrap(httpx.Client(transport=Own())).close()
    return Own


def a_response():
    class Own(httpx.Response):
        __slots__ = ("own",)

    in_a_client(response=Own)
    return Own


def an_error():
    class Own(httpx.ConnectError):
        pass

    def refuse(request):
        if request.url.path == "/":
            return httpx.Response(302, headers={"Location": "/gone"})
        raise Own("no")

    table = sp.STANDARD | {httpx.ConnectError: sp.surface}

    with (
        sp.wrap(httpx.Client(transport=httpx.MockTransport(refuse)), table=table) as client,
        pytest.raises(Own),
    ):
        client.get("https://example.org/")
    return Own


@pytest.mark.parametrize("make", [a_client, an_async_client, a_transport, a_response, an_error])
def test_a_class_of_an_application_is_freed_with_its_last_object(make):
    own = weakref.ref(make())
    gc.collect()
    assert own() is None
