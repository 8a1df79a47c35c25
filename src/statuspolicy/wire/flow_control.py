"""HTTP/2 flow control: a stream that is closed early gives its window back (RFC 9113 §5.2, §6.9).

All streams of a connection share one window. httpcore does not cancel a stream that is closed
before its end: the server goes on sending, its bytes are never acknowledged, and at last no stream
gets any more. Here such a stream is cancelled, and its bytes are acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from weakref import ref

from statuspolicy.wire.context import WIRE, Wire, aduring, during
from statuspolicy.wire.h2_internals import is_open, size_of
from statuspolicy.wire.httpcore_internals import (
    check_http2,
    closed,
    h2_of,
    has_streams,
    http2_over,
    library_of,
    put_closed,
    unread,
    write_out,
)

_CANCEL = 8  # RFC 9113 §7
# A request for httpcore's write; the timeout is in seconds.
_AT_ONCE = SimpleNamespace(extensions={"timeout": {"write": 1.0}})


def give_windows_back(pool: Any, stream: object) -> None:
    """Make the HTTP/2 connection over a stream of bytes give windows back.

    To be called when the connection begins to write. Raises UnsupportedVersion where the library
    lacks a private name that this needs.
    """
    library = library_of(pool)
    if library is not None:
        check_http2(library)
    connection = http2_over(pool, stream)
    if connection is not None:
        is_async = hasattr(connection, "handle_async_request")
        # Weak: a reference cycle would keep it and its socket until a garbage collection.
        make = _async_closed if is_async else _closed
        put_closed(connection, make(ref(connection)))


def _closed(connection: Callable[[], Any]) -> Callable[[int], None]:
    def after(stream_id: int) -> None:
        http2 = connection()
        left_behind = unread(http2, stream_id)
        closed(http2, stream_id)
        if _gives_back(h2_of(http2), stream_id, left_behind) and has_streams(http2):
            with suppress(Exception):
                during(WIRE, Wire(), write_out, http2, _AT_ONCE)

    return after


def _async_closed(connection: Callable[[], Any]) -> Callable[[int], Any]:
    async def after(stream_id: int) -> None:
        http2 = connection()
        left_behind = unread(http2, stream_id)
        await closed(http2, stream_id)
        if _gives_back(h2_of(http2), stream_id, left_behind) and has_streams(http2):
            with suppress(Exception):
                await aduring(WIRE, Wire(), write_out, http2, _AT_ONCE)

    return after


def _gives_back(h2: Any, stream_id: int, events: Any) -> bool:
    """Cancel a stream and acknowledge its bytes; returns whether there are frames to send.

    The next write would send them. But where all other streams only wait for the server, no write
    comes: so the caller writes at once.
    """
    size = sum(map(size_of, events))
    goes_on = is_open(h2, stream_id)
    with suppress(Exception):  # the connection is over
        if goes_on:
            h2.reset_stream(stream_id, _CANCEL)
        if size:
            h2.acknowledge_received_data(size, stream_id)
        return bool(goes_on or size)
    return False
