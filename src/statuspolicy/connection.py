"""A connection: heeds what a call asks of it, and listens while a request's body is sent.

httpcore sends the whole of a request before it reads. Here an answer is noticed in between:
before the body, where that waits for a 100, and during it, where an error ends the sending.
What was read goes to httpcore when it asks; a WriteError of its own makes it ask at once, and
close the connection after the answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from math import inf
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic
from typing import Any, Self

from statuspolicy.reading import MOST, Reading, codes, length_of
from statuspolicy.trace import Interim
from statuspolicy.wire import HINTED, READING, WIRE, NotHTTP, Wire, left, within

_PIECE = 16 * 1024  # bytes: a TLS record (RFC 8446 §5.1), and what a writable socket takes whole
_READ = 64 * 1024  # bytes, as httpcore reads
_NO_WAIT = 0.005  # seconds for a task to take what is there
_PAUSES = 0.0005, 0.02  # seconds, the first and the longest, until a task looks again


class Around:
    """Something of httpcore's; what isn't said here is its own."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Connection(Around):
    """What those of a thread and of a task share. WIRE is asked at each call."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._core = _core(inner)
        self._answered = False  # whether it ever brought something
        self._reading: Reading | None = None
        self._begins = True  # whether what is written next begins a request
        self._length: int | None = None  # of its body, where it says so
        self._body = 0  # bytes that were sent of its body
        self._cut = False  # whether that is all that will be sent of it
        self._deaf = False  # whether there is nothing to listen for while it is sent
        self._back = b""  # what was read, and isn't given yet

    @property
    def interim(self) -> tuple[Interim, ...]:
        """What went before the answer under way."""
        return () if self._reading is None else self._reading.interim

    def get_extra_info(self, info: str) -> Any:
        """As httpcore's. "is_readable" tells it not to send another request here."""
        if info == "is_readable" and self._spoiled:
            return True
        return self._inner.get_extra_info(info)

    @property
    def _spoiled(self) -> bool:
        """Whether less was sent than the request, more came than the answer, or nobody knows."""
        doubtful = self._reading is not None and self._reading.doubtful
        return self._cut or doubtful or bool(self._back)

    # ── what is sent ──────────────────────────────────────────────────────────────────

    def _sends(self, buffer: bytes, wire: Wire | None) -> bool:
        """Note what is sent; whether to listen meanwhile."""
        if wire is not None and wire.seen is not None and wire.seen.old is None:
            wire.seen.old = self._answered
        if self._begins:
            # HTTP/2 begins with "PRI * HTTP/2.0", a proxy's SOCKS with neither.
            if b" HTTP/1.1\r\n" in buffer and buffer.endswith(b"\r\n\r\n"):
                self._begin(buffer, wire)
            elif buffer.startswith(b"PRI "):
                self._begins = False
                self._reading = None
            return False
        self._body += len(buffer)
        # What goes out with the header section meets no answer to it.
        return self._reading is not None and self._body > _PIECE and not self._deaf

    def _begin(self, head: bytes, wire: Wire | None) -> None:
        HINTED.discard(self)
        self._reading = Reading(head)
        READING.set(self._reading)
        self._begins, self._body = False, 0
        self._length = length_of(head)
        self._deaf = self._core is None
        tunnel = head.startswith(b"CONNECT ")  # the request itself goes through it
        if wire is not None and wire.seen is not None and not tunnel and not self._deaf:
            wire.seen.connection = self

    # ── what comes ────────────────────────────────────────────────────────────────────

    def _heard(self, wire: Wire | None, data: bytes) -> bytes:
        if data:
            self._answered = True
            if wire is not None and wire.seen is not None:
                wire.seen.heard = True
        return data

    def _kept(self, most: int) -> bytes:
        data, self._back = self._back[:most], self._back[most:]
        return data

    def _given(self, data: bytes) -> bytes:
        """What of it httpcore gets now: no more than belongs to the answer.

        Where it asks for more, it gets that too: it is the judge.
        """
        reading = self._reading
        if reading is None:
            return data
        self._begins = True
        try:
            ours = reading.take(data)
        except NotHTTP as why:
            if self._core is None:
                return data
            raise self._core.RemoteProtocolError(why) from None  # as httpcore passes h11's
        if reading.switches:
            self._reading, self._begins = None, False
        elif reading.interim:
            HINTED.add(self)
        if 0 < ours < len(data):
            data, self._back = data[:ours], data[ours:] + self._back
        return data

    def _overheard(self, data: bytes, said: Callable[[bytes], int | None]) -> int | None:
        """Keep what came before its time, and what `said` makes of all that did."""
        self._deaf = not self._heard(WIRE.get(), data)
        self._back += data
        code = said(self._back)
        return 0 if code is None and len(self._back) > MOST else code

    def _ends_the_sending(self, data: bytes) -> bool:
        """Whether an error is among what came while a body was sent (RFC 9112 §9.5).

        Raises the library's WriteError where more of the body would come.
        """
        code = self._overheard(data, _final)
        self._deaf = self._deaf or code is not None
        if code is None or 0 < code < 400:
            return False
        # A body that httpcore has given whole is left: it reads now anyway.
        self._cut = self._length is not None and self._body >= self._length
        if not self._cut:
            raise self._refuse()
        return True

    def _refuse(self) -> Exception:
        error: Exception = self._core.WriteError("An answer came before the request was sent.")
        return error


