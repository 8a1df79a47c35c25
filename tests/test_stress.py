"""Ten thousand requests, five hundred at a time, to a server that answers 30 % of them badly.

`pytest tests/test_stress.py -s` prints what each run did. No wait is real: see SharedClock.
"""

import gc
import json
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.request
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import anyio
import anyio.lowlevel
import pytest

from tests.conftest import KINDS
from tests.library import httpx, sp

# A run is made once, for all tests that look at it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WORKERS = {"sync": 50, "asyncio": 500, "trio": 500}
# Fewer connections than threads, so that they queue; httpcore 1.0 polls each idle one for each
# other, at the beginning and the end of each request, so 50 would take three times as long.
POOL = 10
CONNECTIONS = httpx.Limits(
    max_connections=POOL, max_keepalive_connections=POOL, keepalive_expiry=None
)
CLIENT: dict[str, Any] = {
    "limits": CONNECTIONS,
    "timeout": httpx.Timeout(10, pool=120),
    "trust_env": False,
}
# Nothing but `attempts` and `redirects` ends an exchange early, and draining isn't cut short
# because others waited meanwhile.
PATIENT = sp.Limits(deadline=1e9, retry_after=1e9, drain_seconds=1e9, retry_budget=None)


class Plan(NamedTuple):
    """What a run is."""

    kind: str
    requests: int
    limits: sp.Limits

    def __str__(self) -> str:
        return f"{self.kind}-{self.requests}"


PLANS = [
    Plan(kind, *which)
    for which in ((10_000, PATIENT), (1_000, sp.Limits()))  # the latter: all defaults
    for kind in KINDS
]


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


# ── what is asked, and what may come of it ─────────────────────────────────────────────


MIX = ("GET", "GET", "POST", "GET", "GET", "GET", "POST", "GET", "GET", "PUT")


def content(n: int) -> bytes:
    """What request n carries."""
    return b"%d/" % n * (n % 1000)


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


# What the body of an answer breaks with. The last two: between threads, httpcore 1.0 may close a
# connection that another one reads from.
CUT = ("complete message body", "incomplete chunked read", "Bad file descriptor", "timed out")


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
    """Lets as many requests into a transport as its pool has connections; the others queue here.

    They could queue in the pool, but httpcore 1.0 looks at each connection for each that waits:
    five times as long for five hundred. What never ends its response blocks both.
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


OF_ONE_EXCHANGE = {
    "Exchange", "ExchangeState", "Reply",
    "PolicyResponse", "Body", "SyncIO", "AsyncIO", "Trace",
    "Step",
}  # fmt: skip


def alive() -> Counter[str]:
    """How many objects there are of the classes of which each exchange makes its own."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    return Counter(
        {
            kind.__name__: number
            for kind, number in kinds.items()
            if str(kind.__module__).startswith("statuspolicy") and kind.__name__ in OF_ONE_EXCHANGE
        }
    )


