"""The exceptions of statuspolicy: subclasses of those of the HTTP library.

Each has a trace (`statuspolicy.trace(error)`) and keeps the request of its hop, where the client
would set the first request of the exchange.
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
    """Make a failure of the transport keep the request of its hop, as our exceptions do."""
    if not isinstance(error, _AboutItsRequest):
        kind: Any = type(error)
        error.__class__ = _kind(kind)
        vars(error)[REQUEST] = request


@cache
def _kind(kind: Any) -> Any:
    """A subclass of an exception of the library, with the same name, that keeps its request."""
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__reduce__": _plain}
    return type(kind.__name__, (_AboutItsRequest, kind), named)


def _plain(error: TransportError) -> tuple[Any, ...]:
    # pickle can't find a class that was made at run time; it finds the class of the library.
    return type(error).__mro__[2], error.args, vars(error)


class RedirectLoop(_AboutItsRequest, TooManyRedirects):
    """A redirect leads to a request that was already sent in the same exchange."""


class RedirectCapExceeded(_AboutItsRequest, TooManyRedirects):
    """There are more redirects than `Limits.redirects`."""


class RedirectBlackHole(_AboutItsRequest, TooManyRedirects):
    """Each Location contains the whole URI before it, so that the URI grows without end."""


class ProtocolViolation(_AboutItsRequest, RemoteProtocolError):
    """A response that was not requested: a 101 without Upgrade, a 206 without Range."""


class UnparsableResponse(_AboutItsRequest, RemoteProtocolError):
    """The response has no valid status line or header section (row 600)."""


class TotalTimeout(_AboutItsRequest, TimeoutException):
    """The exchange did not finish within `Limits.total` seconds."""


class CoolingDown(_AboutItsRequest, TransportError):
    """A request was not sent, since its origin is cooling down.

    seconds: until a request may be sent to the origin.
    """

    def __init__(
        self, message: str, *, request: Request | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__(message, request=request)
        self.seconds = seconds


class DownloadError(_AboutItsRequest, RemoteProtocolError):
    """The responses of a server don't make one file."""


class DigestMismatch(DownloadError):
    """A downloaded file does not match its digest, and was deleted."""
