"""Content negotiation (RFC 9110 §12): the duties for 300, 406 and 415; and that for 426."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy.fields.section import Fields, members
from statuspolicy.policy.duties.redirect import preferred_choice
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import makes_duty
from statuspolicy.policy.verdicts import Follow, Inspect, Settle, Verdict
from statuspolicy.printable import given
from statuspolicy.wire.library import ANY, meet

if TYPE_CHECKING:
    from httpx import URL, Request, Response

    from statuspolicy.fields.links import Alternative

Chooser: TypeAlias = "Callable[[Request, Response], URL | str | Awaitable[URL | str | None] | None]"

_MOST = 8  # alternatives or types that are named
_NAMES = ("Accept", "Accept-Post", "Accept-Patch", "Accept-Encoding")


def not_acceptable(exchange: Exchange) -> Verdict:
    """406: the server has other representations (RFC 9110 §15.5.7)."""
    from statuspolicy.fields.links import alternates  # here, where there is something to be offered

    fields = exchange.fields
    offers = alternates(fields.get("link") or "", fields.get("alternates") or "")
    if offers:
        return Settle(f"the server offers {', '.join(map(str, offers[:_MOST]))}")
    return Settle(_takes(fields) or "the server does not say what it offers")


def unsupported(exchange: Exchange) -> Verdict:
    """415: the server takes other media types or codings (RFC 9110 §15.5.16)."""
    return Settle(_takes(exchange.fields) or "the server does not say what it accepts")


def _takes(fields: Fields) -> str:
    said = []
    for name in _NAMES:
        values = members(fields.get(name.lower()) or "")
        if named := ", ".join(values[:_MOST]):
            said.append(f"{name}: {named}")
    return f"the server accepts {'; '.join(said)}" if said else ""


@makes_duty
def choose(chooser: Chooser) -> Callable[[Exchange], Verdict]:
    """A duty for 300 and 406: the application chooses a representation, which is requested.

    chooser: `chooser(request, response) -> URL or None`. `alternatives(response)` lists the
        offers in the header section; the body was read (unless it is above
        `Limits.drain_bytes`). With None the preferred choice of the server is used, in the
        Location of a 300. It may be a coroutine function in async clients.

    The method and the body stay the same.

    Raises TypeError for an object that can't be called.
    """
    if not callable(chooser) or isinstance(chooser, type):
        raise TypeError(
            f"choose({given(chooser)}): write a callable that takes the request and the response "
            "and returns a URL."
        )
    return _Chosen(chooser)


class _Chosen:
    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser

    def __repr__(self) -> str:
        return "choose"

    def __call__(self, _: Exchange) -> Verdict:
        return Inspect(self._ask)

    def _ask(self, exchange: Exchange) -> Any:
        if exchange.response is None:
            return Settle()  # a row for failures
        from statuspolicy.policy.awaitable import then

        choice: Any = self._chooser(exchange.request, exchange.response)
        return then(choice, partial(self._chosen, exchange))

    def _chosen(self, exchange: Exchange, url: URL | str | None) -> Verdict:
        if not url:
            return preferred_choice(exchange) if exchange.redirected else not_acceptable(exchange)
        return Follow(url, after=exchange.told or 0.0)


def alternatives(response: Response) -> tuple[Alternative, ...]:
    """The representations in `Link: rel=alternate` (RFC 8288) and `Alternates` (RFC 2295)."""
    meet(response)
    if not isinstance(response, ANY.Response):
        raise TypeError(f"alternatives({given(response)}): give an httpx.Response.")
    from statuspolicy.fields.links import alternates

    headers = response.headers
    return alternates(headers.get("link", ""), headers.get("alternates", ""))


def upgrade_to_https(exchange: Exchange) -> Verdict:
    """The duty for 426 that sends the same request over https, if the server asks for TLS.

    RFC 9110 §15.5.22: `Upgrade` names the protocols that the server accepts; it has to name TLS.
    An https URL is not repeated.
    """
    named = members((exchange.fields.get("upgrade") or "").lower())
    if not any(name.partition("/")[0] == "tls" for name in named):
        return Settle("the server does not ask for TLS")
    url = exchange.request.url
    if url.scheme != "http":
        return Settle("the request was already sent over TLS")
    return Follow(url.copy_with(scheme="https"), after=exchange.told or 0.0)
