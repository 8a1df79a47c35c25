"""Network streams, for threads and tasks: they keep time limits, and listen while they send."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from ssl import SSLError
from time import monotonic, sleep
from typing import Any, Self

from statuspolicy.wire.context import HINTED, WIRE, left, within
from statuspolicy.wire.monitor import PIECE, Listener

_READ = 64 * 1024  # bytes, as httpcore reads
_NO_WAIT = 0.005  # seconds for a task to take what is there
_PAUSES = 0.0005, 0.02  # seconds, the first and the longest, until a task looks again


class Stream(Listener):
    """A network stream for threads."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._back or self._stray or self._broken:
            return self._earlier(max_bytes)
        data: bytes = b""
        try:
            data = self._reads(max_bytes, self._in_time(timeout))
        finally:
            self._heard(WIRE.get(), data)
        if not data:  # httpcore closes the socket at once
            for seconds in self._settling(timeout):
                sleep(seconds)
        return self._passed_on(data)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        if self._sends(buffer, WIRE.get()):
            self._write_and_listen(buffer, timeout)
            return
        # The inner write uses the whole timeout for each of its calls.
        size = PIECE if left() < inf else len(buffer)
        for start in range(0, len(buffer), size):
            self._writes(buffer[start : start + size], timeout)

    def _reads(self, max_bytes: int, timeout: float | None) -> bytes:
        try:
            return self._inner.read(max_bytes, timeout)  # type: ignore[no-any-return]
        except BaseException as error:
            self._failed(error)
            raise

    def _writes(self, piece: bytes, timeout: float | None) -> None:
        try:
            self._inner.write(piece, self._in_time(timeout))
        except BaseException as error:
            self._failed(error)
            raise

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        in_time = self._in_time(timeout)
        inner = self._inner.start_tls(ssl_context, server_hostname, in_time)
        return Stream(inner, self._pool)

    def close(self) -> None:
        self._closed = True
        HINTED.discard(self)
        self._inner.close()

    def hold(self, seconds: float) -> None:
        """Wait `seconds` for a 100. Raises the library's WriteError if another response comes."""
        end = monotonic() + seconds
        while self._waits():
            rest = min(end - monotonic(), left())
            if rest <= 0:
                return
            try:
                self._overhear(self._reads(_READ, rest))
            except self._core.ReadTimeout:
                return
        self._after_the_wait()

    def _write_and_listen(self, buffer: bytes, timeout: float | None) -> None:
        with _SocketWatcher(self._inner) as socket:
            for start in range(0, len(buffer), PIECE):
                readable, writable = True, False
                while readable and not writable:
                    readable, writable = socket.ready(self._in_time(timeout), self._deaf)
                    if readable and self._hears_an_error():
                        return
                if not writable:
                    raise self._stuck()
                self._still_there()
                self._writes(buffer[start : start + PIECE], timeout)

    def _hears_an_error(self) -> bool:
        # The bytes may not be a complete TLS record; an error comes again at the next read.
        with suppress(self._core.ReadError):
            self._overhear(self._reads(_READ, 0))
        return self._stops()

    def _in_time(self, timeout: float | None) -> float | None:
        rest = left()
        if rest <= 0:
            # Where bytes are there, a read ends within any timeout, again and again. On a closed
            # socket every call fails at once, with the exception of the inner stream.
            self._inner.close()
        return timeout if rest == inf else within(timeout)


