"""What one exchange asks of the sockets below it: to be over in time, where to connect, what came.

A timeout of httpx is for one read, so a server that drips a byte a second is never late. In a
thread nothing but the socket can end a read, so there each call on it gets what is left. A
task has cancel scopes for that, and only connects as it is told.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from math import inf
from types import MappingProxyType
from typing import Any, NamedTuple

PINS = "statuspolicy.pins"  # in a request's `extensions`: what is to become `Wire.pins`

_TICK = 0.001  # seconds: 0 would not be a timeout but a non-blocking socket
_LONGEST = 2_000_000.0  # seconds: a socket holds no more than 2^31 milliseconds
_PIECE = 16 * 1024  # bytes: a TLS record (RFC 8446 §5.1), and what a writable socket takes whole


class Seen:
    """What passed over the socket during one send.

    old: whether the connection had brought something before it; None where nothing was sent.
    heard: whether a byte came back, or may have: what this side closed, it did not read to its end.
    """

    __slots__ = ("heard", "old")

    def __init__(self) -> None:
        self.old: bool | None = None
        self.heard = False


class Wire(NamedTuple):
    """What holds for the call under way.

    left: gives the seconds until the exchange has to be over. What it raises ends the call.
    pins: the addresses that were checked, one or more for a host name as it is in the URL's
        `raw_host`. They are connected to in turn; the name is not resolved again. The Host
        field, and the name that TLS sends and verifies, stay as they are.
    seen: what has to be noted of it.

    Two things in a thread heed no `left`: the resolving of a name, and the parts of one TLS
    record inside the TLS of an https proxy, each of which may take that long.
    """

    left: Callable[[], float] | None = None
    pins: Mapping[str, Sequence[str]] = MappingProxyType({})
    seen: Seen | None = None


# Of this thread, or of this task.
WIRE: ContextVar[Wire | None] = ContextVar("statuspolicy.wire", default=None)


@contextmanager
def wired(wire: Wire) -> Iterator[None]:
    """Let it hold for what is called within."""
    token = WIRE.set(wire)
    try:
        yield
    finally:
        WIRE.reset(token)


def sooner(left: Callable[[], float]) -> Wire:
    """That it has to be over when `left` says, or what already holds says, whichever is sooner."""
    wire = WIRE.get()
    if wire is None or (outer := wire.left) is None:
        return Wire(left)
    return Wire(lambda: min(left(), outer()))


def install(transport: object) -> bool:
    """Let a transport's sockets heed WIRE, once; whether they do.

    False for what has no connection pool of httpcore's shape, as a MockTransport. Connections
    that are open already stay as they are, and one that is kept alive has its address.
    """
    pool: Any = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if not callable(getattr(backend, "connect_tcp", None)):
        return False
    if not isinstance(backend, _Around):
        is_async = hasattr(pool, "handle_async_request")
        # Two threads may both come here: each wraps the same backend, and either will do.
        pool._network_backend = AsyncBackend(backend) if is_async else Backend(backend)
    return True


def remove(transport: object) -> None:
    """Undo `install`, for the connections that are opened from now on."""
    pool: Any = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if isinstance(backend, _Around):
        pool._network_backend = backend._inner


def is_proxy(transport: object) -> bool:
    """Whether a transport sends its requests to an HTTP proxy (those for https go through it)."""
    kinds = type(getattr(transport, "_pool", None)).__mro__
    return any(kind.__name__ in ("HTTPProxy", "AsyncHTTPProxy") for kind in kinds)


class _Around:
    """Something of httpcore's; what isn't said here is its own."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Backend(_Around):
    """Opens the connections of a thread, and lends each call on them no more than is left."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> Stream:
        *others, last = _pinned(host) or _resolved(host)
        timeout = _of_each(host, timeout)
        for address in others:
            with suppress(Exception):
                stream = self._inner.connect_tcp(address, port, _within(timeout), **options)
                return Stream(stream)
        return Stream(self._inner.connect_tcp(last, port, _within(timeout), **options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, **options: Any
    ) -> Stream:
        return Stream(self._inner.connect_unix_socket(path, _within(timeout), **options))

    def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect, which are an option of HTTPTransport."""
        self._inner.sleep(_within(seconds))


class _Connection(_Around):
    """A connection. It asks WIRE at each call, since it outlives the exchange."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._answered = False
        self._closed = False  # on this side: between threads, httpcore 1.0 closes what others use

    def _wrote(self, wire: Wire | None) -> None:
        if wire is not None and wire.seen is not None and wire.seen.old is None:
            wire.seen.old = self._answered

    def _heard(self, wire: Wire | None, data: bytes) -> None:
        if data:
            self._answered = True
        if (data or self._closed) and wire is not None and wire.seen is not None:
            wire.seen.heard = True


class Stream(_Connection):
    """A connection of a thread."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = b""
        try:
            data = self._inner.read(max_bytes, self._in_time(timeout))
        finally:
            self._heard(WIRE.get(), data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wrote(WIRE.get())
        # The inner write loops until all is sent, with the whole timeout for each turn.
        size = _PIECE if _left() < inf else max(len(buffer), 1)
        for start in range(0, len(buffer), size):
            self._inner.write(buffer[start : start + size], self._in_time(timeout))

    def close(self) -> None:
        self._closed = True
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        within = self._in_time(timeout)
        return Stream(self._inner.start_tls(ssl_context, server_hostname, within))

    def _in_time(self, timeout: float | None) -> float | None:
        left = _left()
        if left <= 0:
            # Bytes that are there already can be read within any timeout, endlessly. On a
            # closed socket every call fails at once, and in the inner stream's own words.
            self._inner.close()
        return timeout if left == inf else _within(timeout)


class AsyncBackend(_Around):
    """Opens the connections of a task."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
        **options: Any,
    ) -> AsyncStream:
        *others, last = _pinned(host) or (host,)
        timeout = _of_each(host, timeout)
        for address in others:
            with suppress(Exception):
                return AsyncStream(await self._inner.connect_tcp(address, port, timeout, **options))
        return AsyncStream(await self._inner.connect_tcp(last, port, timeout, **options))

    async def connect_unix_socket(self, path: str, **options: Any) -> AsyncStream:
        return AsyncStream(await self._inner.connect_unix_socket(path, **options))


class AsyncStream(_Connection):
    """A connection of a task."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as httpcore calls it
        data: bytes = b""
        try:
            data = await self._inner.read(max_bytes, timeout)
        finally:
            self._heard(WIRE.get(), data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as httpcore calls it
        self._wrote(WIRE.get())
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        self._closed = True
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **options: Any) -> AsyncStream:
        return AsyncStream(await self._inner.start_tls(*args, **options))


def _left() -> float:
    """Seconds; inf where nothing has to be over."""
    wire = WIRE.get()
    return inf if wire is None or wire.left is None else wire.left()


def _within(timeout: float | None) -> float | None:
    left = _left()
    if left >= (_LONGEST if timeout is None else timeout):
        return timeout
    return max(left, _TICK)


def _pinned(host: str) -> Sequence[str]:
    wire = WIRE.get()
    return () if wire is None else wire.pins.get(host, ())


def _of_each(host: str, timeout: float | None) -> float | None:
    """The timeout for one of the addresses of a pinned host: together they have the whole."""
    return None if timeout is None else timeout / max(len(_pinned(host)), 1)


def _resolved(host: str) -> Sequence[str]:
    """The addresses of a host that has to be reached in time; else its name.

    Given a name, the inner backend would take the same timeout for each of its addresses.
    """
    if _left() < inf:
        with suppress(OSError, ValueError):  # the inner backend will say it in its own words
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    return (host,)
