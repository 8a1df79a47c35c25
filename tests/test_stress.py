"""Ten thousand requests, five hundred at a time, to a server that answers 30 % of them badly.

`pytest tests/test_stress.py -s` prints what each run did.
"""

import gc
import itertools
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import anyio
import anyio.lowlevel
import httpx
import pytest

import statuspolicy as sp

POOL = 20
CLIENT: dict[str, Any] = {
    "limits": httpx.Limits(
        max_connections=POOL, max_keepalive_connections=POOL, keepalive_expiry=600
    ),
    "timeout": httpx.Timeout(30, pool=120),
    "trust_env": False,
}
WORKERS = {"sync": 50, "asyncio": 500, "trio": 500}
# Nothing but `attempts` and `redirects` ends an exchange early.
PATIENT = sp.Limits(deadline=1e9, retry_after=1e9, retry_budget=None)
WARM_UP = 2_000


class SharedClock:
    """A clock whose waits cost no time, and that all who wait share.

    Who waited finds it that much later, at least; those who wait at the same time wait together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0.0
        self.waits = 0

    def time(self) -> float:
        return 1_000_000_000.0 + self._now

    def monotonic(self) -> float:
        return self._now

    def _reach(self, then: float) -> None:
        with self._lock:
            self._now = max(self._now, then)
            self.waits += 1

    def sleep(self, seconds: float) -> None:
        then = self._now + seconds
        time.sleep(0)  # the other threads' turn
        self._reach(then)

    async def asleep(self, seconds: float) -> None:
        then = self._now + seconds
        await anyio.lowlevel.checkpoint()  # the other tasks' turn
        self._reach(then)


class Flaky:
    """tests/flaky_server.py, running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        port, self._stats = json.loads(process.stdout.readline())
        self.url = f"http://127.0.0.1:{port}"

    def stats(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._stats}/stats") as answer:
            return json.load(answer)

    def stats_once_all_is_closed(self) -> Any:
        """The first that know of no open connection; the last, where some stay open."""
        for _ in range(1000):
            stats = self.stats()
            if not stats["open"]:
                break
        return stats