class Run:
    """Requests 0, 1, 2, … of one client, by many threads or tasks at once."""

    def __init__(self, plan: Plan, flaky: Flaky) -> None:
        self.plan, self._flaky = plan, flaky
        self.clock = SharedClock()
        self.tally = Tally(plan.requests)
        # Memory is looked at after each fifth: its small blocks, and in the short runs (it takes
        # time) each byte. What the process holds of the system says nothing: buffers that come
        # and go leave holes in it.
        fifth = plan.requests // 5
        self._stages = [range(n, n + fifth) for n in range(0, plan.requests, fifth)]
        self.blocks: list[int] = []
        self.bytes: list[int] = []
        before, began = alive(), time.perf_counter()
        if plan.requests <= 1000:
            tracemalloc.start()
        try:
            if plan.kind == "sync":
                self._threads()
            else:
                anyio.run(self._tasks, backend=plan.kind)
        finally:
            tracemalloc.stop()
        self.seconds = time.perf_counter() - began
        self.stats = flaky.stats_once_all_is_closed()
        self.alive = alive() - before

    def _end_of_stage(self) -> None:
        gc.collect()
        self.blocks.append(sys.getallocatedblocks())
        self.bytes.append(tracemalloc.get_traced_memory()[0])
        self.at_rest = self._flaky.stats()

    def _threads(self) -> None:
        client = httpx.Client(**CLIENT)
        with sp.wrap(client, clock=self.clock, limits=self.plan.limits):

            def work(numbers: Iterator[int]) -> None:
                for n in numbers:
                    url = f"{self._flaky.url}/{n}"
                    try:
                        response = client.request(method(n), url, **options(n, "sync"))
                    except Exception as error:
                        self.tally.failed(n, error)
                    else:
                        self.tally.answered(n, response)

            for stage in self._stages:
                numbers = iter(stage)  # each thread takes the next
                workers = range(WORKERS["sync"])
                threads = [threading.Thread(target=work, args=(numbers,)) for _ in workers]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self._end_of_stage()

    async def _tasks(self) -> None:
        transport = Gate(httpx.AsyncHTTPTransport(limits=CONNECTIONS, trust_env=False))
        client = httpx.AsyncClient(**CLIENT, transport=transport)
        async with sp.wrap(client, clock=self.clock, limits=self.plan.limits):

            async def work(numbers: Iterator[int]) -> None:
                for n in numbers:
                    url = f"{self._flaky.url}/{n}"
                    try:
                        response = await client.request(method(n), url, **options(n, "async"))
                    except Exception as error:
                        self.tally.failed(n, error)
                    else:
                        self.tally.answered(n, response)

            for stage in self._stages:
                numbers = iter(stage)
                async with anyio.create_task_group() as tasks:
                    for _ in range(WORKERS[self.plan.kind]):
                        tasks.start_soon(work, numbers)
                self._end_of_stage()

    def __str__(self) -> str:
        requests, stats = self.plan.requests, self.stats
        return (
            f"{self.plan}, {WORKERS[self.plan.kind]} at once: {stats['requests']} sends, "
            f"{self.seconds:.1f} s, {requests / self.seconds:.0f} requests/s; "
            f"{self.clock.waits} waits, {self.clock.monotonic():.0f} s on the clock; "
            f"{stats['connections']} connections, {stats['peak']} at most; "
            f"blocks {self.blocks}, kB {[b // 1000 for b in self.bytes]}; "
            f"ended in {dict(self.tally.codes.most_common())}; served {stats['gave']}; "
            f"{stats['acted']} POSTs acted on"
        )


@pytest.fixture(scope="module", params=PLANS, ids=str)
def run(request: pytest.FixtureRequest) -> Run:
    """A run against a server of its own, which does the same each time."""
    script = str(Path(__file__).with_name("flaky_server.py"))
    command = [sys.executable, script, "30 % bad"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            run = Run(request.param, Flaky(process))
        finally:
            process.terminate()
    print(f"\n{run}")
    return run


def test_every_request_ends_once(run):
    assert run.tally.ended == b"\1" * run.plan.requests


def test_every_answer_is_the_requests_own_and_every_other_end_says_why(run):
    assert not run.tally.wrong


def test_nine_of_ten_requests_end_well_although_three_of_ten_sends_do_not(run):
    """Else the tests here would say little."""
    bad = 1 - run.stats["gave"]["right"] / run.stats["requests"]
    assert bad > 0.25
    assert run.tally.codes["200"] > 0.9 * run.plan.requests


def test_no_post_is_acted_on_twice(run):
    assert run.stats["acted"] > run.plan.requests * 0.18
    assert run.stats["acted twice"] == []


def test_no_request_is_sent_more_often_than_attempts_allow(run):
    assert run.stats["asked most"] == run.plan.limits.attempts


def test_there_are_never_more_connections_than_the_pool_may_have(run):
    assert 0 < run.at_rest["open"] <= POOL
    # Between threads, httpcore 1.0 may open the next before it has closed the last.
    assert run.stats["peak"] <= (2 * POOL if run.plan.kind == "sync" else POOL)


def test_a_connection_is_used_until_the_server_ends_it(run):
    """Whatever was passed over, a 302 or 503, was read to its end."""
    gave = run.stats["gave"]
    ended = sum(number for what, number in gave.items() if "cut" in what or "nothing" in what)
    # Between threads, httpcore 1.0 takes one that was just answered for one that was closed.
    races = run.plan.requests // 100 if run.plan.kind == "sync" else 0
    assert run.stats["connections"] <= ended + POOL + races


def test_no_connection_is_open_once_the_client_is_closed(run):
    assert run.stats["open"] == 0


def test_memory_stays_flat(run):
    """What each exchange left behind would show in every fifth of a run: after the first, which
    warms up, there is one that leaves less than 1,000 small blocks (in the long runs, one for
    two requests), and in the short runs less than 250 kB of whatever size, which is a quarter of
    what an exchange holds while it is under way.
    """
    blocks, size = (least_growth(measured) for measured in (run.blocks, run.bytes))
    assert blocks < 1_000
    assert size < 250_000


def least_growth(measured: list[int]) -> int:
    """What comes and goes, or comes once, isn't in it."""
    return min(after - before for before, after in pairwise(measured))


def test_nothing_of_an_exchange_is_alive_afterwards(run):
    assert run.alive == Counter()
