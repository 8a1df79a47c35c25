"""The cache in an exchange: before each send, after it, and in place of an error."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy.engine.cooling import Decided
from statuspolicy.engine.effects import Acquire, Discard, Look, Reply, Revalidate, StoreChanges
from statuspolicy.engine.prepare import prepared
from statuspolicy.engine.state import ExchangeState, Flow, released
from statuspolicy.engine.unknown_outcome import sending
from statuspolicy.fields.methods import SAFE
from statuspolicy.message import redirected
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.policy.verdicts import Again, Follow, Refuse, Settle, Use
from statuspolicy.wire.library import LIBRARY_OF

if TYPE_CHECKING:
    from httpx import Request, TransportError

    from statuspolicy.cache.request import CacheRequest
    from statuspolicy.engine import cache_lookup
    from statuspolicy.engine.cache_lookup import CacheLookup
    from statuspolicy.engine.client_cache import ClientCache
else:  # once there is a cache
    cache_lookup = LazyModule("statuspolicy.engine.cache_lookup")

Final: TypeAlias = Settle | Use | Refuse

# How often a request waits for an equal one: the first may have been cancelled, or its response may
# still be read.
_WAITS = 2


def recalled(state: ExchangeState, client_cache: ClientCache) -> Flow[Reply | None]:
    """The stored response that answers the request; None where the request has to be sent."""
    request, clock, lookup = state.sent, state.config.clock, state.lookup
    if lookup is None:  # else the transport looked already
        if state.config.prepare is not None:
            # The fields that it sets may name the user of the response, and select it.
            request = yield from prepared(state, request, len(state.answers) + 1)
        if state.user is None:
            state.user = client_cache.user(request)
        asked = client_cache.asked(request, state.cookies, state.user)
        lookup = yield from _looked_up(state, client_cache, asked, state.config.validate)
    asked = lookup.asked
    began, waits = clock.time(), 0
    while lookup.queues and waits < _WAITS:
        waits += 1
        timeouts = request.extensions.get("timeout")
        collapsed_request = client_cache.collapsed_requests.collapsed_request(
            f"{asked.url} {asked.who}", timeouts
        )
        left = inf if state.until is None else state.until - clock.monotonic()
        state.holds_lock = yield Acquire(collapsed_request, min(left, _patience(timeouts)))
        lookup = yield from _looked_up(state, client_cache, asked, state.config.validate, began)
        if state.holds_lock:
            lookup.collapsed_request = collapsed_request
            break
        if lookup.sends and collapsed_request.failure is not None:
            state.lookup, lookup.collapsed = lookup, True
            state.went, state.began = request, clock.monotonic()
            return Reply(_same(collapsed_request.failure, request))
        if collapsed_request.alone:
            break
    lookup.collapsed = waits > 0 and not lookup.sends  # the other request stored it
    response = lookup.served()
    if response is not None and response.status_code in state.answers:
        lookup = yield from _looked_up(state, client_cache, asked, validate=True)
        response = lookup.served()  # (the other response was already decided about)
    state.lookup = lookup
    if response is None:
        return None
    yield from released(state)
    state.went, state.began = request, clock.monotonic()
    if lookup.revalidates:
        yield Revalidate(state.sent, asked.url, state.user)
    return Reply(response)


def _looked_up(
    state: ExchangeState,
    client_cache: ClientCache,
    asked: CacheRequest,
    validate: bool,
    since: float = inf,
) -> Flow[CacheLookup]:
    """Look a request up in the storage. validate, since: as in the cache's `reuse`."""
    if client_cache.near:
        stored = client_cache.look(asked.url, asked.who)
    else:
        stored = yield Look(asked.url, asked.who)
    library, now = LIBRARY_OF[type(state.sent)], state.config.clock.time()
    return cache_lookup.look_up(client_cache, library, asked, stored, now, validate, since)


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


def sent(state: ExchangeState, lookup: CacheLookup) -> Flow[Reply]:
    """Send a request, and let the cache handle the response."""
    client_cache = state.config.cache
    assert client_cache is not None
    lookup.now = state.config.clock.time()  # it may have waited
    send = state.send(lookup.with_conditions(state.went))
    reply: Reply
    if send.request.method in SAFE:
        reply = yield send
    else:
        reply = yield from sending(client_cache, send)
    return (yield from received(state, lookup, reply))


def received(state: ExchangeState, lookup: CacheLookup, reply: Reply) -> Flow[Reply]:
    """Update the cache by a response; a stored response may be handed over in its place."""
    answer, client_cache = reply.outcome, state.config.cache
    assert client_cache is not None
    if isinstance(answer, Exception):
        lookup.tell_others(answer)
        if state.holds_lock:
            yield from released(state)
        return reply
    response, changes = lookup.receive(answer, state.config.clock.time())
    if client_cache.near:
        if changes:
            client_cache.change(changes, lookup.sent)
    else:
        yield StoreChanges(changes, lookup.sent)
    lookup.tell_others()
    if state.holds_lock:
        yield from released(state)
    if response is answer:
        return reply
    if response is None:
        state.take_cookies(state.snapshot(reply))
        yield Discard(answer, state.went)
        return (yield from sent(state, lookup))  # with no conditions of ours left
    yield Discard(answer, state.went)
    return Reply(response)


def not_again(verdict: Decided, exchange: Exchange) -> Decided:
    """A verdict that doesn't repeat a request that the cache would answer again."""
    if isinstance(verdict, Again) and verdict.request is exchange.request:
        return Settle("the cache answered: a repeat would bring the same response")
    return verdict


def passed(state: ExchangeState, client_cache: ClientCache, verdict: Follow | Again) -> Flow[None]:
    """Note a redirect that was followed, if it is stored."""
    if isinstance(verdict, Follow):
        key, lookup = redirected.key(state.went), state.lookup
        if lookup is not None and (lookup.keeps if state.ignores_moves else lookup.from_here):
            state.moves_taken += ((redirected.target(state.sent.url), key),)
            if not state.ignores_moves:
                past = len(state.past) - 1  # it is the last of the history
                state.before_moves = state.before_moves or (
                    state.sent,
                    state.path,
                    state.hops,
                    past,
                    True,
                )
        if verdict.unstored:
            yield StoreChanges(client_cache.deletions(key))


def stand_in(
    state: ExchangeState, lookup: CacheLookup, exchange: Exchange, verdict: Final
) -> Final:
    """A stale response in place of a final error (RFC 9111 §4.2.4, RFC 5861 §4)."""
    outcome = exchange.error if exchange.response is None else exchange.response
    if outcome is None or not isinstance(verdict, Settle):
        return verdict
    spare = lookup.stand_in(outcome, state.config.clock.time())
    if spare is None and not state.config.validate:
        return verdict
    # A client takes the cookies of the response that it gets: a stale one has none, and that of a
    # background validation is handed to no client.
    state.take_cookies(exchange)
    if spare is None:
        return verdict
    return Use(spare, f"a stale response is used in its place: {verdict.why}")
