"""HTTP/2: what is closed unread gives its window back (RFC 9113 §5.2, §6.9).

All streams of a connection share one window. httpcore lets go of a stream that is closed before
its end without a word: the server sends on, and what it sent is never acknowledged, until nothing
more comes on any stream. Here such a stream is cancelled, and what came of it acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from weakref import ref

from statuspolicy.wire import WIRE, Wire, aduring, during

_CANCEL = 8  # RFC 9113 §7
# As httpcore's writes have a request; seconds.
_AT_ONCE = SimpleNamespace(extensions={"timeout": {"write": 1.0}})


def look_after(pool: Any, stream: object) -> None:
    """Let the HTTP/2 connection of a pool that begins to write to a stream do so."""
    for connection in _connections(pool):
        if getattr(connection, "_network_stream", None) is stream and hasattr(
            connection, "_h2_state"
        ):
            is_async = hasattr(connection, "handle_async_request")
            # A reference to itself would keep it, and its socket, until a collection.
            make = _async_closed if is_async else _closed
            connection._response_closed = make(ref(connection))


def _connections(pool: Any) -> Iterator[Any]:
    """Those of a pool, and what they are made of: a tunnel has one inside."""
    for outer in getattr(pool, "connections", ()):
        connection = outer
        while connection is not None:
            yield connection
            connection = getattr(connection, "_connection", None)


def _closed(connection: Callable[[], Any]) -> Callable[[int], None]:
    def closed(stream_id: int) -> None:
        http2 = connection()
        unread = http2._events.get(stream_id, ())
        type(http2)._response_closed(http2, stream_id=stream_id)
        if _gives_back(http2._h2_state, stream_id, unread) and http2._events:
            with suppress(Exception):
                during(WIRE, Wire(), http2._write_outgoing_data, _AT_ONCE)

    return closed


def _async_closed(connection: Callable[[], Any]) -> Callable[[int], Any]:
    async def closed(stream_id: int) -> None:
        http2 = connection()
        unread = http2._events.get(stream_id, ())
        await type(http2)._response_closed(http2, stream_id=stream_id)
        if _gives_back(http2._h2_state, stream_id, unread) and http2._events:
            with suppress(Exception):
                await aduring(WIRE, Wire(), http2._write_outgoing_data, _AT_ONCE)

    return closed


def _gives_back(h2: Any, stream_id: int, unread: Any) -> bool:
    """Whether there is something to tell the server. It goes out with what is written next.

    Streams that wait for the server alone write nothing: for them it has to go out at once.
    """
    size = sum(getattr(event, "flow_controlled_length", 0) for event in unread)
    stream = h2.streams.get(stream_id)
    goes_on = stream is not None and not stream.closed
    with suppress(Exception):  # the connection is over
        if goes_on:
            h2.reset_stream(stream_id, _CANCEL)
        if size:
            h2.acknowledge_received_data(size, stream_id)
        return bool(goes_on or size)
    return False