@pytest.fixture
def flaky() -> Iterator[Flaky]:
    """A server of its own for each test; what it does is the same each time."""
    script = Path(__file__).with_name("flaky_server.py")
    with subprocess.Popen(
        [sys.executable, str(script), "2024"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Flaky(process)
        finally:
            process.terminate()


# ── what is asked, and what may come of it ─────────────────────────────────────────────


MIX = ("GET", "GET", "POST", "GET", "GET", "GET", "POST", "GET", "GET", "PUT")


def content(n: int) -> bytes:
    """What request n carries."""
    return b"%d/" % n * (n % 50)


def method(n: int) -> str:
    """Seven GETs, two POSTs and a PUT of ten."""
    return MIX[n % 10]


def options(n: int, kind: str) -> dict[str, Any]:
    """The body of request n: bytes for a POST, for a PUT what can be iterated once."""
    if method(n) != "PUT":
        return {"content": content(n)} if method(n) == "POST" else {}
    half = len(content(n)) // 2
    parts = [part for part in (content(n)[:half], content(n)[half:]) if part]

    async def generator():
        for part in parts:
            yield part

    return {"content": (part for part in parts) if kind == "sync" else generator()}


class Tally:
    """What became of all requests; no more of it for ten thousand than for one."""

    def __init__(self, requests: int) -> None:
        self.ended = bytearray(requests)
        self.codes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def end(self, n: int, code: int | str, wrong: str) -> None:
        with self._lock:
            self.ended[n] += 1
            self.codes[str(code)] += 1
            if wrong:
                self.wrong.append(f"{method(n)} {n}: {wrong}")

    def answered(self, n: int, response: httpx.Response) -> None:
        self.end(n, response.status_code, wrong_with(n, response) or impatient(response))

    def failed(self, n: int, error: Exception) -> None:
        self.end(n, type(error).__name__, unclear(error) or impatient(error))


def wrong_with(n: int, response: httpx.Response) -> str:
    """What is wrong with an answer; "" where nothing is."""
    if response.status_code != 200:
        trace = sp.trace(response)
        return "" if trace[-1].code == response.status_code and trace.reason else f"why? {trace}"
    sent = response.request.method
    expected = "GET" if response.history and method(n) == "POST" else method(n)
    body = content(n) if sent in ("POST", "PUT") else b""
    right = sent == expected and response.text.split(" ")[:3] == [str(n), sent, str(crc32(body))]
    whole = len(response.content) > 3000
    return "" if right and whole else f"{sent} {response.url} got {response.text[:50]!r}"


CUT = ("incomplete", "without sending complete message body")


def unclear(error: Exception) -> str:
    """What is unclear about an error; "" where nothing is."""
    if not isinstance(error, httpx.HTTPError):
        return f"{error!r} is none of httpx's"
    if any(words in str(error) for words in CUT):
        return ""  # the answer was handed over, and broke while it was read
    trace = sp.trace(error)
    return "" if trace[-1].verdict in ("settle", "refuse") and trace.reason else f"why? {error!r}"


def impatient(result: httpx.Response | Exception) -> str:
    """Where it was asked again earlier than the server said; "" where it wasn't."""
    early = [s for s in sp.trace(result) if s.verdict == "repeat" and s.wait < (s.told or 0)]
    return f"early: {early}" if early else ""


# ── the runs ───────────────────────────────────────────────────────────────────────────


class Gate(httpx.AsyncBaseTransport):
    """Lets as many requests into a transport as its pool holds, and the others queue here.

    httpcore looks at each connection for each request that waits, at each beginning and end of
    one: that is half a second of real time for each ten requests of five hundred.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._free = anyio.Semaphore(POOL)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._free.acquire()
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            self._free.release()
            raise
        response.stream = Leaving(response.stream, self._free)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class Leaving(httpx.AsyncByteStream):
    """A body whose end lets the next one in."""

    def __init__(self, stream: Any, free: anyio.Semaphore) -> None:
        self._stream, self._free, self._left = stream, free, False

    def __aiter__(self) -> Any:
        return aiter(self._stream)

    async def aclose(self) -> None:
        await self._stream.aclose()
        if not self._left:
            self._left = True
            self._free.release()


class Run:
    """Requests 0, 1, 2, … of one client, by many threads or tasks at once."""

    def __init__(self, kind: str, flaky: Flaky, requests: int, **wrap: Any) -> None:
        self.kind, self.flaky = kind, flaky
        self.clock = SharedClock()
        self.tally = Tally(requests)
        self.wrap = {"clock": self.clock, **wrap}
        self.stages = [range(min(WARM_UP, requests)), range(WARM_UP, requests)]
        self.blocks: list[int] = []  # of memory, after each stage
        self.while_open: Any = None
        began = time.perf_counter()
        if kind == "sync":
            self._threads()
        else:
            anyio.run(self._tasks, backend=kind)
        self.seconds = time.perf_counter() - began
        self.stats = flaky.stats_once_all_is_closed()

    def _staged(self) -> None:
        gc.collect()
        self.blocks.append(sys.getallocatedblocks())
        self.while_open = self.flaky.stats()

    def _threads(self) -> None:
        with sp.wrap(httpx.Client(**CLIENT), **self.wrap) as client:

            def work(numbers: Iterator[int]) -> None:
                for n in numbers:
                    url = f"{self.flaky.url}/{n}"
                    try:
                        response = client.request(method(n), url, **options(n, self.kind))
                    except Exception as error:
                        self.tally.failed(n, error)
                    else:
                        self.tally.answered(n, response)

            for stage in self.stages:
                numbers = iter(stage)
                threads = [
                    threading.Thread(target=work, args=(numbers,))
                    for _ in range(WORKERS[self.kind])
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                del threads, thread
                self._staged()

    async def _tasks(self) -> None:
        transport = Gate(httpx.AsyncHTTPTransport(limits=CLIENT["limits"], trust_env=False))
        client = httpx.AsyncClient(**CLIENT, transport=transport)
        async with sp.wrap(client, **self.wrap):

            async def work(numbers: Iterator[int]) -> None:
                for n in numbers:
                    url = f"{self.flaky.url}/{n}"
                    try:
                        response = await client.request(method(n), url, **options(n, self.kind))
                    except Exception as error:
                        self.tally.failed(n, error)
                    else:
                        self.tally.answered(n, response)

            for stage in self.stages:
                numbers = iter(stage)
                async with anyio.create_task_group() as tasks:
                    for _ in range(WORKERS[self.kind]):
                        tasks.start_soon(work, numbers)
                self._staged()

    def __str__(self) -> str:
        requests, sends = len(self.tally.ended), self.stats["requests"]
        return (
            f"{self.kind}, {WORKERS[self.kind]} at once: {requests} requests, {sends} sends, "
            f"{self.seconds:.1f} s, {requests / self.seconds:.0f} requests/s, "
            f"{self.clock.waits} waits to {self.clock.monotonic():.0f} s, "
            f"{self.stats['connections']} connections, {self.stats['peak']} at most, "
            f"blocks {self.blocks}, ended in {dict(self.tally.codes.most_common())}, "
            f"served {self.stats['gave']}, {self.stats['acted']} POSTs acted on"
        )


OWN = {"Exchange", "Talk", "Reply", "PolicyResponse", "Body", "Hands", "AsyncHands", "Trace"}


def alive() -> Counter[str]:
    """How many objects of one exchange's own classes there are."""
    gc.collect()
    kinds = map(type, gc.get_objects())
    return Counter(
        k.__name__ for k in kinds if k.__module__.startswith("statuspolicy") and k.__name__ in OWN
    )


@pytest.mark.timeout(300)
def test_ten(kind, flaky):
    before = alive()
    run = Run(kind, flaky, int(__import__("os").environ.get("N", 10_000)), limits=PATIENT)
    print(f"\n{run}")
    print(run.tally.wrong[:10])
    print(alive() - before)