class AsyncStream(Listener):
    """A network stream for tasks."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as httpcore calls it
        if self._back or self._stray or self._broken:
            return self._earlier(max_bytes)
        data: bytes = b""
        try:
            data = await self._reads(max_bytes, timeout)
        finally:
            self._heard(WIRE.get(), data)
        if not data:
            import anyio

            for seconds in self._settling(timeout):
                await anyio.sleep(seconds)
        return self._passed_on(data)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as httpcore calls it
        if not buffer:
            return
        if self._sends(buffer, WIRE.get()):
            await self._write_and_listen(buffer, timeout)
        else:
            await self._writes(buffer, timeout)

    async def _reads(self, max_bytes: int, timeout: float | None) -> bytes:  # noqa: ASYNC109 - as httpcore calls it
        try:
            return await self._inner.read(max_bytes, timeout)  # type: ignore[no-any-return]
        except BaseException as error:
            self._failed(error)
            if self._passes(error):
                raise self._core.ReadError(error) from error
            raise

    async def _writes(self, piece: bytes, timeout: float | None) -> None:  # noqa: ASYNC109 - as httpcore calls it
        try:
            await self._inner.write(piece, timeout)
        except BaseException as error:
            self._failed(error)
            if self._passes(error):
                raise self._core.WriteError(error) from error
            raise

    def _passes(self, error: BaseException) -> bool:
        """Whether an error is of anyio's TLS, which httpcore does not map; in threads it does."""
        from anyio import EndOfStream

        return self._core is not None and isinstance(error, (SSLError, EndOfStream))

    async def start_tls(self, *args: Any, **options: Any) -> AsyncStream:
        return AsyncStream(await self._inner.start_tls(*args, **options), self._pool)

    async def aclose(self) -> None:
        self._closed = True
        HINTED.discard(self)
        await self._inner.aclose()

    async def hold(self, seconds: float) -> None:
        """As `Stream.hold`."""
        end = monotonic() + seconds
        while self._waits():
            rest = end - monotonic()
            if rest <= 0:
                return
            try:
                self._overhear(await self._reads(_READ, rest))
            except self._core.ReadTimeout:
                return
        self._after_the_wait()

    async def _write_and_listen(self, buffer: bytes, timeout: float | None) -> None:  # noqa: ASYNC109 - as httpcore calls it
        import anyio

        with _SocketWatcher(self._inner) as socket:
            for start in range(0, len(buffer), PIECE):
                began, slept = monotonic(), 0.0
                pause, longest = _PAUSES
                while True:
                    readable, writable = socket.ready(0, self._deaf)
                    if (readable or self._pending) and await self._hears_an_error():
                        return
                    if writable:
                        break
                    # A clock that stands still (in a test) must not make it wait for ever.
                    if timeout is not None and max(monotonic() - began, slept) > timeout:
                        raise self._stuck()
                    # A task can't wait for a socket that its event loop reads itself.
                    await anyio.sleep(pause)
                    slept += pause
                    pause = min(2 * pause, longest)
                self._still_there()
                await self._writes(buffer[start : start + PIECE], timeout)

    async def _hears_an_error(self) -> bool:
        # A read that timed out may go on in the event loop, and take the bytes from the socket.
        self._pending = True
        with suppress(self._core.ReadError, self._core.ReadTimeout):
            self._overhear(await self._reads(_READ, _NO_WAIT))
            self._pending = False
        return self._stops()


class _SocketWatcher:
    """Watches whether a socket is readable or writable."""

    def __init__(self, stream: Any) -> None:
        self._socket = stream.get_extra_info("socket")
        self._selector = DefaultSelector()

    def __enter__(self) -> Self:
        with suppress(OSError, ValueError):  # it is closed: the next call on it raises
            self._selector.register(self._socket, EVENT_READ | EVENT_WRITE)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def ready(self, timeout: float | None, deaf: bool) -> tuple[bool, bool]:
        """Wait until the socket is readable or writable; with `deaf`, only until it is writable."""
        if not self._selector.get_map():
            return False, True
        if self._socket.fileno() < 0:
            # An event loop has closed it. Bytes from before can still be read, and a call on it
            # raises the reason.
            return True, True
        if deaf:
            self._selector.modify(self._socket, EVENT_WRITE)
        found = sum(events for _, events in self._selector.select(timeout))
        return bool(found & EVENT_READ), bool(found & EVENT_WRITE)
