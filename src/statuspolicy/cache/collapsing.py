"""Collapsed requests: one of several equal requests is sent, and the others wait for its result.

Each waits once, for the request that was sent, never for another one that waits.
"""

from __future__ import annotations

from threading import TIMEOUT_MAX, Event, get_ident
from typing import Any

from statuspolicy.memory.locks import ExchangeLock


class CollapsedRequests:
    """The running requests that others may wait for, of threads and of tasks."""

    def __init__(self) -> None:
        # By event loop and key. Each request removes itself.
        self.under_way: dict[tuple[object, str], CollapsedRequest] = {}

    def collapsed_request(self, key: str, timeouts: object) -> CollapsedRequest:
        """Make a request for `key`, which may have to wait for a running one."""
        return CollapsedRequest(self, key, timeouts)


class CollapsedRequest(ExchangeLock):
    """One request: it is sent, or waits for the result of the one that is.

    timeouts: the timeouts of the request.
    failure: the failure of the request that was sent, which counts as this one's own.
    alone: whether it has to be sent by itself: the result is of no use to it, or it has waited
        long enough.
    """

    def __init__(self, collapsed_requests: CollapsedRequests, key: str, timeouts: object) -> None:
        self._under_way, self._key = collapsed_requests.under_way, key
        self._place: tuple[object, str] = (None, key)
        self._timeouts = timeouts
        self._who: object = None
        self._over: Any = None
        self._failure: Exception | None = None
        self._useless = False
        self.failure: Exception | None = None
        self.alone = False

    def came(self, failure: Exception | None, useless: bool) -> None:
        """Note the result for the requests that wait for this one."""
        self._failure, self._useless = failure, useless

    def acquire(self, seconds: float) -> bool:
        """Whether this request is to be sent; else it waits, in a thread, for the one that is."""
        self._who, self._over = get_ident(), Event()
        first = self._under_way.setdefault(self._place, self)
        if first is not self:
            waits = first._who != self._who  # or it would wait for itself
            over = waits and first._over.wait(min(max(seconds, 0.0), TIMEOUT_MAX))
            self._learn(first, over)
        return first is self

    async def aacquire(self, seconds: float) -> bool:
        """As `acquire`, in a task."""
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

    def _learn(self, first: CollapsedRequest, over: bool) -> None:
        # A request with other timeouts than the one that failed is sent by itself.
        self.failure = first._failure if first._timeouts == self._timeouts else None
        self.alone = not over or first._useless or first._failure is not None

    def release(self) -> None:
        """End the wait of the requests that wait for this one."""
        if self._under_way.get(self._place) is self:
            del self._under_way[self._place]
        if self._over is not None:
            self._over.set()

    arelease = release
