"""Where time comes from: everything that waits or reads the time asks a Clock."""

from __future__ import annotations

import time
from collections.abc import Awaitable
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

    def asleep(self, seconds: float) -> Awaitable[None]:
        """Wait `seconds`, letting other tasks run; most write it as `async def`."""
        ...


class SystemClock(Clock):
    """The machine's own clocks; waits in any event loop that anyio knows."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def asleep(self, seconds: float) -> Awaitable[None]:
        # The loop's own, unwrapped: many may wait at once, and each would hold the wrappings.
        # Imported here, so that a program without async never loads it.
        import asyncio

        try:
            task = asyncio.current_task()
        except RuntimeError:  # another kind of loop runs
            task = None
        if task is not None:
            return asyncio.sleep(seconds)
        import anyio

        return anyio.sleep(seconds)
