"""A transport that was closed is used again, as httpx's own can be: clients may share one."""

import anyio
import pytest

from statuspolicy.testing import Answer, FakeClock
from tests.library import httpx, sp


@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
def test_503_is_waited_for_by_each_of_several_clients_around_one_transport(kind, status_server):
    """Whether the last one was closed, was left as a context, or is still there."""
    urls = [f"{status_server.url}/503?retry-after=1&then=200&n={n}" for n in range(4)]
    clock = FakeClock()

    def sync():
        transport = sp.PolicyTransport(clock=clock)
        for url in urls[:2]:
            client = httpx.Client(transport=transport)
            assert client.get(url).status_code == 200
            client.close()
        with httpx.Client(transport=transport) as client:
            assert client.get(urls[2]).status_code == 200
        assert transport.handle_request(httpx.Request("GET", urls[3])).status_code == 200
        transport.close()

    async def tasks():
        transport = sp.AsyncPolicyTransport(clock=clock)
        for url in urls[:2]:
            client = httpx.AsyncClient(transport=transport)
            assert (await client.get(url)).status_code == 200
            await client.aclose()
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get(urls[2])).status_code == 200
        answer = await transport.handle_async_request(httpx.Request("GET", urls[3]))
        await answer.aclose()
        assert answer.status_code == 200
        await transport.aclose()

    sync() if kind == "sync" else anyio.run(tasks, backend=kind)
    assert clock.waits == [1.0] * 4


@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
def test_503_that_was_waited_for_at_the_close_is_not_repeated_and_a_later_one_is(
    kind, status_server
):
    """Each wait of what had begun before ends in RuntimeError, not only the first."""
    waited = []

    class Closing(FakeClock):
        def sleep(self, seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 1:
                transport.close()
                # What begins now is none of those that the close ended.
                assert transport.handle_request(httpx.Request("GET", later)).status_code == 200

        async def asleep(self, seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 1:
                await transport.aclose()
                answer = await transport.handle_async_request(httpx.Request("GET", later))
                await answer.aclose()
                assert answer.status_code == 200

    first = httpx.Request("GET", status_server.url + "/503?retry-after=7&then=200")
    later = status_server.url + "/503?retry-after=5&then=200&later"
    if kind == "sync":
        transport = sp.PolicyTransport(clock=Closing(), limits=sp.Limits(cooling="send"))
    else:
        transport = sp.AsyncPolicyTransport(clock=Closing(), limits=sp.Limits(cooling="send"))

    async def tasks():
        with pytest.raises(RuntimeError, match="closed while a request waited"):
            await transport.handle_async_request(first)
        await transport.aclose()

    if kind == "sync":
        with pytest.raises(RuntimeError, match="closed while a request waited"):
            transport.handle_request(first)
        transport.close()
    else:
        anyio.run(tasks, backend=kind)
    assert waited == [7.0, 5.0]
    assert [r.target for r in status_server.received].count("/503?retry-after=7&then=200") == 1


def test_a_cache_of_a_closed_transport_answers_and_validates_behind_again(status_server):
    stale = {"Cache-Control": "max-age=0, stale-while-revalidate=1000"}
    url = status_server.script("/swr", *[Answer(200, stale, b"%d" % n) for n in range(9)])
    transport = sp.PolicyTransport(cache=sp.Cache())
    for n in range(4):
        with httpx.Client(transport=transport) as client:
            # The first is the server's own; each later one is stored, and what follows is
            # fetched behind it, until the close at the latest.
            assert client.get(url).text == str(max(n - 1, 0))
    assert len(status_server.received) == 4
