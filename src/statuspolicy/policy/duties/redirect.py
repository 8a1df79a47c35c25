"""3xx: where a redirect leads and with which method. The guard decides whether it may.

RFC 9110 §15.4 and §10.2.2; where RFC 2616 §10.3 asks for the user's confirmation,
the application's `confirm` is asked.
"""

from __future__ import annotations

from statuspolicy.fields.methods import SAFE
from statuspolicy.message.redirected import holds_for_anybody
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.fast_path import follows
from statuspolicy.policy.verdicts import Follow, Settle, Verdict

_DAY = 86_400.0
_GET_OR_HEAD = ("GET", "HEAD")


@follows(to_get=["POST"])
def moved(exchange: Exchange) -> Verdict:
    """301, 302: follow safe methods, and POST as GET; other methods are kept and confirmed."""
    # RFC 9110 §15.4.2: "For historical reasons, a user agent MAY change the request method
    # from POST to GET for the subsequent request."
    if exchange.request.method == "POST":
        return _follow(exchange, method="GET")
    return _follow(exchange, confirm=not exchange.safe and exchange.can_ask)


@follows(bodiless=True)
def see_other(exchange: Exchange) -> Verdict:
    """303: GET the other URI; HEAD stays HEAD."""
    return _follow(exchange, method="HEAD" if exchange.request.method == "HEAD" else "GET")


@follows(bodiless=True)
def see_other_strict(exchange: Exchange) -> Verdict:
    """303: GET the other URI; the 303 itself is never stored (RFC 2616 §10.3.4)."""
    verdict = see_other(exchange)
    return verdict._replace(unstored=True) if isinstance(verdict, Follow) else verdict


@follows()
def same_method(exchange: Exchange) -> Verdict:
    """307, 308: follow with the same method and body; unsafe methods are confirmed, if possible."""
    return _follow(exchange, confirm=not exchange.safe and exchange.can_ask)


@follows(confirms=True)
def confirmed(exchange: Exchange) -> Verdict:
    """301, 302, 307, 308 to the letter of RFC 2616 §10.3: all but GET and HEAD are confirmed."""
    return _follow(exchange, confirm=exchange.request.method not in _GET_OR_HEAD)


def preferred_choice(exchange: Exchange) -> Verdict:
    """300: follow the preferred choice in Location, for safe methods."""
    return _choice(exchange, SAFE)


def preferred_choice_strict(exchange: Exchange) -> Verdict:
    """300: follow the preferred choice, for GET and HEAD."""
    return _choice(exchange, frozenset(_GET_OR_HEAD))


def never(exchange: Exchange) -> Verdict:
    """305: never use the proxy: any server could name itself (RFC 9110 §15.4.6)."""
    return Settle("a proxy that a response names is never used")


def _choice(exchange: Exchange, methods: frozenset[str]) -> Verdict:
    if "location" not in exchange.fields:
        return Settle("the server names no preferred choice")
    if exchange.request.method not in methods:
        return Settle(f"a preferred choice is not followed for {exchange.request.method}")
    return _follow(exchange)


def _follow(exchange: Exchange, method: str | None = None, confirm: bool = False) -> Verdict:
    location = exchange.fields.one("location")
    if location is None:
        several = "location" in exchange.fields
        return Settle(
            "the response has two different Locations"
            if several
            else "the response has no Location"
        )
    return Follow(
        location,
        method,
        # RFC 9110 §10.2.3: on a 3xx, the least time "before issuing the redirected request".
        after=exchange.told or 0.0,
        confirm=confirm,
        remember=_permanence(exchange),
    )


def _permanence(exchange: Exchange) -> float:
    """Seconds for which a 301 or 308 is remembered; 0 for not at all.

    Only a response over https can't have been forged on the way.
    """
    request, response = exchange.request, exchange.response
    if response is None or response.status_code not in (301, 308):
        return 0.0
    if request.url.scheme != "https":
        return 0.0
    if request.method not in _GET_OR_HEAD:
        return 0.0
    if not holds_for_anybody(request, exchange.fields, exchange.limits.sensitive):
        return 0.0
    from statuspolicy.cache.entry import Entry  # here, where there is something to be remembered

    headers, now = tuple(response.headers.raw), exchange.now
    moved = Entry(response.status_code, headers, b"", now, now)
    if moved.control.keys() & {"no-store", "no-cache"}:
        return 0.0
    return _DAY if moved.explicit is None else max(0.0, moved.explicit - moved.age(now))
