"""`FakeClock`: a clock that never waits, and lists the waits."""

from __future__ import annotations


class FakeClock:
    """A `statuspolicy.Clock` that never waits: its time passes only with each sleep.

    start: its first time, in seconds since the epoch.

    `waits` lists the seconds of each sleep, in order. Setting `now` moves time.
    """

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._start = start
        self.now = start
        self.waits: list[float] = []

    def time(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def monotonic(self) -> float:
        """Seconds since this clock began."""
        return self.now - self._start

    def sleep(self, seconds: float) -> None:
        """Note the wait and let its time pass at once."""
        self.waits.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        """Note the wait, let its time pass at once, and let other tasks run."""
        import anyio.lowlevel

        self.sleep(seconds)
        await anyio.lowlevel.checkpoint()

    def __repr__(self) -> str:
        return f"<FakeClock: {self.monotonic():g} s, waits {self.waits}>"
