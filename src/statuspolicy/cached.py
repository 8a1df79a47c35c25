"""The cache in an exchange: asked before each send, told after it, and where all else fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ahead import prepared
from .effects import Behind, Discard, Look, Reply, Send, Shelve
from .exchange import Exchange
from .talk import Flow, Talk
from .verdicts import Again, Settle, Use, Verdict

if TYPE_CHECKING:
    from .caching import Shelf, Turn


def recalled(talk: Talk, shelf: Shelf) -> Flow[Reply | None]:
    """What the cache answers in the server's place; None where the server is to be asked."""
    request, clock = talk.sent, talk.plan.clock
    if talk.plan.prepare is not None and shelf.cache.user is None:
        # What it writes may say whose the answer is.
        request = yield from prepared(talk, request, len(talk.answers) + 1)
    asked = shelf.asked(request, talk.cookies)
    stored = yield Look(asked.url, asked.who)
    talk.turn = turn = shelf.turn(asked, stored, clock.time(), talk.plan.validate)
    response = turn.served()
    if response is None:
        return None
    talk.went, talk.began = request, clock.monotonic()
    if turn.behind:
        yield Behind(request)
    return Reply(response)


def settled(talk: Talk, turn: Turn, reply: Reply) -> Flow[Reply]:
    """What an answer means for what is stored; what is stored may be handed over in its place."""
    answer = reply.outcome
    if isinstance(answer, Exception):
        return reply
    response, changes = turn.settled(answer, talk.plan.clock.time())
    if changes:
        yield Shelve(changes)
    if response is None:
        yield Discard(answer, talk.went)
        again: Reply = yield Send(talk.went, talk.fresh, talk.until)
        return (yield from settled(talk, turn, again))
    if turn.from_here:
        yield Discard(answer, talk.went)
        return Reply(response)
    reply.outcome = response
    return reply


def instead(talk: Talk, exchange: Exchange, verdict: Verdict) -> Verdict:
    """A verdict that heeds the cache: what is stored isn't asked for again, and may stand in."""
    turn = talk.turn
    if turn is None:
        return verdict
    if turn.from_here and isinstance(verdict, Again):
        return Settle("it is stored: to ask again would bring the same")
    outcome = exchange.error if exchange.response is None else exchange.response
    if isinstance(verdict, Settle) and outcome is not None:
        spare = turn.stand_in(outcome, talk.plan.clock.time())
        if spare is not None:
            return Use(spare, "a stale response stands in (RFC 9111 §4.2.4)")
    return verdict
