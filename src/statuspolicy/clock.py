"""Where time comes from: everything that waits or reads the time asks a Clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a clock can do; `statuspolicy.testing.FakeClock` is one that never waits."""

    def time(self) -> float:
        """Seconds since the Unix epoch, for comparing with dates that servers send."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump, for deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, blocking the thread."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Wait `seconds`, letting other tasks run."""
        ...


class SystemClock(Clock):
    """The machine's own clocks; waits in any event loop that anyio knows."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        import anyio  # here, so that a program without async never loads it

        await anyio.sleep(seconds)
