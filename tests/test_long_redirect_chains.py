"""A long chain of redirects: its last response has a history whose members have histories."""

import pickle
import sys
from collections.abc import Callable

import anyio
import pytest

from tests.library import httpx, sp


def countdown(request: httpx.Request) -> httpx.Response:
    """/3 leads to /2, and so on to /0."""
    left = int(request.url.path[1:])
    if left:
        return httpx.Response(302, headers={"location": f"/{left - 1}"}, content=b"moved")
    return httpx.Response(200, content=b"there")


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called meanwhile, in Python and in C."""
    counted = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")
        assert counted < 1_000_000  # or it would go on for hours

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def as_it_should_be(response: httpx.Response, hops: int) -> None:
    """Look at all of a chain's history."""
    again = pickle.loads(pickle.dumps(response))
    again.default_encoding = "latin-1"
    for read in (response, again):
        history = read.history
        assert [r.url.path for r in history] == [f"/{left}" for left in range(hops, 0, -1)]
        assert [len(passed.history) for passed in history] == [*range(hops)]
        assert history[3].history[2] is history[2]
        encodings = {passed.default_encoding for passed in [*history, read]}
        assert encodings == {"utf-8" if read is response else "latin-1"}


def test_302_a_hop_costs_the_same_however_long_the_chain_is():
    """With the reading of its history, and pickling."""
    inner, limits = httpx.MockTransport(countdown), sp.Limits(redirects=100)
    clients = [
        sp.wrap(httpx.Client(transport=inner), limits=limits),
        # With an observer, all is the engine's.
        sp.wrap(httpx.Client(transport=inner), limits=limits, observer=lambda event: None),
        httpx.Client(transport=sp.PolicyTransport(inner, limits=limits)),
    ]
    for client in clients:
        client.get("http://a.example/1")  # what is made once is made now

        def costs(hops: int, client: httpx.Client = client) -> int:
            return calls_of(lambda: as_it_should_be(client.get(f"http://a.example/{hops}"), hops))

        assert costs(64) < 4.4 * costs(16)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_302_an_async_hop_costs_the_same_however_long_the_chain_is(backend):
    limits = sp.Limits(redirects=100)

    async def main():
        inner = httpx.MockTransport(countdown)
        async with sp.wrap(httpx.AsyncClient(transport=inner), limits=limits) as client:
            return await client.get("http://a.example/40")

    as_it_should_be(anyio.run(main, backend=backend), 40)
