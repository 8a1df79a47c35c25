"""What is sent over a connection and what is heard on it meanwhile, but for the I/O.

httpcore sends the whole of a request before it reads. Here an answer is noticed in between:
before the body, where that waits for a 100, and during it, where an error ends the sending.
What was read goes to httpcore when it asks; a WriteError of its own makes it ask at once, and
close the connection after the answer. It gets no more than the answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from statuspolicy.interim import Interim
from statuspolicy.proof import Proof
from statuspolicy.reading import Reading, length_of
from statuspolicy.windows import look_after
from statuspolicy.wire import HINTED, READING, WIRE, NotHTTP, Seen, Wire, left

PIECE = 16 * 1024  # bytes: a TLS record (RFC 8446 §5.1), and what a writable socket takes whole


class Around:
    """Something of httpcore's; what isn't said here is its own."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Listener(Around):
    """What the connections of a thread and of a task share. WIRE is asked at each call.

    pool: gives the pool that the connection is one of, while there is one.
    """

    def __init__(self, inner: Any, pool: Callable[[], Any] = lambda: None) -> None:
        super().__init__(inner)
        self._pool = pool
        self._core = _core(inner)
        self._answered = False  # whether it ever brought something
        self._closed = False  # on this side: between threads, httpcore 1.0 closes what others use
        self._begins = True  # whether what is written next may begin a request
        # Of the request:
        self._head = b""
        self._sent = 0  # bytes of its body
        self._pending = False  # whether a read of it that was given up may still be going on
        self._deaf = False  # whether there is nothing to listen for while it is sent
        self._cut = False  # whether no more of it will be sent
        self._proof: Proof | None = None  # once a request was watched
        # Of the answer:
        self._reading: Reading | None = None
        self._back = b""  # came before httpcore asked
        self._stray = b""  # came behind it
        self._broken: NotHTTP | None = None

    @property
    def interim(self) -> tuple[Interim, ...]:
        """What went before the answer under way."""
        return () if self._reading is None else tuple(self._reading.interim)

    def get_extra_info(self, info: str) -> Any:
        """As httpcore's. "is_readable" tells it to send no other request here."""
        if info == "is_readable" and self._spoiled:
            return True
        return self._inner.get_extra_info(info)

    @property
    def _spoiled(self) -> bool:
        doubtful = self._reading is not None and self._reading.doubtful
        return self._cut or doubtful or bool(self._back or self._stray)

    # ── what is sent ──────────────────────────────────────────────────────────────────

    def _sends(self, buffer: bytes, wire: Wire | None) -> bool:
        """Note what is sent; whether to listen meanwhile.

        Raises the library's errors where nothing is to be written.
        """
        if self._begins:
            if b" HTTP/1.1\r\n" in buffer and buffer.endswith(b"\r\n\r\n"):
                self._begin(buffer, wire)
            elif buffer.startswith(b"PRI "):
                self._begins = False  # RFC 9113 §3.4: all that follows is HTTP/2
                look_after(self._pool(), self)
            return False
        self._still_there()
        self._sent += len(buffer)
        # What goes out with the header section meets no answer to it.
        return self._reading is not None and self._sent > PIECE and not self._deaf

    def _begin(self, head: bytes, wire: Wire | None) -> None:
        HINTED.discard(self)
        self._reading = Reading(head)
        READING.set(self._reading)
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
            # What it said before it closed may be an answer, or why TLS came to nothing.
            raise self._refusal()
        # Not a WriteError: httpcore would read what was left behind the answer before.
        raise self._core.RemoteProtocolError(
            "The server closed the connection before the request was sent."
        )

    def _still_there(self) -> None:
        if self._proof is not None and self._proof.is_lost():
            raise self._refusal()

    # ── what comes ────────────────────────────────────────────────────────────────────

    def _failed(self, error: BaseException) -> None:
        if self._proof is not None:
            self._proof.failed(error)

    def _settling(self, timeout: float | None) -> Iterator[float]:
        """Seconds to wait until it is known what the end of the answers means."""
        if self._proof is not None:
            yield from self._proof.settle(left() if timeout is None else min(left(), timeout))

    def _heard(self, wire: Wire | None, data: bytes) -> None:
        if data:
            self._answered = True
        if (data or self._closed) and wire is not None and wire.seen is not None:
            wire.seen.heard = True

    def _given(self, data: bytes) -> bytes:
        """What of it httpcore gets now: no more than belongs to the answer."""
        reading = self._reading
        if reading is None:
            return data
        try:
            ours = reading.take(data)
        except NotHTTP as why:
            if self._core is None:
                return data
            raise self._failure(why) from None
        if reading.interim:
            HINTED.add(self)
        self._turn()
        self._stray = data[ours:]
        return data[:ours]

    def _kept(self, most: int) -> bytes:
        """What came before httpcore asked; what came behind the answer, if it asks for that.

        It is the judge of where an answer ends.
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
        """Let the next request begin with what is written now, while this is HTTP."""
        self._begins = self._reading is not None and not self._reading.switches
        if not self._begins:
            self._reading = None

    def _overhear(self, data: bytes) -> None:
        """Keep what came before httpcore asked."""
        assert self._reading is not None
        self._heard(WIRE.get(), data)
        self._deaf = not data
        if self._deaf and self._proof is not None:
            self._proof.looks()
        try:
            ours = self._reading.take(data)
        except NotHTTP as why:
            self._broken = why
            return
        if self._reading.interim:
            HINTED.add(self)
        self._back += data[:ours]
        self._stray += data[ours:]

    def _waits(self) -> bool:
        """Whether a body that is held back has to wait on."""
        assert self._reading is not None
        heard = self._broken or self._reading.final or self._reading.goes_ahead
        return not (heard or self._deaf)

    def _after_the_wait(self) -> None:
        assert self._reading is not None
        if self._broken or self._reading.final or not self._reading.goes_ahead:
            raise self._refusal()

    def _stops(self) -> bool:
        """Whether an error came while a body was sent, and all of it was here to be sent.

        Raises the library's WriteError where more would come (RFC 9112 §9.5).
        """
        assert self._reading is not None
        if self._broken is None:
            self._deaf = self._deaf or self._reading.final
            if not self._reading.final or self._reading.code < 400:
                return False
        self._cut = True
        length = length_of(self._head)
        if length is None or self._sent < length:
            raise self._refusal()
        return True

    def _failure(self, why: NotHTTP) -> Exception:
        # With it as an argument, as httpcore has h11's errors: causes it drops.
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
    """httpcore, or what else a stream is from; None for one whose errors aren't known."""
    for kind in type(stream).__mro__:
        module = sys.modules.get(kind.__module__.partition(".")[0])
        if hasattr(module, "RemoteProtocolError"):
            return module
    return None
