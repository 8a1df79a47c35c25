"""300 and 406: one of several representations (RFC 9110 §15.4.1, §15.5.7). 426: over TLS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from statuspolicy.fields import members
from statuspolicy.later import then
from statuspolicy.links import Alternative, alternates
from statuspolicy.printable import given

from .._lib import URL, Request, Response
from ..exchange import Exchange
from ..row import makes_duty
from ..verdicts import Follow, Inspect, Settle, Verdict
from .accepted import not_acceptable
from .redirect import preferred_choice

Chooser: TypeAlias = Callable[[Request, Response], "URL | str | Awaitable[URL | str | None] | None"]


@makes_duty
def choose(chooser: Chooser) -> Callable[[Exchange], Verdict]:
    """A duty for 300 and 406: the application picks one of what is offered, and it is asked for.

    chooser: `chooser(request, response) -> URL or None`. `alternatives(response)` gives what
        the header section offers; the body was read (above `Limits.drain_bytes` it wasn't).
        None leaves it to the server's own preference, in the Location of a 300. It may be a
        coroutine function in async clients.

    Method and body are kept.

    Raises TypeError for something that can't be called.
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
        choice: Any = self._chooser(exchange.request, exchange.response)
        return then(choice, partial(self._chosen, exchange))

    def _chosen(self, exchange: Exchange, url: URL | str | None) -> Verdict:
        if not url:
            return preferred_choice(exchange) if exchange.redirected else not_acceptable(exchange)
        return Follow(url, after=exchange.told or 0.0)


def alternatives(response: Response) -> tuple[Alternative, ...]:
    """What a response offers in `Link: rel=alternate` (RFC 8288) and `Alternates` (RFC 2295)."""
    if not isinstance(response, Response):
        raise TypeError(f"alternatives({given(response)}): give an httpx.Response.")
    headers = response.headers
    return alternates(headers.get("link", ""), headers.get("alternates", ""))


def upgrade_to_https(exchange: Exchange) -> Verdict:
    """The duty for 426 that sends the same request over https, where that is what is asked for.

    RFC 9110 §15.5.22: `Upgrade` names the protocols that the server would take; it has to name
    TLS. An https URL gets no other, so that it is asked once.
    """
    named = members((exchange.fields.get("upgrade") or "").lower())
    if not any(name.partition("/")[0] == "tls" for name in named):
        return Settle("the server does not ask for TLS")
    url = exchange.request.url
    if url.scheme != "http":
        return Settle("the request was already sent over TLS")
    return Follow(url.copy_with(scheme="https"), after=exchange.told or 0.0)
