"""What a 200 costs: no wrapper, a wrapper that does nothing, statuspolicy, httpx-retries.

All contenders run in one process, interleaved, and the figures are medians of their ratios
to the wrapper that does nothing: shared machines drift, ratios in one run hold.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import httpx
from httpx_retries import RetryTransport

import statuspolicy

URL = "http://example.org/"

# Makes so many calls, and tells how many seconds they took.
Timed: TypeAlias = Callable[[int], float]


class Null(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that answers at once with the same response."""

    response = httpx.Response(200)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.response


class Fresh(Null):
    """As Null, with a response of its own for each request, as a client needs it."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"ok")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"ok")


class Nothing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A wrapper that does nothing: the floor."""

    def __init__(self, inner: Null) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)


def wrappers(inner: Null) -> dict[str, httpx.BaseTransport]:
    return {
        "no wrapper": inner,
        "does nothing": Nothing(inner),
        "statuspolicy": statuspolicy.PolicyTransport(inner),
        "httpx-retries": RetryTransport(inner),
    }


def async_wrappers(inner: Null) -> dict[str, httpx.AsyncBaseTransport]:
    return {
        "no wrapper": inner,
        "does nothing": Nothing(inner),
        "statuspolicy": statuspolicy.AsyncPolicyTransport(inner),
        "httpx-retries": RetryTransport(inner),
    }


def compare(title: str, contenders: dict[str, Timed], times: int, rounds: int) -> None:
    """Time each contender `times` calls a round, and print medians and ratios."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, timed in contenders.items():
            seconds[name].append(timed(times) / times)
    floor = seconds["does nothing"]
    print(f"\n{title}")
    for name, taken in seconds.items():
        ratios = sorted(t / f for t, f in zip(taken, floor, strict=True))
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        print(
            f"  {name:<16}{statistics.median(taken) * 1e6:>10.3f} µs"
            f"{statistics.median(ratios):>9.2f} ×   ({low:.2f} to {high:.2f})"
        )
    pairs = zip(seconds["statuspolicy"], seconds["httpx-retries"], strict=True)
    print(f"  statuspolicy is {statistics.median(o / t for o, t in pairs):.2f} × httpx-retries")


def timed(call: Callable[[Any], httpx.Response], argument: object) -> Timed:
    def run(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            response = call(argument)
        taken = time.perf_counter() - start
        assert response.status_code == 200
        return taken

    return run


def atimed(call: Callable[[Any], Awaitable[httpx.Response]], argument: object) -> Timed:
    async def run(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            response = await call(argument)
        taken = time.perf_counter() - start
        assert response.status_code == 200
        return taken

    return lambda times: asyncio.run(run(times))


def import_time(rounds: int) -> None:
    """Milliseconds that `import statuspolicy` adds to `import httpx`, in processes of their own."""
    code = (
        "import time, httpx; start = time.perf_counter(); import statuspolicy, sys; "
        "print((time.perf_counter() - start) * 1000, *{'asyncio', 'tenacity'} & sys.modules.keys())"
    )
    # With its bytecode cached, as an installed package has it.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
        ).stdout.split()
        for _ in range(rounds)
    ]
    took = sorted(float(run[0]) for run in runs)
    print(
        f"\nimport statuspolicy, after import httpx: median {statistics.median(took):.1f} ms, "
        f"best {took[0]:.1f} ms; of asyncio and tenacity it loads: {runs[-1][1:] or 'none'}"
    )


def main(rounds: int = 41) -> None:
    request = httpx.Request("GET", URL)
    sync = {n: timed(t.handle_request, request) for n, t in wrappers(Null()).items()}
    compare("A 200 at transport level, sync", sync, 5000, rounds)
    asynchronous = {
        n: atimed(t.handle_async_request, request) for n, t in async_wrappers(Null()).items()
    }
    compare("A 200 at transport level, async", asynchronous, 5000, rounds)
    sync = {n: timed(httpx.Client(transport=t).get, URL) for n, t in wrappers(Fresh()).items()}
    compare("A 200 through httpx.Client", sync, 60, rounds)
    asynchronous = {
        n: atimed(httpx.AsyncClient(transport=t).get, URL)
        for n, t in async_wrappers(Fresh()).items()
    }
    compare("A 200 through httpx.AsyncClient", asynchronous, 60, rounds)
    import_time(rounds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
