"""The duties that check a response: 101, 203–206, 304, 405, 511."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from statuspolicy.fields.section import digits, members
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.policy.table import makes_duty
from statuspolicy.policy.verdicts import Again, Refuse, Settle, Verdict
from statuspolicy.printable import given

if TYPE_CHECKING:
    from httpx import Request, Response

    from statuspolicy.fields import ranges
else:
    ranges = LazyModule("statuspolicy.fields.ranges")


def switched(exchange: Exchange) -> Verdict:
    """101: accept only a protocol that was requested, else raise ProtocolViolation."""
    requested = _tokens(exchange.request.headers.get("upgrade"))
    # RFC 9110 §7.8: "A server MUST NOT switch to a protocol that was not indicated by the
    # client in the corresponding request's Upgrade header field."
    if (
        exchange.error is None
        and requested
        and _tokens(exchange.fields.get("upgrade")) <= requested
    ):
        return Settle()
    return _violation(exchange, "switched to a protocol that was not requested")


def transformed(exchange: Exchange) -> Verdict:
    """203: a proxy changed the response of the origin (RFC 9110 §15.3.4)."""
    return Settle("a proxy may have changed the header section")


def no_content(exchange: Exchange) -> Verdict:
    """204: there is no body (RFC 9110 §15.3.5), even if one is announced."""
    announced = digits(exchange.fields.get("content-length")) != 0
    if "transfer-encoding" in exchange.fields or (
        "content-length" in exchange.fields and announced
    ):
        return Settle("a 204 has no body, but one was announced: it is not read", empty=True)
    return Settle()


@makes_duty
def reset(on_reset: Callable[[Request, Response], object] | None = None) -> _Reset:
    """A duty for 205, which asks to reset the view (a form) that sent the request.

    on_reset: called with the request and the response.
    """
    if on_reset is not None and (not callable(on_reset) or isinstance(on_reset, type)):
        raise TypeError(
            f"reset({given(on_reset)}): write a callable that takes the request and the response."
        )
    return _Reset(on_reset)


class _Reset:
    def __init__(self, hook: Callable[[Request, Response], object] | None) -> None:
        self._hook = hook

    def __call__(self, exchange: Exchange) -> Verdict:
        framed = "content-length" in exchange.fields or "transfer-encoding" in exchange.fields
        # RFC 9110 §15.3.6: no content in a 205. RFC 9112 §6.3 would read to the close, and hang.
        if framed:
            return Settle(tell=self._hook)
        return Settle("a 205 has no body: none is read", tell=self._hook, empty=True)

    def __repr__(self) -> str:
        return "reset"


def partial(exchange: Exchange) -> Verdict:
    """206: only to a Range request, and only with a Content-Range that says what came."""
    if "range" not in exchange.request.headers:
        unit = (exchange.fields.get("content-range") or "").partition(" ")[0].lower()
        if exchange.request.method == "GET" and unit == "bytes":
            return _violation(exchange, "sent a part, but no range was requested")
        # Some APIs send it for a page of a list, or for a call that succeeded.
        return Settle("no range was requested: the part must not be combined with others")
    flaw = ranges.flaw(exchange.fields)
    # RFC 9110 §15.3.7.2: where there are several parts, each has a Content-Range of its own.
    if not flaw or flaw == ranges.SEVERAL:
        return Settle()
    return Settle(f"{flaw}: the part must not be combined with others")


def unmodified(exchange: Exchange) -> Verdict:
    """304 without a cache: hand over if the caller set a condition, else repeat once.

    RFC 9111 §4.3.4: there is no stored response to update, so the 304 is disregarded.
    """
    headers = exchange.request.headers
    if "if-none-match" in headers or "if-modified-since" in headers:
        return Settle()
    if exchange.times(304):
        return Settle("the repeat was answered 304 again, and it has no conditions")
    return Again(exchange.request, exchange.told or 0.0, why="the request has no condition")


def not_allowed(exchange: Exchange) -> Verdict:
    """405: Allow lists the methods of the resource (RFC 9110 §15.5.6)."""
    allowed = ", ".join(members(exchange.fields.get("allow") or ""))
    return Settle(
        f"the server allows {allowed}"
        if allowed
        else "the server does not say which methods it allows"
    )


def portal(exchange: Exchange) -> Verdict:
    """511: a captive portal answered, not the origin (RFC 6585 §6)."""
    return Settle("a captive portal answered, not the origin; its cookies are not stored")


def _violation(exchange: Exchange, what: str) -> Verdict:
    from statuspolicy.message.errors import ProtocolViolation
    from statuspolicy.message.redirected import target

    request = exchange.request
    message = f"{target(request.url)} {what} ({exchange.code} to {request.method})."
    error = ProtocolViolation(message, request=request)
    error.__cause__ = exchange.error
    return Refuse(error, what)


def _tokens(field: str | None) -> set[str]:
    return set(members((field or "").lower()))
