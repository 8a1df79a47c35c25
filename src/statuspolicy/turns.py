"""One at a time: what several exchanges would else do at once, such as fetching one token."""

from __future__ import annotations

from threading import TIMEOUT_MAX, Lock
from typing import Any


class Turn:
    """What one exchange at a time may be at: of the threads one, and of an event loop's tasks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._making = Lock()
        self._loops: Any = None  # a lock for each event loop

    def enter(self, seconds: float) -> bool:
        """Wait for it so long in a thread; whether it came."""
        return self._lock.acquire(timeout=min(max(seconds, 0.0), TIMEOUT_MAX))

    def leave(self) -> None:
        """Let the next thread in."""
        self._lock.release()

    async def aenter(self, seconds: float) -> bool:
        """Wait for it so long in a task; whether it came."""
        import anyio  # here, so that a program without async never loads it

        lock = self._of_this_loop()
        with anyio.move_on_after(seconds):
            await lock.acquire()
            return True
        return False

    def aleave(self) -> None:
        """Let the next task in."""
        self._of_this_loop().release()

    def _of_this_loop(self) -> Any:
        import anyio
        from anyio.lowlevel import RunVar

        with self._making:
            if self._loops is None:
                self._loops = RunVar("statuspolicy.turn")
            lock = self._loops.get(None)
            if lock is None:
                lock = anyio.Lock()
                self._loops.set(lock)
        return lock
