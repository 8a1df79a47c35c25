"""What a 200 costs: no wrapper, a wrapper that does nothing, statuspolicy, httpx-retries.

All contenders run in one process, interleaved, and the figures are medians of their ratios
to the wrapper that does nothing: shared machines drift, ratios in one run hold.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import httpx
from httpx_retries import RetryTransport

import statuspolicy

ROUNDS = 41
URL = "http://example.org/"


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


def compare(title: str, calls: dict[str, Callable[[int], float]], times: int) -> None:
    """Time each contender `times` calls a round, and print medians and ratios."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            seconds[name].append(call(times) / times)
    floor = seconds["does nothing"]
    print(f"\n{title}")
    for name, taken in seconds.items():
        ratios = sorted(t / f for t, f in zip(taken, floor, strict=True))
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        print(
            f"  {name:<16}{statistics.median(taken) * 1e6:>10.3f} µs"
            f"{statistics.median(ratios):>9.2f} ×   ({low:.2f} to {high:.2f})"
        )
    ours, theirs = (statistics.median(seconds[n]) for n in ("statuspolicy", "httpx-retries"))
    print(f"  statuspolicy is {ours / theirs:.2f} × httpx-retries")


def timed(call: Callable[[], object]) -> Callable[[int], float]:
    def run(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            call()
        return time.perf_counter() - start

    return run


def atimed(call: Callable[[], Awaitable[object]]) -> Callable[[int], float]:
    async def run(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            await call()
        return time.perf_counter() - start

    return lambda times: asyncio.run(run(times))


def import_time() -> None:
    """Milliseconds that `import statuspolicy` adds to `import httpx`, in processes of their own."""
    code = (
        "import time, httpx; t = time.perf_counter(); import statuspolicy; "
        "import sys; print((time.perf_counter() - t) * 1000, 'asyncio' in sys.modules, "
        "'tenacity' in sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(21)
    ]
    figures = [run.stdout.split() for run in runs]
    took = sorted(float(figure[0]) for figure in figures)
    print(
        f"\nimport statuspolicy, after import httpx: median {statistics.median(took):.1f} ms, "
        f"best {took[0]:.1f} ms; loads asyncio: {figures[0][1]}, tenacity: {figures[0][2]}"
    )


def main() -> None:
    request = httpx.Request("GET", URL)
    compare(
        "A 200 at transport level, sync",
        {n: timed(lambda t=t: t.handle_request(request)) for n, t in wrappers(Null()).items()},
        5000,
    )
    compare(
        "A 200 at transport level, async",
        {
            n: atimed(lambda t=t: t.handle_async_request(request))
            for n, t in async_wrappers(Null()).items()
        },
        5000,
    )
    compare(
        "A 200 through httpx.Client",
        {
            n: timed(lambda c=httpx.Client(transport=t): c.get(URL))
            for n, t in wrappers(Fresh()).items()
        },
        60,
    )
    compare(
        "A 200 through httpx.AsyncClient",
        {
            n: atimed(lambda c=httpx.AsyncClient(transport=t): c.get(URL))
            for n, t in async_wrappers(Fresh()).items()
        },
        60,
    )
    import_time()


if __name__ == "__main__":
    main()
