"""Answers to challenges: their fields, how often, and the request that carries the credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.fields.challenges import Challenge
from statuspolicy.memory.memory import short
from statuspolicy.message import body
from statuspolicy.message.redirected import ANSWERED
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Again

if TYPE_CHECKING:
    from httpx import Request

# The field of a challenge, and the field of its answer.
FIELDS = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
REFUSED = "the credentials were refused"


def carried(exchange: Exchange) -> str | None:
    """The credentials of the request that was refused; None where it had none."""
    value: str | None = exchange.request.headers.get(FIELDS[exchange.status or 401][1])
    return value


def answered(exchange: Exchange, challenge: Challenge) -> set[str]:
    """How a challenge was answered before, if the request still has the credentials.

    "kept" credentials were known before; "made" and "stale" ones were made for the challenge.
    """
    if carried(exchange) is None:
        return set()  # another request, after a hop
    marks = exchange.request.extensions.get(ANSWERED, ())
    return {how for *key, how in marks if tuple(key) == key_of(challenge)}


def next_answer(exchange: Exchange, challenge: Challenge) -> str:
    """How a challenge may be answered now; "" where it was answered already."""
    before = answered(exchange, challenge)
    if "made" not in before:
        return "made"
    # The nonce of Digest may be too old although the password is right (RFC 7616 §3.3).
    stale = challenge.scheme == "digest" and challenge.stale and "stale" not in before
    return "stale" if stale else ""


def again(exchange: Exchange, challenge: Challenge, request: Request, how: str) -> Again:
    """The verdict that sends a request with the credentials for a challenge."""
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
    """The request with credentials in the right field."""
    request = body.copy(exchange.request)
    request.headers[FIELDS[exchange.status or 401][1]] = value
    return request


def key_of(challenge: Challenge) -> tuple[str, ...]:
    """What makes two challenges the same: who asks, the scheme and the realm."""
    return (challenge.origin, challenge.scheme, short(challenge.realm))
