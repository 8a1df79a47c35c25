"""All private names of h2, which speaks HTTP/2 for httpcore, that this package uses.

h2 is an optional package, so it is not imported here.
"""

from __future__ import annotations

from typing import Any

from statuspolicy.wire.supported import Name


def is_open(h2: Any, stream_id: int) -> bool:
    """Whether a stream of a connection (`H2Connection`) has not ended on both sides."""
    stream = h2.streams.get(stream_id)
    return stream is not None and not stream.closed


def size_of(event: Any) -> int:
    """The bytes of the connection's window that an event used; they have to be given back."""
    size: int = getattr(event, "flow_controlled_length", 0)
    return size


def names(h2: Any, stream_id: int, events: Any) -> tuple[Name, ...]:
    """Each private name that this package uses, with a check that it exists.

    h2: an H2Connection. stream_id: one of its open streams. events: the events of that stream,
        with a DataReceived.
    """
    use = "HTTP/2 windows that are given back"
    return (
        Name("H2Connection.streams, H2Stream.closed", use, lambda: is_open(h2, stream_id)),
        Name("DataReceived.flow_controlled_length", use, lambda: sum(map(size_of, events))),
    )
