"""Proof that nobody has read a request, from the connection that it was to go over.

An end of the connection is none: who reads a request, acts on it and dies ends it just so. What
proves it is that nothing was written (A), or that the peer's stream ended, none of the request
was acknowledged, and what was on its way was answered with a reset (B), as a kernel does for
a connection whose program is gone. A peer that ended its own stream alone may read on: it
acknowledges, in its own time. (One that ends its stream, then reads a request that it can't answer
any more, acts on it all the same, and closes before its kernel has acknowledged, looks as if it
were gone. No server is known to do that.)
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

from statuspolicy import tcp
from statuspolicy.wire import Seen

_PATIENCE = 0.3  # seconds: more than a kernel delays an acknowledgement
_ROUNDS = 3e-6  # or so many round trips, of microseconds
_PAUSES = 0.001, 0.05  # seconds, the first and the longest, until the kernel is asked again


class Proof:
    """What a connection shows of the request under way on it, where that is watched."""

    __slots__ = ("_before", "_fin", "_seen", "_socket")

    def __init__(self, stream: Any) -> None:
        found = stream.get_extra_info("socket")
        self._socket = found if tcp.is_counted(found) else None
        self._seen: Seen | None = None
        self._before: tcp.Count | None = None
        self._fin = False  # whether the peer's stream has ended

    def begins(self, seen: Seen, stream: Any) -> bool:
        """Note that a request is about to be written; whether it must not be.

        It must not be where the peer has closed the connection: then nobody can have read it.
        """
        self._seen, self._before, self._fin = seen, None, False
        seen.sends += 1
        self._before = now = self._count()
        if now is not None:
            closed = now.state != tcp.ESTABLISHED
        else:
            # One that is new may have something to be read: the session tickets of TLS.
            closed = seen.old is True and bool(stream.get_extra_info("is_readable"))
        if closed:
            seen.unread += 1
            self._seen = None
        return closed

    def looks(self) -> None:
        """Note whether it was the peer's stream that ended."""
        self._count()

    def is_lost(self) -> bool:
        """Whether the connection was given up, so that to write on would take away why."""
        if self._seen is None or self._before is None:
            return False
        now = self._count()
        return now is not None and now.state == tcp.CLOSED

    def ends(self) -> None:
        """Note that there is nothing to prove any more."""
        self._seen = None

    def failed(self, error: BaseException) -> None:
        """Note that a call on the socket failed.

        That may have been a reset, which is told once: the next read says that the stream ended.
        """
        cause = error.__cause__
        late = isinstance(cause, TimeoutError) and cause.errno is None  # and not ETIMEDOUT
        if not (late or isinstance(cause, _NOTHING_THERE)):
            self._seen = None

    def settle(self, most: float) -> Iterator[float]:
        """Find out what the end of the answers means, before the connection is closed.

        Yields the seconds to wait, at most that many together, until it looks again.
        """
        seen, before = self._seen, self._before
        if seen is None or before is None or seen.heard or isinstance(self._socket, ssl.SSLSocket):
            return  # an SSLSocket calls a reset the end, and writes an alert where that is early
        (pause, longest), waited = _PAUSES, 0.0
        # Acknowledged since: then the peer may have read it, if only its beginning.
        while (now := self._count()) is not None and now.acked == before.acked:
            if now.sent + now.waiting == before.sent + before.waiting:
                return  # what was written went another way than TCP's
            if now.state == tcp.CLOSED:
                seen.unread += self._fin or tcp.ended(self._socket)
                return
            if waited >= min(max(_PATIENCE, _ROUNDS * now.rtt), most):
                return
            yield pause
            waited += pause
            pause = min(2 * pause, longest)

    def _count(self) -> tcp.Count | None:
        now = None if self._socket is None else tcp.count(self._socket)
        if now is not None and now.state == tcp.CLOSE_WAIT:
            self._fin = True
        return now


_NOTHING_THERE = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
