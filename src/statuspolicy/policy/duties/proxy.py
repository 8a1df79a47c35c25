"""305 to the letter of RFC 2616 §10.3.6: this one request, through that proxy, if allowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy.message import redirected
from statuspolicy.policy.awaitable import then
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import makes_duty
from statuspolicy.policy.verdicts import Again, Settle, Verdict
from statuspolicy.printable import given
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import URL, AsyncBaseTransport, BaseTransport, Request

Transport: TypeAlias = "BaseTransport | AsyncBaseTransport"
Accept: TypeAlias = "Callable[[Request, URL], Transport | Awaitable[Transport | None] | None]"


@makes_duty
def use_proxy(accept_proxy: Accept) -> Callable[[Exchange], Verdict | Awaitable[Verdict]]:
    """A duty for 305, which other duties never obey: RFC 9110 §15.4.6 calls it a security hole.

    accept_proxy: `accept_proxy(request, proxy)` returns the transport that sends this one
        request, such as `httpx.HTTPTransport(proxy=str(proxy))`, or None to refuse. The transport
        is closed with its response. It may be a coroutine function in async clients.

    It is called only for an https URL, so that the proxy sees only the tunnel, only without another
    proxy, and only once for a request.

    Raises TypeError for an object that can't be called.
    """
    if not callable(accept_proxy) or isinstance(accept_proxy, type):
        raise TypeError(
            f"use_proxy({given(accept_proxy)}): write a callable that returns a transport."
        )
    return _UseProxy(accept_proxy)


class _UseProxy:
    def __init__(self, accept: Accept) -> None:
        self._accept = accept

    def __repr__(self) -> str:
        return "use_proxy"

    def __call__(self, exchange: Exchange) -> Any:
        if exchange.request.url.scheme != "https":
            return Settle("a proxy that a response names is never used for http")
        if exchange.proxied:
            return Settle("a proxy is in use already")
        if exchange.times(305):
            return Settle("the repeat was answered 305 again")
        locations = set(exchange.fields.all("location"))
        if len(locations) != 1:
            return Settle("the response names no proxy")
        try:
            proxy = redirected.resolve(exchange.request.url, locations.pop())
        except redirected.Unusable as why:
            return Settle(str(why))
        accepted = partial(self._accepted, exchange, proxy)
        return then(self._accept(exchange.request, proxy), accepted)

    def _accepted(self, exchange: Exchange, proxy: URL, transport: Any) -> Verdict:
        if transport is None:
            return Settle(f"the application does not accept the proxy {redirected.origin(proxy)}")
        if not isinstance(
            transport, ANY.AsyncBaseTransport if exchange.can_await else ANY.BaseTransport
        ):
            kind = "AsyncHTTPTransport" if exchange.can_await else "HTTPTransport"
            raise TypeError(
                f"use_proxy({given(self._accept)}) returned {given(transport)}: "
                f"return an httpx.{kind}(proxy=...), or None for no."
            )
        why = f"through the proxy {redirected.origin(proxy)}"
        return Again(exchange.request, exchange.told or 0.0, True, why=why, over=transport)
