"""One for all: of those who would ask the server the same, one does and the others wait.

They wait once, all for the same answer, and none of them for another that waits.
"""

from __future__ import annotations

from threading import TIMEOUT_MAX, Event, get_ident
from typing import Any

from statuspolicy.locks import Turn


class Flights:
    """The requests that are under way and that others may wait for, of threads and of tasks."""

    def __init__(self) -> None:
        # By event loop and by what is asked for. Who leaves takes his own out again.
        self.under_way: dict[tuple[object, str], Flight] = {}

    def flight(self, key: str, timeouts: object) -> Flight:
        """A request that asks for what `key` says, unless another does."""
        return Flight(self, key, timeouts)


class Flight(Turn):
    """One request: it is the one that asks, or it waits for what that one learns.

    timeouts: how long it waits for a server.
    failure: what came to the one that asked, which is as good as this one's own.
    alone: whether it goes on by itself: what came is nothing that it could use, or it has waited
        as long as it would.
    """

    def __init__(self, flights: Flights, key: str, timeouts: object) -> None:
        self._under_way, self._key = flights.under_way, key
        self._place: tuple[object, str] = (None, key)
        self._timeouts = timeouts
        self._who: object = None
        self._over: Any = None
        self._failure: Exception | None = None
        self._useless = False
        self.failure: Exception | None = None
        self.alone = False

    def came(self, failure: Exception | None, useless: bool) -> None:
        """What those who wait for this one are to know of its answer."""
        self._failure, self._useless = failure, useless

    def enter(self, seconds: float) -> bool:
        """Whether it asks; else it has waited in a thread, for so long at most."""
        self._who, self._over = get_ident(), Event()
        first = self._under_way.setdefault(self._place, self)
        if first is not self:
            waits = first._who != self._who  # or it would wait for itself
            over = waits and first._over.wait(min(max(seconds, 0.0), TIMEOUT_MAX))
            self._learn(first, over)
        return first is self

    async def aenter(self, seconds: float) -> bool:
        """Whether it asks; else it has waited in a task, for so long at most."""
        import anyio  # here, so that a program without async never loads it
        from anyio.lowlevel import current_token

        self._who, self._over = anyio.get_current_task().id, anyio.Event()
        self._place = (current_token(), self._key)
        first = self._under_way.setdefault(self._place, self)
        if first is not self:
            if first._who != self._who:
                with anyio.move_on_after(seconds):
                    await first._over.wait()
            self._learn(first, first._over.is_set())
        return first is self

    def _learn(self, first: Flight, over: bool) -> None:
        # Somebody more patient than the one that failed asks himself.
        self.failure = first._failure if first._timeouts == self._timeouts else None
        self.alone = not over or first._useless or first._failure is not None

    def leave(self) -> None:
        """Let those go on who wait for this one."""
        if self._under_way.get(self._place) is self:
            del self._under_way[self._place]
        if self._over is not None:
            self._over.set()

    aleave = leave
