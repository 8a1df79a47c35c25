"""Notice a response while a request is sent; without the I/O.

httpcore sends the whole request before it reads. Here a response is noticed earlier: before the
body, if that waits for a 100, and during the body, where an error ends the sending. Bytes that were
read are passed to httpcore when it reads; a WriteError makes it read at once, and close the
connection after the response. It gets no bytes after the response.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from statuspolicy.fields.interim import Interim
from statuspolicy.wire.context import HINTED, TRACKER, WIRE, NotHTTP, Seen, Wire, left
from statuspolicy.wire.delivery import Proof
from statuspolicy.wire.flow_control import give_windows_back
from statuspolicy.wire.http1 import ResponseTracker, length_of

PIECE = 16 * 1024  # bytes: a TLS record (RFC 8446 §5.1), and as much as a writable socket accepts


class Delegate:
    """A proxy for an object of httpcore: other attributes are those of the object."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Listener(Delegate):
    """Base class of the streams for threads and tasks. Each call reads WIRE.

    pool: returns the pool of the connection, while there is one.
    """

    def __init__(self, inner: Any, pool: Callable[[], Any] = lambda: None) -> None:
        super().__init__(inner)
        self._pool = pool
        self._core = _core(inner)
        self._answered = False  # whether any byte ever came
        # Whether this side closed it: httpcore 1.0 may do so while another thread uses it.
        self._closed = False
        self._begins = True  # whether the next write may begin a request
        # Of the request:
        self._head = b""
        self._sent = 0  # bytes of its body
        self._pending = False  # whether a read that timed out may still be running
        self._deaf = False  # whether no response is expected while it is sent
        self._cut = False  # whether the rest of it will not be sent
        self._proof: Proof | None = None  # once a request was watched
        # Of the response:
        self._tracker: ResponseTracker | None = None
        self._back = b""  # bytes that came before httpcore read
        self._stray = b""  # bytes that came after it
        self._broken: NotHTTP | None = None

    @property
    def interim(self) -> tuple[Interim, ...]:
        """The interim responses before the current response."""
        return () if self._tracker is None else tuple(self._tracker.interim)

    def get_extra_info(self, info: str) -> Any:
        """As in httpcore. With "is_readable" it sends no other request here."""
        if info == "is_readable" and self._spoiled:
            return True
        return self._inner.get_extra_info(info)

    @property
    def _spoiled(self) -> bool:
        doubtful = self._tracker is not None and self._tracker.doubtful
        return self._cut or doubtful or bool(self._back or self._stray)

    # ── sending ───────────────────────────────────────────────────────────────────────

    def _sends(self, buffer: bytes, wire: Wire | None) -> bool:
        """Note the bytes that are sent; returns whether to listen meanwhile.

        Raises the library's errors if nothing may be written.
        """
        if self._begins:
            if b" HTTP/1.1\r\n" in buffer and buffer.endswith(b"\r\n\r\n"):
                self._begin(buffer, wire)
            elif buffer.startswith(b"PRI "):
                self._begins = False  # RFC 9113 §3.4: from now on it is HTTP/2
                give_windows_back(self._pool(), self)
            return False
        self._still_there()
        self._sent += len(buffer)
        # No response can come before the header section is sent.
        return self._tracker is not None and self._sent > PIECE and not self._deaf

    def _begin(self, head: bytes, wire: Wire | None) -> None:
        HINTED.discard(self)
        self._tracker = ResponseTracker(head)
        TRACKER.set(self._tracker)
        self._begins, self._deaf = False, self._core is None
        self._head, self._sent = head, 0
        seen = None if wire is None else wire.seen
        # Behind a CONNECT the request itself is still to come.
        if seen is not None and not head.startswith(b"CONNECT "):
            seen.connection = None if self._deaf else self
            seen.old, seen.heard = self._answered, False
            if self._core is not None:
                self._looks_first(seen)
        elif self._proof is not None:
            self._proof.ends()

    def _looks_first(self, seen: Seen) -> None:
        if self._proof is None:
            self._proof = Proof(self._inner)
        if not self._proof.begins(seen, self._inner):
            return
        if not self._answered:
            # Its last bytes may be a response, or a TLS alert.
            raise self._refusal()
        # Not a WriteError: httpcore would read bytes after the last response.
        raise self._core.RemoteProtocolError(
            "The server closed the connection before the request was sent."
        )

    def _still_there(self) -> None:
        if self._proof is not None and self._proof.is_lost():
            raise self._refusal()

    # ── receiving ─────────────────────────────────────────────────────────────────────

    def _failed(self, error: BaseException) -> None:
        if self._proof is not None:
            self._proof.failed(error)

    def _settling(self, timeout: float | None) -> Iterator[float]:
        """Seconds to wait until the proof about the end of the stream is complete."""
        if self._proof is not None:
            yield from self._proof.settle(left() if timeout is None else min(left(), timeout))

    def _heard(self, wire: Wire | None, data: bytes) -> None:
        if data:
            self._answered = True
        if (data or self._closed) and wire is not None and wire.seen is not None:
            wire.seen.heard = True

    def _passed_on(self, data: bytes) -> bytes:
        """The bytes that httpcore gets now: no more than those of the response."""
        reading = self._tracker
        if reading is None:
            return data
        try:
            ours = reading.consume(data)
        except NotHTTP as why:
            if self._core is None:
                return data
            raise self._failure(why) from None
        if reading.interim:
            HINTED.add(self)
        self._turn()
        self._stray = data[ours:]
        return data[:ours]

    def _earlier(self, most: int) -> bytes:
        """The bytes that came before httpcore read; then those after the response.

        httpcore decides where a response ends.
        """
        if self._broken is not None:
            raise self._failure(self._broken)
        self._turn()
        if self._back:
            data, self._back = self._back[:most], self._back[most:]
        else:
            data, self._stray = self._stray[:most], self._stray[most:]
        return data

    def _turn(self) -> None:
        """Note that the next write begins a request, if this is HTTP."""
        self._begins = self._tracker is not None and not self._tracker.switches
        if not self._begins:
            self._tracker = None

    def _overhear(self, data: bytes) -> None:
        """Keep bytes that came before httpcore reads."""
        assert self._tracker is not None
        self._heard(WIRE.get(), data)
        self._deaf = not data
        if self._deaf and self._proof is not None:
            self._proof.looks()
        try:
            ours = self._tracker.consume(data)
        except NotHTTP as why:
            self._broken = why
            return
        if self._tracker.interim:
            HINTED.add(self)
        self._back += data[:ours]
        self._stray += data[ours:]

    def _waits(self) -> bool:
        """Whether a body that waits for a 100 has to wait longer."""
        assert self._tracker is not None
        heard = self._broken or self._tracker.final or self._tracker.goes_ahead
        return not (heard or self._deaf)

    def _after_the_wait(self) -> None:
        assert self._tracker is not None
        if self._broken or self._tracker.final or not self._tracker.goes_ahead:
            raise self._refusal()

    def _stops(self) -> bool:
        """Whether an error response came while the last bytes of a body are sent.

        Raises the library's WriteError if more bytes would follow (RFC 9112 §9.5).
        """
        assert self._tracker is not None
        if self._broken is None:
            self._deaf = self._deaf or self._tracker.final
            if not self._tracker.final or self._tracker.code < 400:
                return False
        self._cut = True
        length = length_of(self._head)
        if length is None or self._sent < length:
            raise self._refusal()
        return True

    def _failure(self, why: NotHTTP) -> Exception:
        # As an argument, like h11's errors in httpcore, which drops causes.
        error: Exception = self._core.RemoteProtocolError(why)
        return error

    def _refusal(self) -> Exception:
        error: Exception = self._core.WriteError(
            "The server answered before the request was sent to its end."
        )
        return error

    def _stuck(self) -> Exception:
        error: Exception = self._core.WriteTimeout("The server reads no more of the request.")
        return error


def _core(stream: object) -> Any:
    """The library of a stream, such as httpcore; None if its exceptions aren't known."""
    for kind in type(stream).__mro__:
        module = sys.modules.get(kind.__module__.partition(".")[0])
        if hasattr(module, "RemoteProtocolError"):
            return module
    return None
