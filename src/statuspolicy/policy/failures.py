"""The rows of failures: one exception of the library may have several causes."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from statuspolicy.wire.context import NotHTTP
from statuspolicy.wire.h11_internals import is_parser_error, says_switched
from statuspolicy.wire.httpx_internals import REQUEST
from statuspolicy.wire.library import ANY, BASE, NAMES

if TYPE_CHECKING:
    from httpx import RemoteProtocolError

    from statuspolicy.message.protocols import AnyRequest


# The failures of a transport by their class names, which are the same in both libraries, each with
# the name of its base class.
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
    "SSEError": "TransportError",  # only in httpx2
}


def key_of(kind: type) -> str | type:
    """The key of an exception class in a table: the name of a library's class, else the class."""
    return kind.__name__ if kind.__module__ in _NAMED else kind


_NAMED = {*NAMES, BASE.TransportError.__module__}


def keys_of(key: str | type) -> list[str | type]:
    """The key of an exception class, and the keys of its base classes."""
    if isinstance(key, type):
        return [key_of(base) for base in key.__mro__]
    found: list[str | type] = []
    while key:
        found.append(key)
        key = ABOVE.get(key, "")
    return found


def row_key(error: Exception) -> int | type[Exception] | None:
    """The key of a failure's row; None for a failure that is never repeated."""
    if isinstance(error, ANY.RemoteProtocolError):
        keys_of = _not_parsed(error)
        if keys_of is None:
            return type(error)  # the connection was closed without a response
        return 101 if says_switched(keys_of) else 600
    if any(map(_is_lasting, _chain(error))):
        return None
    if isinstance(error, ANY.ProxyError) and str(error).startswith("407"):
        return 407  # the proxy's answer to CONNECT
    return type(error)


def unacted(error: Exception, begun: bool = False, request: AnyRequest | None = None) -> bool:
    """Whether a failure shows by itself that the server did not act on the request.

    begun: whether some bytes of it are known to have been sent.
    request: the request that failed.
    """
    if request is not None and _is_another_s(error, request):
        return False
    return (not begun and _unconnected(error)) or any(map(_refused_by_http2, _chain(error)))


def _is_another_s(error: Exception, request: AnyRequest) -> bool:
    """Whether a failure is of another request, which the server made while it answered this one.

    An application behind a transport (WSGI, ASGI) may raise a failure of its own client, which has
    its own request.
    """
    theirs = vars(error).get(REQUEST)
    return error.__cause__ is not None and theirs is not None and theirs.url != request.url


def _unconnected(error: Exception) -> bool:
    """Whether no connection was made.

    A transport may raise ConnectTimeout for a connection that it lost: the cause shows that. A
    failure without a cause, as from a mock, is believed.
    """
    if not isinstance(error, (ANY.ConnectError, ANY.ConnectTimeout)):
        return False
    _, *causes = _chain(error)
    if not causes and error.__context__ is not None and not error.__suppress_context__:
        causes = [*_chain(error.__context__)]  # raised without `from`, or nothing to do with it
    if not causes:
        return True
    return next((shown for shown in map(_says_unconnected, causes) if shown is not None), False)


def _says_unconnected(cause: BaseException) -> bool | None:
    """Whether a cause shows that no connection was made; None where it shows nothing.

    The libraries that make connections know it. An error of the system below them may be of an
    open connection: a host can become unreachable meanwhile.
    """
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(cause).__mro__}
    if not _CONNECTING.isdisjoint(library for library, _ in kinds):
        return not _UNCONNECTED.isdisjoint(kinds)
    if isinstance(cause, (ConnectionRefusedError, socket.gaierror)):
        return True
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return True
    return None


# The exceptions that these libraries raise only if no connection was made.
_UNCONNECTED = {
    ("httpcore", "ConnectError"), ("httpcore", "ConnectTimeout"),
    ("httpcore2", "ConnectError"), ("httpcore2", "ConnectTimeout"),
    ("aiohttp", "ClientConnectorError"), ("aiohttp", "ConnectionTimeoutError"),
}  # fmt: skip
_CONNECTING = {library for library, _ in _UNCONNECTED}


def _is_lasting(cause: BaseException) -> bool:
    """Whether a repeat would fail too: an unknown host, or TLS that is not possible."""
    if isinstance(cause, socket.gaierror):
        return cause.errno in _NO_SUCH_HOST
    if isinstance(cause, ssl.SSLCertVerificationError):
        return True
    if not isinstance(cause, ssl.SSLError):
        return False
    said = str(cause).upper().replace(" ", "_")
    return any(word in said for word in _NO_TLS)


# RFC 3493 §6.1, without the temporary ones: EAI_AGAIN, EAI_MEMORY and EAI_SYSTEM.
_NO_SUCH_HOST = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_FAIL", "EAI_FAMILY", "EAI_ADDRFAMILY",
                 "EAI_SERVICE", "EAI_SOCKTYPE", "EAI_BADFLAGS")
    if hasattr(socket, name)
}  # fmt: skip

# Reasons of OpenSSL and alerts of the other side (RFC 8446 §6.2) that mean: the two sides have
# nothing in common, or one refuses the other. Damaged or truncated data and internal errors are
# not among them.
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
    """A failure and its causes: libraries raise `from` them, or pass them as arguments.

    Not `__context__`: that may be any other exception, such as an earlier failure.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        passed = (arg for arg in cause.args if isinstance(arg, BaseException))
        cause = cause.__cause__ or next(passed, None)


def _not_parsed(error: RemoteProtocolError) -> str | None:
    """The message of the HTTP/1.1 parser, if the parser failed; else None."""
    for cause in _chain(error):
        if isinstance(cause, NotHTTP) or is_parser_error(cause):
            return str(cause)
    return None
