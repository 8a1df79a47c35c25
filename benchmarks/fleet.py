"""What a fleet does to an origin that is down: with the retry budget, and without.

A simulation: each client has a memory of its own, all share one clock whose time passes in an
event queue, and that queue drives the engine as a transport would. What arrives at the origin
while it is down is counted, as a multiple of what the applications asked for meanwhile: 1 is
the load without any retry. Clients share nothing, so the multiples hold for a fleet of any
size: `python benchmarks/fleet.py 1000` takes a minute or so and says the same.
"""

import gc
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import httpx

from statuspolicy import STANDARD, Limits, Memory, RetryBudget
from statuspolicy.engine.config import Config
from statuspolicy.engine.effects import Discard, Reply, Send, Wait
from statuspolicy.engine.loop import exchange
from statuspolicy.engine.state import ExchangeState

URL = "https://origin.example/"
LATENCY = 0.02  # seconds until an answer comes
AFTER = 10.0  # seconds for which there are new calls once the origin is well again

Failure: TypeAlias = Callable[[], Reply]


class Result(NamedTuple):
    """What came of an outage.

    clients: how many there were.
    calls: what the applications asked for while the origin was down.
    sent: requests that reached the origin meanwhile.
    after: requests in each second once it was well.
    lost: calls of the whole run that ended with a failure.
    """

    clients: int
    calls: int
    sent: int
    after: Counter[int]
    lost: int

    @property
    def load(self) -> float:
        """How much more the origin got than it would have got without any retry."""
        return self.sent / self.calls

    @property
    def peak(self) -> float:
        """The worst second once it was well, as a multiple of the ordinary load."""
        return max(self.after.values()) / self.clients


class Queue:
    """A clock, and what is to happen when: what drives many exchanges at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._turn = count()  # what is due at the same time happens as it was asked for

    def time(self) -> float:
        return 1_000_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError("time passes between the steps of an exchange")

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heappush(self._due, (when, next(self._turn), what))

    def run(self) -> None:
        while self._due:
            self.now, _, what = heappop(self._due)
            what()


def unavailable(retry_after: int | None = None) -> Reply:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(httpx.Response(503, headers=headers))


def refused() -> Reply:
    return Reply(httpx.ConnectError("refused"), unsent=True)


class Origin:
    """Down until a time, then well. It counts what arrives."""

    def __init__(self, queue: Queue, down: float, failure: Failure) -> None:
        self._queue, self._down, self._failure = queue, down, failure
        self.sent = 0
        self.after: Counter[int] = Counter()

    def answer(self) -> Reply:
        if self._queue.now < self._down:
            self.sent += 1
            return self._failure()
        self.after[int(self._queue.now - self._down)] += 1
        return Reply(httpx.Response(200))


class Client:
    """One process with one client: one memory for all of its calls."""

    def __init__(self, queue: Queue, origin: Origin, budget: RetryBudget | None) -> None:
        self._queue, self._origin = queue, origin
        self._config = Config(
            table=STANDARD,
            limits=Limits(retry_budget=budget),
            cookies=None,
            memory=Memory(),
            confirm=None,
            fresh=None,
            clock=queue,
        )
        self.lost = 0

    def call(self, then: Callable[[], None] = lambda: None) -> None:
        """Begin an exchange; `then` is called when it is over."""
        flow = exchange(ExchangeState(self._config, httpx.Request("GET", URL)))
        self._step(flow, then, None)

    def _step(self, flow: Any, then: Callable[[], None], value: object) -> None:
        """On with an exchange, as far as it goes without time."""
        while True:
            try:
                effect = flow.send(value)
            except StopIteration as end:
                well = isinstance(end.value, httpx.Response) and end.value.is_success
                self.lost += not well
                return then()
            match effect:
                case Send():
                    return self._later(LATENCY, flow, then, self._origin.answer())
                case Wait(seconds):
                    return self._later(seconds, flow, then, None)
                case _:
                    assert isinstance(effect, Discard)
                    value = b""

    def _later(self, seconds: float, *arguments: Any) -> None:
        self._queue.at(self._queue.now + seconds, partial(self._step, *arguments))


@contextmanager
def seeded(seed: int) -> Iterator[random.Random]:
    """A random of the simulation's own; meanwhile the package's jitter is seeded too."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield random.Random(seed)
    finally:
        random.setstate(state)


def simulate(
    clients: int,
    down: float,
    budget: RetryBudget | None,
    seed: int,
    failure: Failure = unavailable,
) -> Result:
    """A fleet of clients that each call once a second on average, whatever became of the last.

    down: seconds from the beginning for which the origin fails.
    failure: makes what it answers meanwhile.
    """
    with seeded(seed) as chance:
        queue = Queue()
        origin = Origin(queue, down, failure)
        fleet = [Client(queue, origin, budget) for _ in range(clients)]
        calls = 0
        for client in fleet:
            when = chance.expovariate(1.0)
            while when < down + AFTER:
                queue.at(when, client.call)
                calls += when < down
                when += chance.expovariate(1.0)
        queue.run()
    return Result(clients, calls, origin.sent, origin.after, sum(c.lost for c in fleet))


def script(
    down: float,
    budget: RetryBudget | None,
    seed: int,
    failure: Failure = unavailable,
    calls: int = 100,
) -> int:
    """How many calls a blip costs a lone script that makes one after the other."""
    with seeded(seed):
        queue = Queue()
        client = Client(queue, Origin(queue, down, failure), budget)

        def call(left: int) -> None:
            if left:
                client.call(partial(call, left - 1))

        call(calls)
        queue.run()
    return client.lost


def together(results: list[Result]) -> Result:
    """Fleets beside each other: they share nothing, so one large fleet is many small ones."""
    clients, calls, sent, after, lost = zip(*results, strict=True)
    return Result(sum(clients), sum(calls), sum(sent), sum(after, Counter()), sum(lost))


def main(clients: int = 200, down: float = 60.0, seeds: int = 100) -> None:
    default, told = RetryBudget(), partial(unavailable, 30)
    rows: list[tuple[str, RetryBudget | None, Failure]] = [
        ("refused, the default budget", default, refused),
        ("refused, retry_budget=None", None, refused),
        ("503 with Retry-After: 30", default, told),
    ]
    parts = 2 * (os.cpu_count() or 1)
    sizes = [clients // parts + (n < clients % parts) for n in range(parts)]
    print(
        f"{clients} clients, each with a call a second, and an origin that is down for {down:g} s\n"
        f"  {'':<30}{'load':>8}{'peak after':>13}{'lost':>9}"
    )
    # Nothing here makes cycles, and many exchanges are under way: collecting finds nothing.
    with ProcessPoolExecutor(initializer=gc.disable) as pool:
        running = [
            [pool.submit(simulate, n, down, budget, seed, failure) for seed, n in enumerate(sizes)]
            for _, budget, failure in rows
        ]
        for (name, _, _), futures in zip(rows, running, strict=True):
            result = together([future.result() for future in futures])
            print(f"  {name:<30}{result.load:>7.2f}×{result.peak:>12.2f}×{result.lost:>9}")
    print(f"\nA lone script in a blip of 2 s, calls lost in {seeds} runs")
    for name, budget in (("the default budget", default), ("retry_budget=None", None)):
        print(f"  {name:<30}{sum(script(2.0, budget, seed) for seed in range(seeds)):>8}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
