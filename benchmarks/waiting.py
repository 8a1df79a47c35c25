"""Many requests that all wait on a Retry-After: what they hold, and when they end.

`python benchmarks/waiting.py LEVEL CONTENDER REQUESTS SECONDS` prints KiB a request while all
wait (as tracemalloc counts them), and the seconds that all take in another run without it. The
level is "client", or "transport", which leaves out what httpx's client holds.
"""

import asyncio
import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import tenacity
from httpx_retries import RetryTransport

import statuspolicy as sp

CONTENDERS = ("plain", "statuspolicy", "httpx-retries", "tenacity")
LEVELS = ("transport", "client")
URL = "http://example.org/"


class Waiting(NamedTuple):
    """What came of one contender.

    level: "client" or "transport".
    told: seconds that the server asks to wait. kib: what each request holds meanwhile.
    seconds: that all took.
    """

    name: str
    level: str
    requests: int
    told: int
    kib: float
    seconds: float


class Slow(httpx.AsyncBaseTransport):
    """Plain: the transport itself takes as long."""

    def __init__(self, told: int) -> None:
        self._told = told

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._told)
        return httpx.Response(200, content=b"ok")


class Busy(httpx.AsyncBaseTransport):
    """A 503 for each request once all of them are sent, and a 200 afterwards."""

    def __init__(self, requests: int, told: int) -> None:
        self._left, self._told = requests, told
        self._all = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._all.is_set():
            return httpx.Response(200, content=b"ok")
        self._left -= 1
        if not self._left:
            self._all.set()
        await self._all.wait()
        return httpx.Response(503, headers={"Retry-After": str(self._told)}, content=b"busy")


# Each waits as long as it was told. (By default those that didn't hear it first come spread over
# some time, so that they don't all come at once.)
LIMITS = sp.Limits(cooling="send")


def caller(
    level: str, name: str, requests: int, told: int
) -> Callable[[], Coroutine[Any, Any, Any]]:
    """What sends one request, and gives its response."""
    transport: Any = Slow(told) if name == "plain" else Busy(requests, told)
    if level == "client" and name == "statuspolicy":
        return partial(sp.wrap(httpx.AsyncClient(transport=transport), limits=LIMITS).get, URL)
    if name == "statuspolicy":
        transport = sp.AsyncPolicyTransport(transport, limits=LIMITS)
    elif name == "httpx-retries":
        transport = RetryTransport(transport)
    if level == "client":
        call: Any = partial(httpx.AsyncClient(transport=transport).get, URL)
    else:

        async def call() -> httpx.Response:
            return await transport.handle_async_request(httpx.Request("GET", URL))

    if name == "tenacity":
        busy = tenacity.retry_if_result(lambda response: response.status_code == 503)
        return tenacity.retry(retry=busy, wait=_told)(call)
    return call


def _told(state: Any) -> float:
    return float(state.outcome.result().headers["retry-after"])


async def ask(level: str, name: str, requests: int, told: int, held: bool) -> float:
    """KiB that each request holds while all wait, or the seconds that all take."""
    call = caller(level, name, requests, told)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    start = time.perf_counter()
    tasks = [asyncio.create_task(call()) for _ in range(requests)]
    if held:
        while not all_wait(tasks):  # noqa: ASYNC110 - nobody tells when a timer is set
            await asyncio.sleep(0.1)
        gc.collect()
        kib = (tracemalloc.get_traced_memory()[0] - before) / 1024 / requests
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return kib
    for task in tasks:
        response = await task
        assert response.status_code == 200, response
    return time.perf_counter() - start


def all_wait(tasks: list[Any]) -> bool:
    """Whether every task sleeps: a timer for each is what the loop has left to do."""
    loop: Any = asyncio.get_running_loop()
    return len(loop._scheduled) >= len(tasks) and not loop._ready


def measure(requests: int) -> list[Waiting]:
    """All contenders in turn, each in a process of its own."""
    found, told = [], 2 + requests // 1000
    for level, name in product(LEVELS, CONTENDERS):
        program = [sys.executable, str(Path(__file__)), level, name, str(requests), str(told)]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        found.append(Waiting(name, level, requests, told, *map(float, done.stdout.split())))
    return found


def main(level: str, name: str, requests: int, told: int) -> None:
    asyncio.run(ask(level, name, 1, 0, held=False))  # what is loaded once
    seconds = asyncio.run(ask(level, name, requests, told, held=False))
    tracemalloc.start()
    kib = asyncio.run(ask(level, name, requests, 100, held=True))
    print(f"{kib} {seconds}")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
