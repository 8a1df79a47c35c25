"""What the policy raises: subclasses of the HTTP library's own exceptions.

Each carries the trace (`statuspolicy.trace(error)`) and keeps the request that it is
about, where the client would put the first request of the exchange in its place.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from statuspolicy.printable import printable

from ._lib import (
    RemoteProtocolError,
    Request,
    RequestError,
    TimeoutException,
    TooManyRedirects,
    TransportError,
)
from .httpx_internals import REQUEST, request_of


class _AboutItsRequest(RequestError):
    def __init__(self, message: str, *, request: Request | None = None) -> None:
        super().__init__(printable(message), request=request)

    @property
    def request(self) -> Request:
        """The request of the hop that failed."""
        return super().request

    @request.setter
    def request(self, request: Request) -> None:
        if request_of(self) is None:
            vars(self)[REQUEST] = request


def about(error: TransportError, request: Request) -> None:
    """Let a failure of the transport keep the request that it is about, as ours do."""
    if not isinstance(error, _AboutItsRequest):
        kind: Any = type(error)
        error.__class__ = _kind(kind)
        vars(error)[REQUEST] = request


@cache
def _kind(kind: Any) -> Any:
    """The library's own exception, which keeps its request; it is still named as it was."""
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__reduce__": _plain}
    return type(kind.__name__, (_AboutItsRequest, kind), named)


def _plain(error: TransportError) -> tuple[Any, ...]:
    # A class made at run time has no name to be pickled by; the library's own has.
    return type(error).__mro__[2], error.args, vars(error)


class RedirectLoop(_AboutItsRequest, TooManyRedirects):
    """A redirect leads to a request that was already sent in this exchange."""


class RedirectCapExceeded(_AboutItsRequest, TooManyRedirects):
    """One redirect more than `Limits.redirects`."""


class RedirectBlackHole(_AboutItsRequest, TooManyRedirects):
    """Each Location holds the URI that it came from, so the URI grows without end."""


class ProtocolViolation(_AboutItsRequest, RemoteProtocolError):
    """An answer that nobody asked for: a 101 without Upgrade, a 206 without Range."""


class UnparsableResponse(_AboutItsRequest, RemoteProtocolError):
    """Bytes came that are no status line and no header section (row 600)."""


class TotalTimeout(_AboutItsRequest, TimeoutException):
    """`Limits.total` seconds have passed and the exchange is not over."""


class CoolingDown(_AboutItsRequest, TransportError):
    """Not sent: the origin asked for rest, or failed again and again.

    seconds: until it may be asked again.
    """

    def __init__(
        self, message: str, *, request: Request | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__(message, request=request)
        self.seconds = seconds


class DownloadError(_AboutItsRequest, RemoteProtocolError):
    """What a server sends can't be the one file that is downloaded."""


class DigestMismatch(DownloadError):
    """A file came whole, and is not what its digest says: none is left behind."""
