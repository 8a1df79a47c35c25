"""What a failure of the transport was: one exception of the library may be several things."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from statuspolicy.h11_internals import is_parser_error, says_switched
from statuspolicy.httpx_internals import REQUEST
from statuspolicy.library import ANY, BASE, NAMES
from statuspolicy.wire import NotHTTP

if TYPE_CHECKING:
    from httpx import RemoteProtocolError

    from statuspolicy.protocols import AnyRequest


# The failures of a transport by their names, which are the same in both libraries, each with the
# more general one that it is a case of.
ABOVE = {
    "TransportError": "",
    "TimeoutException": "TransportError",
    "ConnectTimeout": "TimeoutException",
    "ReadTimeout": "TimeoutException",
    "WriteTimeout": "TimeoutException",
    "PoolTimeout": "TimeoutException",
    "NetworkError": "TransportError",
    "ConnectError": "NetworkError",
    "ReadError": "NetworkError",
    "WriteError": "NetworkError",
    "CloseError": "NetworkError",
    "ProtocolError": "TransportError",
    "LocalProtocolError": "ProtocolError",
    "RemoteProtocolError": "ProtocolError",
    "ProxyError": "TransportError",
    "UnsupportedProtocol": "TransportError",
    "SSEError": "TransportError",  # httpx2's alone
}


def key_of(kind: type) -> str | type:
    """What a class of failures is called in a table: a library's by its name, others are it."""
    return kind.__name__ if kind.__module__ in _NAMED else kind


_NAMED = {*NAMES, BASE.TransportError.__module__}


def line(key: str | type) -> list[str | type]:
    """A failure's key, and those of the more general ones that it is a case of."""
    if isinstance(key, type):
        return [key_of(base) for base in key.__mro__]
    found: list[str | type] = []
    while key:
        found.append(key)
        key = ABOVE.get(key, "")
    return found


def row_key(error: Exception) -> int | type[Exception] | None:
    """The key of the row that a failure belongs to; None where it is never repeated."""
    if isinstance(error, ANY.RemoteProtocolError):
        line = _not_parsed(error)
        if line is None:
            return type(error)  # the connection went away without an answer
        return 101 if says_switched(line) else 600
    if any(map(_is_lasting, _chain(error))):
        return None
    if isinstance(error, ANY.ProxyError) and str(error).startswith("407"):
        return 407  # the proxy's answer to CONNECT
    return type(error)


def unacted(error: Exception, begun: bool = False, request: AnyRequest | None = None) -> bool:
    """Whether a failure shows by itself that the server did not act on the request.

    begun: whether some of it is known to have been sent.
    request: the one that failed.
    """
    if request is not None and _is_another_s(error, request):
        return False
    return (not begun and _unconnected(error)) or any(map(_refused_by_http2, _chain(error)))


def _is_another_s(error: Exception, request: AnyRequest) -> bool:
    """Whether it is of a request that the server made in turn.

    An application that a transport calls (WSGI, ASGI) may let a failure of its own client through,
    which has written there whose it is.
    """
    theirs = vars(error).get(REQUEST)
    return error.__cause__ is not None and theirs is not None and theirs.url != request.url


def _unconnected(error: Exception) -> bool:
    """Whether no connection was made.

    A transport may call a connection that it lost a ConnectTimeout: its cause says what it was.
    One without a cause, as a mock raises it, is believed.
    """
    if not isinstance(error, (ANY.ConnectError, ANY.ConnectTimeout)):
        return False
    _, *causes = _chain(error)
    if not causes and error.__context__ is not None and not error.__suppress_context__:
        causes = [*_chain(error.__context__)]  # raised without `from`, or nothing to do with it
    if not causes:
        return True
    return next((told for told in map(_says_unconnected, causes) if told is not None), False)


def _says_unconnected(cause: BaseException) -> bool | None:
    """What a cause says of it; None where it says nothing.

    A library that makes connections knows. The system's error below it may be of a connection
    that was made, too: a host can become unreachable meanwhile.
    """
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(cause).__mro__}
    if not _CONNECTING.isdisjoint(library for library, _ in kinds):
        return not _UNCONNECTED.isdisjoint(kinds)
    if isinstance(cause, (ConnectionRefusedError, socket.gaierror)):
        return True
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return True
    return None


# What the libraries that make connections raise where they make none, and nowhere else.
_UNCONNECTED = {
    ("httpcore", "ConnectError"), ("httpcore", "ConnectTimeout"),
    ("httpcore2", "ConnectError"), ("httpcore2", "ConnectTimeout"),
    ("aiohttp", "ClientConnectorError"), ("aiohttp", "ConnectionTimeoutError"),
}  # fmt: skip
_CONNECTING = {library for library, _ in _UNCONNECTED}


def _is_lasting(cause: BaseException) -> bool:
    """Whether it is there at the next try too: a host without an address, TLS that can't be."""
    if isinstance(cause, socket.gaierror):
        return cause.errno in _NO_SUCH_HOST
    if isinstance(cause, ssl.SSLCertVerificationError):
        return True
    if not isinstance(cause, ssl.SSLError):
        return False
    said = str(cause).upper().replace(" ", "_")
    return any(word in said for word in _NO_TLS)


# RFC 3493 §6.1, but for what may be over soon: EAI_AGAIN, EAI_MEMORY and EAI_SYSTEM.
_NO_SUCH_HOST = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_FAIL", "EAI_FAMILY", "EAI_ADDRFAMILY",
                 "EAI_SERVICE", "EAI_SOCKTYPE", "EAI_BADFLAGS")
    if hasattr(socket, name)
}  # fmt: skip

# Reasons of OpenSSL's: of its own, and for the alerts of the other side (RFC 8446 §6.2), where
# the two sides have nothing in common or one refuses the other. Bytes that were damaged or cut
# off on the way, and an internal error, are not of them.
_NO_TLS = (
    "WRONG_VERSION", "WRONG_SSL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE",
    "PROTOCOL_VERSION", "VERSION_TOO_LOW", "VERSION_TOO_HIGH", "UNKNOWN_PROTOCOL",
    "HANDSHAKE_FAILURE", "NO_CIPHERS_AVAILABLE", "NO_SHARED_CIPHER", "INSUFFICIENT_SECURITY",
    "INAPPROPRIATE_FALLBACK", "LEGACY_RENEGOTIATION", "KEY_TOO_SMALL", "MD_TOO_WEAK",
    "CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "UNRECOGNIZED_NAME", "NO_APPLICATION_PROTOCOL",
)  # fmt: skip


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
        if isinstance(cause, NotHTTP) or is_parser_error(cause):
            return str(cause)
    return None
