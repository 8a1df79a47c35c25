"""Times contenders against each other: interleaved, so that a machine that drifts moves them all.

In each round every contender does the same work in turn. What counts is the median of the
rounds' ratios to the reference; the spread is that of the middle 80 % of them.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

# Makes so many calls, and tells how many seconds they took.
Timed: TypeAlias = Callable[[int], float]
Clock: TypeAlias = Callable[[], float]

# All that is async runs in one loop, so that connections live on from round to round.
LOOP = asyncio.Runner()


class Goal(NamedTuple):
    """The most that statuspolicy may take, as a multiple of what another contender does."""

    most: float
    of: str


class Scenario(NamedTuple):
    """The same work, done by several contenders.

    title: what is done.
    reference: whom the others are measured against.
    contenders: who does it, and how.
    times: calls in a round; a whole multiple of what the work alternates over.
    goals: what statuspolicy is to reach.
    """

    title: str
    reference: str
    contenders: Mapping[str, Timed]
    times: int
    goals: tuple[Goal, ...] = ()


class Row(NamedTuple):
    """What came of one contender: seconds a call, and multiples of the reference."""

    name: str
    seconds: float
    ratio: float
    low: float
    high: float


class Result(NamedTuple):
    """What came of a scenario; `reached` are its goals, and what statuspolicy took."""

    title: str
    reference: str
    rows: list[Row]
    reached: list[tuple[Goal, float]]


def compare(scenario: Scenario, rounds: int) -> Result:
    """Let all contenders do the work in turn, `rounds` times."""
    seconds: dict[str, list[float]] = {name: [] for name in scenario.contenders}
    for timed in scenario.contenders.values():
        timed(scenario.times)  # what is compiled, loaded or connected once
    gc.collect()
    for _ in range(rounds):
        for name, timed in scenario.contenders.items():
            seconds[name].append(timed(scenario.times) / scenario.times)
    rows = []
    for name, taken in seconds.items():
        ratios = multiples(taken, seconds[scenario.reference])
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        rows.append(Row(name, statistics.median(taken), statistics.median(ratios), low, high))
    reached = [
        (goal, statistics.median(multiples(seconds["statuspolicy"], seconds[goal.of])))
        for goal in scenario.goals
    ]
    return Result(scenario.title, scenario.reference, rows, reached)


def multiples(taken: list[float], of: list[float]) -> list[float]:
    """What one took as multiples of what another took, round by round, the smallest first."""
    return sorted(mine / other for mine, other in zip(taken, of, strict=True))


def sync(call: Callable[[], Any], clock: Clock = time.process_time) -> Timed:
    """Time a plain callable that returns a response, and see that it did its work.

    clock: what is counted; of what neither sleeps nor asks a server it is the processor's time,
        so that whoever else runs on the machine takes nothing away.
    """

    def run(times: int) -> float:
        start = clock()
        for _ in range(times):
            response = call()
        taken = clock() - start
        _check(response)
        return taken

    return run


def asynchronous(call: Callable[[], Awaitable[Any]], clock: Clock = time.process_time) -> Timed:
    """As `sync`, for a coroutine function."""

    async def run(times: int) -> float:
        start = clock()
        for _ in range(times):
            response = await call()
        taken = clock() - start
        _check(response)
        return taken

    return lambda times: LOOP.run(run(times))


def _check(response: Any) -> None:
    # Who hands a failure over must not win.
    status = getattr(response, "status_code", None) or response.status
    assert status == 200, f"{status} came"
