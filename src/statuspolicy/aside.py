"""Something sent on the side (a token, a status monitor), and what its answer decides."""

from __future__ import annotations

from . import guard
from .ahead import forbidden, prepared
from .effects import Discard, Read, Reply, Send, Wait
from .events import Wait as Waiting
from .exchange import Exchange
from .response import adopt, is_kept
from .rest import held_back, noted
from .talk import Flow, Talk
from .verdicts import Again, Aside, Refuse, Settle, Use, Verdict


def step_aside(
    talk: Talk, exchange: Exchange, verdict: Aside, looks: int
) -> Flow[tuple[Exchange, Verdict]]:
    """Send something on the side and decide with its answer.

    What the exchange is about is read and closed first: only one response is open at a
    time, and a pool may have only one connection.
    """
    talk.take_cookies(exchange)
    now = talk.as_of_now(exchange)
    request = guard.permit_aside(now, talk.path, verdict, talk.cookies, looks)
    if isinstance(request, Settle):
        return exchange, request
    if why := (yield from forbidden(talk, request)):
        return exchange, Settle(why)
    exchange = yield from _put_away(talk, exchange)
    if exchange.response is not None and not is_kept(exchange.response):
        return exchange, Settle(
            "its body does not end within Limits.drain_bytes: nothing is asked on the side"
        )
    talk.note("aside", verdict)
    if verdict.after:
        talk.tell(Waiting, verdict.after, exchange.request)
        yield Wait(verdict.after)
    if (refused := (yield from held_back(talk, request))) is not None:
        return exchange, Settle(f"the request on the side is not sent: {refused}")
    went = yield from prepared(talk, request, 1, aside=True)
    reply: Reply = yield Send(went, until=talk.until)
    answer = talk.hear(reply, request, exchange)
    talk.take_cookies(answer)
    if verdict.read:
        answer = talk.heard = yield from _put_away(talk, answer)
    decided = yield from talk.decide(verdict.then, answer)
    yield from noted(talk, answer, decided)  # of the origin that was asked on the side
    if isinstance(decided, (Settle, Again, Refuse)):
        decided = decided._replace(cool=None)
    response = answer.response
    used = isinstance(decided, Use) and decided.response is response
    if response is not None and not used and not is_kept(response):
        yield Discard(response, went)
    return exchange, decided


def _put_away(talk: Talk, exchange: Exchange) -> Flow[Exchange]:
    """Read a response and close it; one that is too long stays open, and whole."""
    response = exchange.response
    if response is None or is_kept(response):
        return exchange
    kept = yield Read(response)
    if kept is None:
        return exchange
    read = adopt(response, exchange.request, [*talk.past], talk.steps, kept=kept)
    return exchange._replace(response=read)
