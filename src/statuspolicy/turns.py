"""One at a time: what several exchanges would else do at once, such as fetching one token."""

from __future__ import annotations

from threading import TIMEOUT_MAX, Lock
from typing import Any
from weakref import WeakKeyDictionary


class Turn:
    """What one exchange at a time may be at: of the threads one, and of an event loop's tasks."""

    def __init__(self) -> None:
        self._lock = Lock()

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

        locks = _locks_of_this_loop()
        if self not in locks:
            locks[self] = anyio.Lock()
        return locks[self]


_making = Lock()
_loops: list[Any] = []  # one thing: for each event loop the locks of the turns that are still used


def _locks_of_this_loop() -> WeakKeyDictionary[Turn, Any]:
    from anyio.lowlevel import RunVar

    with _making:
        if not _loops:
            _loops.append(RunVar("statuspolicy.turns"))
    locks: WeakKeyDictionary[Turn, Any] | None = _loops[0].get(None)
    if locks is None:
        locks = WeakKeyDictionary()
        _loops[0].set(locks)
    return locks
