"""Steps before a decision: read a body and take a lock (`Inspect`), or send a side request."""

from __future__ import annotations

from typing import TypeAlias

from statuspolicy.engine import guard
from statuspolicy.engine.cooling import held_back, noted
from statuspolicy.engine.effects import Acquire, Discard, Read, Reply, Send, StoreChanges, Wait
from statuspolicy.engine.events import Wait as Waiting
from statuspolicy.engine.prepare import forbidden, outgoing
from statuspolicy.engine.state import ExchangeState, Flow, released
from statuspolicy.engine.unknown_outcome import sending
from statuspolicy.message.response import adopt, is_kept
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Again, Aside, Follow, Inspect, Refuse, Settle, Use
from statuspolicy.printable import given

# The verdicts that can follow an Inspect: all but another Inspect.
Decided: TypeAlias = Settle | Follow | Again | Aside | Use | Refuse


def read_and_decide(
    state: ExchangeState, verdict: Inspect, exchange: Exchange
) -> Flow[tuple[Exchange, Decided]]:
    """Read the body and acquire the lock, then call the duty: the exchange with its verdict."""
    # The body first: the holder of the lock may need the pool's only connection.
    exchange = yield from _put_away(state, exchange)
    if verdict.turn is not None:
        now = state.as_of_now(exchange)
        seconds = min(exchange.limits.deadline - now.elapsed, now.left)
        state.holds_lock = yield Acquire(verdict.turn, seconds)
        if not state.holds_lock:
            return exchange, Settle(f"another exchange kept the lock for {max(seconds, 0):.3g} s")
    decided = yield from state.decide(verdict.then, exchange)
    if isinstance(decided, Inspect):
        error = TypeError(
            f"{given(verdict.then)} returned Inspect(...), but the body was read already: "
            "return another Verdict, such as statuspolicy.Settle()."
        )
        state.raised("the duty", verdict.then, error)
        raise error
    return exchange, decided


def send_side_request(
    state: ExchangeState, exchange: Exchange, verdict: Aside, looks: int
) -> Flow[tuple[Exchange, Decided]]:
    """Send the side request of a verdict, and decide with its response.

    The main response is read and closed first: only one response is open at a time, and a pool may
    have only one connection.
    """
    if not verdict.in_turn:
        yield from released(state)
    state.take_cookies(exchange)
    now = state.as_of_now(exchange)
    request = guard.permit_aside(now, state.path, verdict, state.cookies, looks, state.exchange)
    if isinstance(request, Settle):
        return exchange, request
    if why := (yield from forbidden(state, request)):
        return exchange, Settle(why)
    exchange = yield from _put_away(state, exchange)
    if looks == 1:
        state.exchange = exchange
    if exchange.response is not None and not is_kept(exchange.response):
        return exchange, Settle(
            "its body is longer than Limits.drain_bytes: no side request is sent"
        )
    state.note("aside", verdict, verdict.why)
    last = state.exchange
    if verdict.tell is not None and last is not None and last.response is not None:
        yield from state.call("a hook", verdict.tell, last.request, last.response)
    if verdict.after:
        state.tell(Waiting, verdict.after, exchange.request)
        state.earliest += verdict.after
        yield Wait(verdict.after)
    if (refused := (yield from held_back(state, request))) is not None:
        return exchange, Settle(f"the side request is not sent: {refused}")
    went = yield from outgoing(state, request, 1, aside=True)
    cache, send = state.config.cache, Send(went, until=state.until)
    reply: Reply = (yield send) if cache is None else (yield from sending(cache, send))
    answer = state.snapshot(reply, request, exchange)
    state.take_cookies(answer)
    if cache is not None and answer.response is not None:
        # RFC 9111 §4.4 holds for side requests too.
        yield StoreChanges(cache.invalidated(went, answer.response))
    if verdict.read:
        answer = state.exchange = yield from _put_away(state, answer)
    decided = yield from state.decide(verdict.then, answer)
    if isinstance(decided, Inspect):
        answer, decided = yield from read_and_decide(state, decided, answer)
    state.exchange = answer
    noted(state, answer, decided)  # the cooldown of the side request's origin
    if isinstance(decided, (Settle, Again, Aside, Refuse)):
        decided = decided._replace(cool=None)
    response = answer.response
    used = isinstance(decided, Use) and decided.response is response
    if response is not None and not used and not is_kept(response):
        yield Discard(response, went)
    return exchange, decided


def _put_away(state: ExchangeState, exchange: Exchange) -> Flow[Exchange]:
    """Read a response and close it; one that is too long stays open, with its whole body."""
    response = exchange.response
    if response is None or is_kept(response):
        return exchange
    kept = yield Read(response)
    if kept is None:
        return exchange
    most = exchange.limits.drain_bytes
    read = adopt(response, exchange.request, state.past, state.steps, kept=kept, most=most)
    return exchange._replace(response=read)
