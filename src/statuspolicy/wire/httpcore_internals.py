"""All private names of httpcore and httpcore2 that this package uses.

Undocumented behavior that it depends on is here too: how a request is written, and the names of the
events of the `trace` extension. All of it is checked on real objects: a connection sends a request
over a stream that is a stub.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

from statuspolicy.wire import h2_internals
from statuspolicy.wire.supported import SOCKETS, Name, require

LIBRARIES = ("httpcore", "httpcore2")
BACKEND = "_network_backend"  # of a pool: the backend that opens its connections

# The event of the `trace` extension with which a request on a kept-alive connection begins. (With
# a new connection, the events of connecting come first.)
SENDING = ("http11.send_request_headers.started", "http2.send_request_headers.started")

_WINDOWS = "HTTP/2 windows that are given back"
_PROOF = "the proof that a request was not read"


def put_backend(pool: Any, backend: Any) -> None:
    """Make a pool open its connections with another backend from now on."""
    pool._network_backend = backend


def sends_to_proxy(pool: object) -> bool:
    """Whether a pool sends its requests to an HTTP proxy (those for https go through it)."""
    return any(kind.__name__ in ("HTTPProxy", "AsyncHTTPProxy") for kind in type(pool).__mro__)


# ── HTTP/2 ────────────────────────────────────────────────────────────────────────────────


def http2_over(pool: Any, stream: object) -> Any:
    """The HTTP/2 connection of a pool over this stream of bytes; None if there is none."""
    for connection in _connections(pool):
        if getattr(connection, "_network_stream", None) is stream and hasattr(
            connection, "_h2_state"
        ):
            return connection
    return None


def _connections(pool: Any) -> Iterator[Any]:
    """The connections of a pool, and the connections inside tunnels."""
    for outer in getattr(pool, "connections", ()):
        connection = outer
        while connection is not None:
            yield connection
            connection = getattr(connection, "_connection", None)


def put_closed(http2: Any, closed: Callable[[int], Any]) -> None:
    """Make an HTTP/2 connection call a function when one of its streams is closed."""
    http2._response_closed = closed


def closed(http2: Any, stream_id: int) -> Any:
    """Do what the library does when a stream is closed; to be awaited in async."""
    return type(http2)._response_closed(http2, stream_id=stream_id)


def unread(http2: Any, stream_id: int) -> Any:
    """The events of a stream that were not read."""
    return http2._events.get(stream_id, ())


def has_streams(http2: Any) -> bool:
    """Whether an HTTP/2 connection has open streams."""
    return bool(http2._events)


def h2_of(http2: Any) -> Any:
    """The h2.connection.H2Connection of an HTTP/2 connection of httpcore."""
    return http2._h2_state


def write_out(http2: Any, request: Any) -> Any:
    """Write the frames that h2 has queued; to be awaited in async. request: has the timeouts."""
    return http2._write_outgoing_data(request)


# ── the checks ────────────────────────────────────────────────────────────────────────────


def library_of(pool: Any) -> str | None:
    """The library that a pool belongs to; None for any other object."""
    names = (kind.__module__.partition(".")[0] for kind in type(pool).__mro__)
    return next((name for name in names if name in LIBRARIES), None)


@cache
def check(library: str) -> None:
    """Raise UnsupportedVersion if a name is missing; checks once in a process."""
    require(library, names(sys.modules[library]))


@cache
def check_http2(library: str) -> None:
    """As `check`, for HTTP/2; called for the first connection that speaks it."""
    core = sys.modules[library]
    require(library, http2_names(core))
    http2 = _over_http2(core).connection
    require("h2", h2_internals.names(h2_of(http2), _STREAM, unread(http2, _STREAM)))


def names(core: Any) -> tuple[Name, ...]:
    """Each private name that this package uses, except for HTTP/2, with a check that it exists.

    core: the library, as a module.
    """
    backend, sent = object(), cache(lambda: _over_http1(core))

    def holds(kind: str) -> bool:
        pool = getattr(core, kind)(network_backend=backend)
        return getattr(pool, BACKEND) is backend

    def reads_on() -> bool:
        return bool(_over_http1(core, core.WriteError).answer.status == 200)

    return (
        Name(f"ConnectionPool.{BACKEND}", SOCKETS, lambda: holds("ConnectionPool")),
        Name(f"AsyncConnectionPool.{BACKEND}", SOCKETS, lambda: holds("AsyncConnectionPool")),
        Name(
            "header section that is written at once",
            SOCKETS,
            lambda: sent().written[0].endswith(b"\r\n\r\n"),
        ),
        Name("answer that is read after a WriteError", "Expect", reads_on),
        Name(
            "network_stream that the backend made",
            "interim responses",
            lambda: sent().answer.extensions["network_stream"] is sent(),
        ),
        Name(f"trace event {SENDING[0]}", _PROOF, lambda: SENDING[0] in sent().events),
    )


def http2_names(core: Any) -> tuple[Name, ...]:
    """Each private name that this package uses for HTTP/2, with a check that it exists."""
    sent = cache(lambda: _over_http2(core))

    def is_inside() -> bool:
        outer = core.HTTPConnection(origin=core.URL(_URL).origin, network_backend=sent())
        unset = outer._connection is None
        outer._connection = sent().connection
        pool = SimpleNamespace(connections=[outer])
        return unset and http2_over(pool, sent()) is sent().connection

    def tells() -> bool:
        http2, told = sent().connection, list[int]()

        def after(stream_id: int) -> None:
            closed(http2, stream_id)
            told.append(stream_id)

        put_closed(http2, after)
        sent().answer.stream.close()
        return told == [_STREAM]

    return (
        Name("preface that is written first", SOCKETS, lambda: sent().written[0][:4] == b"PRI "),
        Name(f"trace event {SENDING[1]}", _PROOF, lambda: SENDING[1] in sent().events),
        Name(
            "HTTPConnection._connection, HTTP2Connection._network_stream, ._h2_state",
            _WINDOWS,
            is_inside,
        ),
        Name("HTTP2Connection._events", _WINDOWS, lambda: unread(sent().connection, _STREAM)),
        Name(
            "HTTP2Connection._write_outgoing_data",
            _WINDOWS,
            lambda: write_out(sent().connection, _NO_TIMEOUTS) is None,
        ),
        Name("HTTP2Connection._response_closed", _WINDOWS, tells),
    )


_URL = "http://a.example/"
_STREAM = 1  # the id of the first stream that a client opens (RFC 9113 §5.1.1)
_NO_TIMEOUTS = SimpleNamespace(extensions={})


class _Sent:
    """One request on a connection of its own, over a stream of bytes that is a stub: this object.

    (It is sent without a pool, since tools for tests such as respx replace the pool's method.)

    brings: returns the bytes to read, given the bytes that were written. error: the class of the
        exception that a write raises. (Not an instance: that would keep the frames, and so the
        caller that made the first transport.)
    """

    def __init__(
        self, kind: Any, core: Any, brings: Any, error: type[Exception] | None = None
    ) -> None:
        self.written: list[bytes] = []
        self.events: list[str] = []
        self._brings = brings
        self._error = error
        extensions = {"trace": lambda event, _: self.events.append(event)}
        headers = [(b"Host", b"a.example")]
        request = core.Request("GET", _URL, headers=headers, extensions=extensions)
        self.connection = kind(origin=request.url.origin, stream=self)
        self.answer = self.connection.handle_request(request)

    def write(self, data: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as httpcore calls it
        self.written.append(data)
        if self._error is not None:
            raise self._error

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as httpcore calls it
        return self._brings(self.written)  # type: ignore[no-any-return]

    def close(self) -> None:
        pass


def _over_http1(core: Any, error: type[Exception] | None = None) -> _Sent:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    return _Sent(core.HTTP11Connection, core, lambda _: answer, error)


def _over_http2(core: Any) -> _Sent:
    """A response that has begun: its header section has come, and one byte of its body."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection

    def brings(written: list[bytes]) -> bytes:
        server = H2Connection(H2Configuration(client_side=False))
        server.initiate_connection()
        server.receive_data(b"".join(written))
        server.send_headers(_STREAM, [(":status", "200")])
        server.send_data(_STREAM, b"x")
        return server.data_to_send()

    return _Sent(core.HTTP2Connection, core, brings)
