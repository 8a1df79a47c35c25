"""`Clock`: the source of time and of waits."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Protocol


class Clock(Protocol):
    """The protocol of a clock; `statuspolicy.testing.FakeClock` is one that never waits."""

    def time(self) -> float:
        """Seconds since the epoch, to compare with dates from servers."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps, for deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, blocking the thread."""
        ...

    def asleep(self, seconds: float) -> Awaitable[None]:
        """Wait `seconds`, letting other tasks run; most write it as `async def`."""
        ...


Clock.__module__ = "statuspolicy"


class SystemClock(Clock):
    """The machine's own clocks; waits in any event loop that anyio knows."""

    __module__ = "statuspolicy"

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def asleep(self, seconds: float) -> Awaitable[None]:
        # The event loop's own sleep: many tasks may wait, and a wrapper for each takes memory.
        # Imported here, so that a program without async never loads it.
        import asyncio

        try:
            task = asyncio.current_task()
        except RuntimeError:  # not asyncio
            task = None
        if task is not None:
            return asyncio.sleep(seconds)
        import anyio

        return anyio.sleep(seconds)
