"""A challenge and its answer: in which fields, how often, and the request that carries it."""

from __future__ import annotations

from statuspolicy.challenge import ANSWERED, Challenge
from statuspolicy.memory import short

from .. import body
from .._lib import Request
from ..exchange import Exchange
from ..verdicts import Again

# A challenge comes in the one field, and is answered in the other.
FIELDS = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
REFUSED = "the credentials were refused"


def carried(exchange: Exchange) -> str | None:
    """The credentials that this request was refused with."""
    value: str | None = exchange.request.headers.get(FIELDS[exchange.status or 401][1])
    return value


def answered(exchange: Exchange, challenge: Challenge) -> set[str]:
    """How a challenge was answered on the way to this request, where it still has the answer.

    "kept" credentials were there before; "asked" and "stale" ones were made for the challenge.
    """
    if carried(exchange) is None:
        return set()  # another request, after a hop
    marks = exchange.request.extensions.get(ANSWERED, ())
    return {how for *key, how in marks if tuple(key) == key_of(challenge)}


def next_answer(exchange: Exchange, challenge: Challenge) -> str:
    """How a challenge may be answered now; "" where it was, and is handed over."""
    before = answered(exchange, challenge)
    if "asked" not in before:
        return "asked"
    # Digest's nonce may be too old where the password is right (RFC 7616 §3.3).
    stale = challenge.scheme == "digest" and challenge.stale and "stale" not in before
    return "stale" if stale else ""


def again(exchange: Exchange, challenge: Challenge, request: Request, how: str) -> Again:
    """Send a request that has the credentials for a challenge."""
    marks = exchange.request.extensions.get(ANSWERED, ())
    extensions = {**request.extensions, ANSWERED: (*marks, (*key_of(challenge), how))}
    realm = f' for "{challenge.realm}"' if challenge.realm else ""
    return Again(
        body.copy(request, extensions=extensions),
        exchange.told or 0.0,
        # RFC 9110 §15.5.2: the request "has not been applied because it lacks valid
        # authentication credentials".
        unacted=True,
        why=f"with credentials{realm} ({challenge.scheme})",
    )


def with_field(exchange: Exchange, value: str) -> Request:
    """The request with an answer in its field."""
    request = body.copy(exchange.request)
    request.headers[FIELDS[exchange.status or 401][1]] = value
    return request


def key_of(challenge: Challenge) -> tuple[str, ...]:
    """What makes two challenges the same: who asks, the scheme and the realm."""
    return (challenge.origin, challenge.scheme, short(challenge.realm))
