"""Proof that the server has not read a request, from the state of its connection.

That the connection was closed proves nothing: a server that reads a request, acts on it and crashes
closes it too. There is a proof in two cases. (A) Nothing was written. (B) The server's stream
ended, no byte of the request was acknowledged, and its bytes were answered with a reset, as a
kernel does for a connection that no program holds. A server that ended only its own stream may
still read, but then its kernel acknowledges the bytes. (One case looks like B and is not: a server
ends its stream, reads a request that it can't answer, acts on it, and closes before its kernel
acknowledges. No server is known to do that.)
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

from statuspolicy.wire import tcp
from statuspolicy.wire.context import Seen

_PATIENCE = 0.3  # seconds: more than a kernel delays an acknowledgement
_ROUNDS = 3e-6  # or so many round trips, of microseconds
_PAUSES = 0.001, 0.05  # seconds, the first and the longest, until the kernel is asked again


class Proof:
    """The evidence of a connection about its current request, while that is watched."""

    __slots__ = ("_before", "_fin", "_seen", "_socket")

    def __init__(self, stream: Any) -> None:
        found = stream.get_extra_info("socket")
        self._socket = found if tcp.is_counted(found) else None
        self._seen: Seen | None = None
        self._before: tcp.Count | None = None
        self._fin = False  # whether the peer's stream has ended

    def begins(self, seen: Seen, stream: Any) -> bool:
        """Note that a request is about to be written; returns True if it must not be.

        That is if the server has closed the connection: then it can't have read the request.
        """
        self._seen, self._before, self._fin = seen, None, False
        seen.sends += 1
        self._before = now = self._count()
        if now is not None:
            closed = now.state != tcp.ESTABLISHED
        else:
            # A new connection may be readable: TLS session tickets.
            closed = seen.old is True and bool(stream.get_extra_info("is_readable"))
        if closed:
            seen.unread += 1
            self._seen = None
        return closed

    def looks(self) -> None:
        """Note whether the server's stream has ended."""
        self._count()

    def is_lost(self) -> bool:
        """Whether the connection was reset: to write more would hide the reason."""
        if self._seen is None or self._before is None:
            return False
        now = self._count()
        return now is not None and now.state == tcp.CLOSED

    def ends(self) -> None:
        """Note that no proof is needed any more."""
        self._seen = None

    def failed(self, error: BaseException) -> None:
        """Note that a call on the socket failed.

        It may have been a reset, which is reported only once: the next read returns the end.
        """
        cause = error.__cause__
        late = isinstance(cause, TimeoutError) and cause.errno is None  # and not ETIMEDOUT
        if not (late or isinstance(cause, _NOTHING_THERE)):
            self._seen = None

    def settle(self, most: float) -> Iterator[float]:
        """Complete the proof before the connection is closed.

        Yields the seconds to wait before it looks again, `most` in total.
        """
        seen, before = self._seen, self._before
        if seen is None or before is None or seen.heard or isinstance(self._socket, ssl.SSLSocket):
            return  # an SSLSocket calls a reset the end, and writes an alert where that is early
        (pause, longest), waited = _PAUSES, 0.0
        # If bytes were acknowledged, the server may have read the beginning.
        while (now := self._count()) is not None and now.acked == before.acked:
            if now.sent + now.waiting == before.sent + before.waiting:
                return  # the bytes did not go over TCP
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
