"""Locks: a decorator for methods that hold the object's lock, and a lock that an exchange holds.

An exchange holds one, for example, while it fetches a token, so that others don't fetch it too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from threading import TIMEOUT_MAX, Lock, RLock, get_ident
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from weakref import WeakKeyDictionary


class _Locked(Protocol):
    _lock: Lock


SelfT = TypeVar("SelfT", bound=_Locked)
P = ParamSpec("P")
T = TypeVar("T")


def synchronized(method: Callable[Concatenate[SelfT, P], T]) -> Callable[Concatenate[SelfT, P], T]:
    """Make a method hold the object's `_lock` while it runs."""

    @wraps(method)
    def locked(self: SelfT, /, *args: P.args, **options: P.kwargs) -> T:
        # On one line: an exception that is raised between a `with`'s last line and its end, as
        # by a debugger, would leave it locked.
        with self._lock: return method(self, *args, **options)  # fmt: skip  # noqa: E701

    return locked


class ExchangeLock:
    """A lock: at most one exchange holds it, in a thread or in a task of an event loop."""

    def __init__(self) -> None:
        # The lock knows its owner, so that a thread that was interrupted meanwhile can release it.
        self._lock = RLock()
        self._owner: int | None = None

    def acquire(self, seconds: float) -> bool:
        """Acquire the lock within `seconds`, in a thread; returns whether it was acquired."""
        if self._owner == get_ident():
            return False  # this thread holds it already: to wait for itself would never end
        if not self._lock.acquire(timeout=min(max(seconds, 0.0), TIMEOUT_MAX)):
            return False
        self._owner = get_ident()
        return True

    def release(self) -> None:
        """Release the lock, if this thread holds it."""
        if self._owner == get_ident():
            self._owner = None
        with suppress(RuntimeError):  # another one holds it
            self._lock.release()

    async def aacquire(self, seconds: float) -> bool:
        """Acquire the lock within `seconds`, in a task; returns whether it was acquired."""
        import anyio  # here, so that a program without async never loads it

        lock = self._of_this_loop()
        with anyio.move_on_after(seconds):
            await lock.acquire()
            return True
        return False

    def arelease(self) -> None:
        """Release the lock, if this task holds it."""
        with suppress(RuntimeError):  # another one holds it
            self._of_this_loop().release()

    def _of_this_loop(self) -> Any:
        import anyio

        locks = _locks_of_this_loop()
        if self not in locks:
            locks[self] = anyio.Lock()
        return locks[self]


# The locks of each event loop; weak, so that a lock that is no longer used is freed.
_loops: dict[str, Any] = {}


def _locks_of_this_loop() -> WeakKeyDictionary[ExchangeLock, Any]:
    from anyio.lowlevel import RunVar

    name = "statuspolicy.turns"
    of_loops = _loops.get(name) or _loops.setdefault(name, RunVar(name))
    locks: WeakKeyDictionary[ExchangeLock, Any] | None = of_loops.get(None)
    if locks is None:
        locks = WeakKeyDictionary()
        of_loops.set(locks)
    return locks
