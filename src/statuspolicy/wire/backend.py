"""Network backends, which open the connections of a transport, for threads and tasks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import Any
from weakref import ref

from statuspolicy.wire import h11_internals
from statuspolicy.wire.context import WIRE, left, within
from statuspolicy.wire.httpcore_internals import (
    BACKEND,
    check,
    library_of,
    put_backend,
    sends_to_proxy,
)
from statuspolicy.wire.httpx_internals import POOL, check_transport
from statuspolicy.wire.monitor import Delegate
from statuspolicy.wire.stream import AsyncStream, Stream


def install(transport: object) -> bool:
    """Make the sockets of a transport read WIRE; returns whether that is possible.

    False for a transport without a connection pool of httpcore, such as a MockTransport. Open
    connections don't change, and keep their address.

    Raises UnsupportedVersion for a transport of a library that has changed where its pool is.
    """
    pool: Any = getattr(transport, POOL, None)
    backend = getattr(pool, BACKEND, None)
    if isinstance(backend, Delegate):
        return True
    kind: Any = type(transport)
    check_transport(kind)
    if pool is not None and (library := library_of(pool)) is not None:
        check(library)
        h11_internals.check()
    if not callable(getattr(backend, "connect_tcp", None)):
        return False
    is_async = hasattr(pool, "handle_async_request")
    # Two threads may come here: each wraps the same backend, and both results are right.
    around = AsyncBackend if is_async else Backend
    put_backend(pool, around(backend, ref(pool)))
    return True


def remove(transport: object) -> None:
    """Undo `install`, for the connections that are opened from now on."""
    pool: Any = getattr(transport, POOL, None)
    backend = getattr(pool, BACKEND, None)
    if isinstance(backend, Delegate):
        put_backend(pool, backend._inner)


def is_proxy(transport: object) -> bool:
    """Whether a transport sends its requests to an HTTP proxy (those for https go through it)."""
    return sends_to_proxy(getattr(transport, POOL, None))


class _Backend(Delegate):
    """Base class of the backends. pool: returns the pool of the connections, while there is one."""

    def __init__(self, inner: Any, pool: Callable[[], Any] = lambda: None) -> None:
        super().__init__(inner)
        self._pool = pool


class Backend(_Backend):
    """Opens connections in threads; no call on them takes longer than the remaining time."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> Stream:
        *others, last = _pinned(host) or _resolved(host)
        timeout = _of_each(host, timeout)
        for address in others:
            with suppress(Exception):
                stream = self._inner.connect_tcp(address, port, within(timeout), **options)
                return Stream(stream, self._pool)
        stream = self._inner.connect_tcp(last, port, within(timeout), **options)
        return Stream(stream, self._pool)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, **options: Any
    ) -> Stream:
        stream = self._inner.connect_unix_socket(path, within(timeout), **options)
        return Stream(stream, self._pool)

    def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect (an option of HTTPTransport)."""
        self._inner.sleep(within(seconds))


class AsyncBackend(_Backend):
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
                stream = await self._inner.connect_tcp(address, port, timeout, **options)
                return AsyncStream(stream, self._pool)
        stream = await self._inner.connect_tcp(last, port, timeout, **options)
        return AsyncStream(stream, self._pool)

    async def connect_unix_socket(self, path: str, **options: Any) -> AsyncStream:
        return AsyncStream(await self._inner.connect_unix_socket(path, **options), self._pool)


def _pinned(host: str) -> Sequence[str]:
    wire = WIRE.get()
    return () if wire is None else wire.pins.get(host, ())


def _of_each(host: str, timeout: float | None) -> float | None:
    """The timeout for one of the addresses of a pinned host: an equal share."""
    return None if timeout is None else timeout / max(len(_pinned(host)), 1)


def _resolved(host: str) -> Sequence[str]:
    """The addresses of a host if there is a time limit; else its name.

    With a name, the inner backend would use the whole timeout for each of its addresses.
    """
    if left() < inf:
        with suppress(OSError, ValueError):  # the inner backend raises its own exception
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    return (host,)
