"""What an exchange costs, in calls and in memory: counts, which are the same on any machine.

A limit that has to be raised is a cost that somebody has to mean. What it is in time is what
`make bench` says. The counting has a process of its own, since a measurement of coverage is a
part of what it would count.
"""

import asyncio
import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import statuspolicy as sp
from statuspolicy.testing import FakeClock

SOURCE = str(Path(sp.__file__).parent)
URL = "http://example.org/"
LIMITS = sp.Limits(retry_budget=sp.RetryBudget(tokens=1e9))

# Functions of the package that are entered, generators that are taken up again among them, and
# the most bytes at once. Python versions differ a little in the bytes.
MOST = {
    "sync": {"200": (1, 200), "503": (40, 4_000), "redirect": (61, 6_000),
             "wait": (66, 4_000), "abroad": (65, 6_500)},
    "async": {"200": (1, 900), "503": (40, 4_500), "redirect": (61, 6_300),
              "wait": (66, 4_000), "abroad": (65, 6_500)},
}  # fmt: skip
# Bytes of a request that waits, beyond those of a transport that waits itself; where frames of
# Python are larger (3.13), it is some 100 more than in 3.11.
WAITING = 2_700


class Inner(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """/redirect leads to /there, /abroad elsewhere; /503 and /wait answer 503 each other time."""

    fine = httpx.Response(200)
    sent = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        if request.url.path == "/redirect":
            return httpx.Response(302, headers={"location": "/there"}, content=b"moved")
        if request.url.path == "/abroad" and request.url.host == "example.org":
            return httpx.Response(302, headers={"location": "http://other.example/"})
        if request.url.path in ("/503", "/wait") and self.sent % 2:
            told = {"retry-after": "0" if request.url.path == "/503" else "1"}
            return httpx.Response(503, headers=told, content=b"busy")
        return self.fine

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class Still(FakeClock):
    """Waits take no turn of an event loop, and leave nothing behind."""

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def sync(path: str) -> Callable[[], httpx.Response]:
    # A clock that stands still: where time passes, more is looked at a second time.
    transport = sp.PolicyTransport(Inner(), limits=LIMITS, clock=Still())
    request = httpx.Request("GET", URL + path)
    return lambda: transport.handle_request(request)


def asynchronous(path: str) -> Callable[[], httpx.Response]:
    transport = sp.AsyncPolicyTransport(Inner(), limits=LIMITS, clock=Still())
    request = httpx.Request("GET", URL + path)

    def call() -> httpx.Response:
        try:
            transport.handle_async_request(request).send(None)
        except StopIteration as end:  # nothing here waits
            return end.value  # type: ignore[no-any-return]
        raise AssertionError("it waits")

    return call


def calls(call: Callable[[], httpx.Response]) -> int:
    count = 0

    def note(frame: Any, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(SOURCE)

    sys.setprofile(note)
    response = call()
    sys.setprofile(None)
    assert response.status_code == 200
    return count


def peak(call: Callable[[], httpx.Response]) -> int:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    response = call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert response.status_code == 200
    return most - before


def growth(call: Callable[[], httpx.Response]) -> int:
    """Blocks of memory that stay, of 1,000 calls; the interpreter keeps some of its own."""
    blocks = []
    for _ in range(4):
        for _ in range(1000):
            call()
        gc.collect()
        blocks.append(sys.getallocatedblocks())
    return min(blocks[2:]) - max(blocks[:2])


class Asleep(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)


class Busy(httpx.AsyncBaseTransport):
    def __init__(self, length: int) -> None:
        self.length = length

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {"retry-after": "60", "x-note": "n" * self.length}
        return httpx.Response(503, headers=headers, content=b"b" * self.length)


async def held(transport: httpx.AsyncBaseTransport) -> float:
    """Bytes of each of many requests that wait."""

    async def waiting(requests: int) -> list[asyncio.Task[httpx.Response]]:
        sends = [httpx.Request("GET", URL) for _ in range(requests)]
        tasks = [asyncio.create_task(transport.handle_async_request(send)) for send in sends]
        for _ in range(5):
            await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)
        return tasks

    tasks = await waiting(1)  # what is loaded once
    gc.collect()
    tracemalloc.start()
    tasks += await waiting(200)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] / 200
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return taken


def count() -> dict[str, Any]:
    """All that is counted, by kind and by what is answered."""
    found: dict[str, Any] = {}
    for kind, prepared in (("sync", sync), ("async", asynchronous)):
        for path in MOST[kind]:
            call = prepared(path)
            for _ in range(3):
                call()  # what is loaded and compiled once
            gc.collect()
            found[f"{kind} {path}"] = (calls(call), peak(call), growth(call))
    asleep = asyncio.run(held(Asleep()))
    for length in (10, 20_000):
        policy = sp.AsyncPolicyTransport(Busy(length), limits=sp.Limits(cooling="send"))
        found[f"waiting, {length}"] = asyncio.run(held(policy)) - asleep
    return found


@pytest.fixture(scope="module")
def counted() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


EACH = [(kind, path) for kind, paths in MOST.items() for path in paths]


@pytest.mark.parametrize(("kind", "path"), EACH)
def test_an_exchange_costs_no_more_than_it_did(counted, kind, path):
    entered, most, _ = counted[f"{kind} {path}"]
    assert entered <= MOST[kind][path][0]
    assert most <= MOST[kind][path][1]


@pytest.mark.parametrize(("kind", "path"), EACH)
def test_nothing_of_an_exchange_stays(counted, kind, path):
    assert counted[f"{kind} {path}"][2] < 500


def test_a_request_that_waits_holds_no_answer(counted):
    """However long the body and the header section are of the 503 that it was told to wait by."""
    assert counted["waiting, 10"] < WAITING
    assert abs(counted["waiting, 20000"] - counted["waiting, 10"]) < 300


if __name__ == "__main__":
    json.dump(count(), sys.stdout)
