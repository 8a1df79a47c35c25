"""What a failure of the transport was: one exception of the library may be several things."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from statuspolicy.wire import NotHTTP

from ._lib import (
    ConnectError,
    ConnectTimeout,
    ProxyError,
    ReadError,
    RemoteProtocolError,
    TransportError,
    WriteError,
)


def row_key(error: TransportError) -> int | type[TransportError] | None:
    """The key of the row that a failure belongs to; None where it is never repeated."""
    if isinstance(error, RemoteProtocolError):
        line = _not_parsed(error)
        if line is None:
            return type(error)  # the connection went away without an answer
        # A 101 that nobody asked for; the parser names it by its own state.
        return 101 if "_SWITCH_UPGRADE" in line else 600
    if isinstance(error, ConnectError) and _untrusted(error):
        return None  # a certificate that doesn't verify won't verify next time
    if isinstance(error, ProxyError) and str(error).startswith("407"):
        return 407  # the proxy's answer to CONNECT
    return type(error)


def unacted(error: TransportError, reused: bool) -> bool:
    """Whether a failure shows that the server did not act on the request.

    reused: whether the connection had served another request before, and brought nothing now.
    """
    if isinstance(error, (ConnectError, ConnectTimeout)):
        return True  # nothing is sent before the connection stands
    # RFC 9112 §9.3.1: a connection that was idle may be closed by the server at any time,
    # and what was sent into that was not read. (HTTP/2 says itself how far it got.)
    gone = isinstance(error, (ReadError, WriteError)) or row_key(error) is RemoteProtocolError
    return (reused and gone) or any(map(_refused_by_http2, _chain(error)))


def _refused_by_http2(cause: BaseException) -> bool:
    """RFC 9113 §8.7: REFUSED_STREAM, or a GOAWAY that names no stream as processed."""
    for event in cause.args:
        kind = type(event).__name__
        if kind == "StreamReset" and event.error_code == _REFUSED_STREAM:
            return True
        if kind == "ConnectionTerminated" and event.last_stream_id == 0:
            return True
    return False


_REFUSED_STREAM = 7  # RFC 9113 §7


def _chain(error: BaseException) -> Iterator[BaseException]:
    """A failure and what caused it: libraries raise `from` it, or pass it as an argument.

    Not `__context__`: that is whatever was being handled, an earlier failure say.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        passed = (arg for arg in cause.args if isinstance(arg, BaseException))
        cause = cause.__cause__ or next(passed, None)


def _not_parsed(error: RemoteProtocolError) -> str | None:
    """What the HTTP/1.1 parser said, or who read along, where it was that which failed."""
    for cause in _chain(error):
        if isinstance(cause, NotHTTP) or type(cause).__module__.partition(".")[0] == "h11":
            return str(cause)
    return None


def _untrusted(error: ConnectError) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error))