class Stream(_Connection):
    """A connection of a thread."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._back:
            return self._given(self._kept(max_bytes))
        data = self._inner.read(max_bytes, self._in_time(timeout))
        return self._given(self._heard(WIRE.get(), data))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        if self._sends(buffer, WIRE.get()):
            self._write_and_listen(buffer, timeout)
            return
        # The inner write loops until all is sent, with the whole timeout for each turn.
        size = _PIECE if left() < inf else max(len(buffer), 1)
        for start in range(0, len(buffer), size):
            self._inner.write(buffer[start : start + size], self._in_time(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        inside = self._in_time(timeout)
        return Stream(self._inner.start_tls(ssl_context, server_hostname, inside))

    def close(self) -> None:
        HINTED.discard(self)
        self._inner.close()

    def hold(self, seconds: float) -> None:
        """Wait for a 100, so long at most; raise the library's WriteError if an answer comes."""
        end, code = monotonic() + seconds, None
        while code is None and not self._deaf:
            rest = min(end - monotonic(), left())
            if rest <= 0:
                return
            try:
                data = self._inner.read(_READ, rest)
            except self._core.ReadTimeout:
                return
            except Exception:  # noqa: BLE001 - the next call says it
                break
            code = self._overheard(data, _go_ahead)
        if code != 100:
            raise self._refuse()

    def _write_and_listen(self, buffer: bytes, timeout: float | None) -> None:
        with _Watched(self._inner) as socket:
            for start in range(0, len(buffer), _PIECE):
                readable, writable = True, False
                while readable and not writable:
                    readable, writable = socket.ready(self._in_time(timeout), self._deaf)
                    if readable and self._listen():
                        return
                if not writable:
                    raise self._core.WriteTimeout("The socket took no more of the request.")
                self._inner.write(buffer[start : start + _PIECE], self._in_time(timeout))

    def _listen(self) -> bool:
        try:
            data = self._inner.read(_READ, 0)
        except Exception:  # noqa: BLE001 - nothing whole is there; the next call says what else
            return False
        return self._ends_the_sending(data)

    def _in_time(self, timeout: float | None) -> float | None:
        rest = left()
        if rest <= 0:
            # Bytes that are there already can be read within any timeout, endlessly. On a
            # closed socket every call fails at once, and in the inner stream's own words.
            self._inner.close()
        return timeout if rest == inf else within(timeout)


class AsyncStream(_Connection):
    """A connection of a task."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as httpcore calls it
        if self._back:
            return self._given(self._kept(max_bytes))
        return self._given(self._heard(WIRE.get(), await self._inner.read(max_bytes, timeout)))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as httpcore calls it
        if not buffer:
            return
        if self._sends(buffer, WIRE.get()):
            await self._write_and_listen(buffer, timeout)
        else:
            await self._inner.write(buffer, timeout)

    async def start_tls(self, *args: Any, **options: Any) -> AsyncStream:
        return AsyncStream(await self._inner.start_tls(*args, **options))

    async def aclose(self) -> None:
        HINTED.discard(self)
        await self._inner.aclose()

    async def hold(self, seconds: float) -> None:
        """As Stream's."""
        end, code = monotonic() + seconds, None
        while code is None and not self._deaf:
            rest = end - monotonic()
            if rest <= 0:
                return
            try:
                data = await self._inner.read(_READ, rest)
            except self._core.ReadTimeout:
                return
            except Exception:  # noqa: BLE001 - the next call says it
                break
            code = self._overheard(data, _go_ahead)
        if code != 100:
            raise self._refuse()

    async def _write_and_listen(self, buffer: bytes, timeout: float | None) -> None:  # noqa: ASYNC109 - as httpcore calls it
        import anyio

        with _Watched(self._inner) as socket:
            for start in range(0, len(buffer), _PIECE):
                end = monotonic() + (inf if timeout is None else timeout)
                pause, longest = _PAUSES
                readable, writable = True, False
                while not writable and monotonic() < end:
                    readable, writable = socket.ready(0, self._deaf)
                    if readable:
                        if await self._listen():
                            return
                    elif not writable:
                        # Nothing tells a task of a socket that its event loop reads itself.
                        await anyio.sleep(pause)
                        pause = min(2 * pause, longest)
                if not writable:
                    raise self._core.WriteTimeout("The socket took no more of the request.")
                await self._inner.write(buffer[start : start + _PIECE], timeout)

    async def _listen(self) -> bool:
        try:
            data = await self._inner.read(_READ, _NO_WAIT)
        except Exception:  # noqa: BLE001 - nothing whole is there; the next call says what else
            return False
        return self._ends_the_sending(data)


class _Watched:
    """Whether a socket can be read from, and written to."""

    def __init__(self, stream: Any) -> None:
        self._socket = stream.get_extra_info("socket")
        self._selector = DefaultSelector()

    def __enter__(self) -> Self:
        with suppress(OSError, ValueError):  # it is closed: a call on it says so
            self._selector.register(self._socket, EVENT_READ | EVENT_WRITE)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def ready(self, timeout: float | None, deaf: bool) -> tuple[bool, bool]:
        """Wait for one of the two; `deaf` asks for the second alone."""
        if not self._selector.get_map():
            return False, True
        if deaf:
            self._selector.modify(self._socket, EVENT_WRITE)
        found = sum(events for _, events in self._selector.select(timeout))
        return bool(found & EVENT_READ), bool(found & EVENT_WRITE)


def _core(stream: object) -> Any:
    """httpcore, or what else a stream is from; None for one whose errors aren't known."""
    for kind in type(stream).__mro__:
        module = sys.modules[kind.__module__.partition(".")[0]]
        if hasattr(module, "RemoteProtocolError"):
            return module
    return None


def _go_ahead(data: bytes) -> int | None:
    """The code of a 100 or of the answer, where one is there."""
    return next((code for code in codes(data) if not 101 < code < 200), None)


def _final(data: bytes) -> int | None:
    """The code of the answer, where it is there."""
    return next((code for code in codes(data) if not 100 <= code < 200 or code == 101), None)
