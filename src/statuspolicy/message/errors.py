"""The exceptions of statuspolicy: subclasses of those of httpx and of httpx2.

Each has a trace (`statuspolicy.trace(error)`) and keeps the request of its hop, where the client
would set the first request of the exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statuspolicy.printable import printable
from statuspolicy.wire.httpx_internals import REQUEST
from statuspolicy.wire.library import BASE, MadeClasses, look_around

if TYPE_CHECKING:
    from httpx import Request, TransportError


class _AboutItsRequest(Exception):
    def __init__(self, message: str, *, request: Request | None = None) -> None:
        Exception.__init__(self, printable(message))
        vars(self)[REQUEST] = request
        look_around()

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        super().__setstate__(state)
        look_around()  # the request in the pickle may be the first object of its library

    @property
    def request(self) -> Request:
        """The request of the hop that failed."""
        request: Request | None = vars(self)[REQUEST]
        if request is None:
            raise RuntimeError("The .request property has not been set.")
        return request

    @request.setter
    def request(self, request: Request) -> None:
        if vars(self)[REQUEST] is None:
            vars(self)[REQUEST] = request


def about(error: TransportError, request: Request) -> None:
    """Make a failure of the transport keep the request of its hop, as our exceptions do."""
    if isinstance(error, _AboutItsRequest):
        error.request = request
    else:
        kind: Any = type(error)
        error.__class__ = _kind(kind)
        vars(error)[REQUEST] = request


def _made(kind: Any) -> Any:
    """A subclass of an exception of the library, with the same name, that keeps its request."""
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__reduce__": _plain}
    return type(kind.__name__, (_AboutItsRequest, kind), named)


_kind = MadeClasses(_made)


def _plain(error: TransportError) -> tuple[Any, ...]:
    # pickle can't find a class that was made at run time; it finds the class of the library.
    return type(error).__mro__[2], error.args, vars(error)


class RedirectLoop(_AboutItsRequest, BASE.TooManyRedirects):
    """A redirect leads to a request that was already sent in the same exchange."""

    __module__ = "statuspolicy"


class RedirectCapExceeded(_AboutItsRequest, BASE.TooManyRedirects):
    """There are more redirects than `Limits.redirects`."""

    __module__ = "statuspolicy"


class RedirectBlackHole(_AboutItsRequest, BASE.TooManyRedirects):
    """Each Location contains the whole URI before it, so that the URI grows without end."""

    __module__ = "statuspolicy"


class ProtocolViolation(_AboutItsRequest, BASE.RemoteProtocolError):
    """A response that was not requested: a 101 without Upgrade, a 206 without Range."""

    __module__ = "statuspolicy"


class UnparsableResponse(_AboutItsRequest, BASE.RemoteProtocolError):
    """The response has no valid status line or header section (row 600)."""

    __module__ = "statuspolicy"


class TotalTimeout(_AboutItsRequest, BASE.TimeoutException):
    """The exchange did not finish within `Limits.total` seconds."""

    __module__ = "statuspolicy"


class CoolingDown(_AboutItsRequest, BASE.TransportError):
    """A request was not sent, since its origin is cooling down.

    seconds: until a request may be sent to the origin.
    """

    __module__ = "statuspolicy"

    def __init__(
        self, message: str, *, request: Request | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__(message, request=request)
        self.seconds = seconds


class LocalProtocolError(_AboutItsRequest, BASE.LocalProtocolError):
    """A request can't be sent again: the library's own error, of both libraries."""


class DownloadError(_AboutItsRequest, BASE.RemoteProtocolError):
    """The responses of a server don't make one file."""

    __module__ = "statuspolicy"


class DigestMismatch(DownloadError):
    """A downloaded file does not match its digest, and was deleted."""

    __module__ = "statuspolicy"
