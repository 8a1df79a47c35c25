"""What a failure of the transport was: one exception of the library may be several things."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from ._lib import ConnectError, ProxyError, RemoteProtocolError, TransportError


def row_key(error: TransportError) -> int | type[TransportError] | None:
    """The key of the row that a failure belongs to; None where it is never repeated."""
    if isinstance(error, RemoteProtocolError):
        line = _h11(error)
        if line is None:
            return type(error)  # the connection went away without an answer
        # A 101 that nobody asked for; the parser names it by its own state.
        return 101 if "_SWITCH_UPGRADE" in line else 600
    if isinstance(error, ConnectError) and _untrusted(error):
        return None  # a certificate that doesn't verify won't verify next time
    if isinstance(error, ProxyError) and str(error).startswith("407"):
        return 407  # the proxy's answer to CONNECT
    return type(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """A failure and what caused it: libraries raise `from` it, or pass it as an argument.

    Not `__context__`: that is whatever was being handled, an earlier failure say.
    """
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        passed = (arg for arg in seen.args if isinstance(arg, BaseException))
        seen = seen.__cause__ or next(passed, None)


def _h11(error: RemoteProtocolError) -> str | None:
    """What the HTTP/1.1 parser said, where it was the parser that failed."""
    for cause in _chain(error):
        if type(cause).__module__.partition(".")[0] == "h11":
            return str(cause)
    return None


def _untrusted(error: ConnectError) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error))
