"""The cache in an exchange: before each send, after it, and in place of an error."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy.engine.cooling import Decided
from statuspolicy.engine.effects import Behind, Discard, Enter, Look, Reply, Send, Shelve
from statuspolicy.engine.prepare import written
from statuspolicy.engine.state import ExchangeState, Flow, released
from statuspolicy.engine.unknown_outcome import sending
from statuspolicy.message import redirected
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Again, Follow, Refuse, Settle, Use
from statuspolicy.wire.library import LIBRARY_OF

if TYPE_CHECKING:
    from httpx import Request, TransportError

    from statuspolicy.engine.cache_lookup import Visit
    from statuspolicy.engine.client_cache import Shelf

Final: TypeAlias = Settle | Use | Refuse

# How often a request waits for an equal one: the first may have been cancelled, or its response may
# still be read.
_WAITS = 2


def recalled(state: ExchangeState, shelf: Shelf) -> Flow[Reply | None]:
    """The stored response that answers the request; None where the request has to be sent."""
    request, clock = state.sent, state.plan.clock
    if state.plan.prepare is not None:
        # What it writes may say whose the answer is, and select it.
        request = yield from written(state, request, len(state.answers) + 1)
    if state.user is None:
        state.user = shelf.user(request)
    asked = shelf.asked(request, state.cookies, state.user)

    def looked_up(validate: bool, since: float = inf) -> Flow[Visit]:
        stored = yield Look(asked.url, asked.who)
        return shelf.visit(LIBRARY_OF[type(request)], asked, stored, clock.time(), validate, since)

    visit = yield from looked_up(state.plan.validate)
    began, waits = clock.time(), 0
    while visit.queues and waits < _WAITS:
        waits += 1
        timeouts = request.extensions.get("timeout")
        flight = shelf.flights.flight(f"{asked.url} {asked.who}", timeouts)
        left = inf if state.until is None else state.until - clock.monotonic()
        state.in_turn = yield Enter(flight, min(left, _patience(timeouts)))
        visit = yield from looked_up(state.plan.validate, began)
        if state.in_turn:
            visit.flight = flight
            break
        if visit.sends and flight.failure is not None:
            state.visit, visit.collapsed = visit, True
            state.went, state.began = request, clock.monotonic()
            return Reply(_same(flight.failure, request))
        if flight.alone:
            break
    visit.collapsed = waits > 0 and not visit.sends  # the other request stored it
    response = visit.served()
    if response is not None and response.status_code in state.answers:
        visit = yield from looked_up(True)  # this response was already decided about
        response = visit.served()
    state.visit = visit
    if response is None:
        return None
    yield from released(state)
    state.went, state.began = request, clock.monotonic()
    if visit.behind:
        yield Behind(state.sent, asked.url, state.user)
    return Reply(response)


def _patience(timeouts: Any) -> float:
    """Seconds after which a request with these timeouts has a response or an error."""
    given = timeouts or {}
    kinds = ("pool", "connect", "write", "read")
    return sum(inf if given.get(kind) is None else given[kind] for kind in kinds)


def _same(failure: Any, request: Request) -> TransportError:
    """The failure of an equal request, as a failure of this one."""
    own: TransportError = type(failure)(str(failure), request=request)
    own.__cause__ = failure
    return own


def sent(state: ExchangeState, visit: Visit) -> Flow[Reply]:
    """Send a request, and let the cache handle the response."""
    visit.now = state.plan.clock.time()  # it may have waited
    shelf = state.plan.cache
    assert shelf is not None
    send = Send(visit.equipped(state.went), state.fresh, state.until, state.over)
    reply = yield from sending(shelf, send)
    return (yield from _settled(state, visit, reply))


def _settled(state: ExchangeState, visit: Visit, reply: Reply) -> Flow[Reply]:
    """Update the cache by a response; a stored response may be handed over in its place."""
    answer = reply.outcome
    if isinstance(answer, Exception):
        visit.tell_others(answer)
        yield from released(state)
        return reply
    response, changes = visit.settled(answer, state.plan.clock.time())
    yield Shelve(changes, visit.sent)
    visit.tell_others()
    yield from released(state)
    if response is None:
        state.take_cookies(state.hear(reply))
        yield Discard(answer, state.went)
        return (yield from sent(state, visit))  # with no conditions of ours left
    if response is not answer:
        yield Discard(answer, state.went)
        return Reply(response)
    reply.outcome = response
    return reply


def not_again(verdict: Decided, exchange: Exchange) -> Decided:
    """A verdict that doesn't repeat a request that the cache would answer again."""
    if isinstance(verdict, Again) and verdict.request is exchange.request:
        return Settle("the cache answered: a repeat would bring the same response")
    return verdict


def passed(state: ExchangeState, shelf: Shelf, verdict: Follow | Again) -> Flow[None]:
    """Note a redirect that was followed, if it is stored."""
    if isinstance(verdict, Follow):
        key, visit = redirected.key(state.went), state.visit
        if visit is not None and (visit.keeps if state.straight else visit.from_here):
            state.shortcuts += ((redirected.target(state.sent.url), key),)
            if not state.straight:
                past = len(state.past) - 1  # it is the last of the history
                state.fork = state.fork or (state.sent, state.path, state.hops, past, True)
        if verdict.unstored:
            yield Shelve(shelf.drops(key))


def forgotten(state: ExchangeState) -> Flow[None]:
    """Forget the remembered redirects that were followed in vain."""
    for url, key in state.shortcuts:
        state.plan.memory.remember(url, None, 0.0, state.plan.clock.time())
        if state.plan.cache is not None:
            yield Shelve(state.plan.cache.drops(key))
    state.shortcuts = ()


def stand_in(state: ExchangeState, visit: Visit, exchange: Exchange, verdict: Final) -> Final:
    """A stale response in place of a final error (RFC 9111 §4.2.4, RFC 5861 §4)."""
    outcome = exchange.error if exchange.response is None else exchange.response
    if outcome is None or not isinstance(verdict, Settle):
        return verdict
    spare = visit.stand_in(outcome, state.plan.clock.time())
    state.take_cookies(exchange)  # the stale response has none
    return (
        verdict
        if spare is None
        else Use(spare, f"a stale response is used in its place: {verdict.why}")
    )
