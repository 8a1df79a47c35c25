"""Forget a remembered redirect that fails, and request the first URL instead.

Otherwise a redirect that is remembered for a day would be an error for a day, if it was reversed or
its target is gone.
"""

from __future__ import annotations

from statuspolicy.engine import bounds
from statuspolicy.engine.cooling import Decided
from statuspolicy.engine.effects import Discard
from statuspolicy.engine.path import drops
from statuspolicy.engine.state import ExchangeState, Flow
from statuspolicy.message import body, cookies
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Refuse, Settle, Use
from statuspolicy.wire.library import ANY

# Responses of a target that is no longer right: it is gone (404, 410), on another server (421), or
# of no use to the client.
_NOT_HERE = frozenset({400, 403, 404, 405, 410, 421, 451})
# Failures on the client side, for any URL.


def unreachable(state: ExchangeState, exchange: Exchange) -> bool:
    """Whether what a remembered move led to fails; then to ask the first URL is the best repeat.

    (Unless a stale response can be used in its place, after the repeats.)
    """
    error, lookup = exchange.error, state.lookup
    if error is None or isinstance(error, (ANY.LocalProtocolError, ANY.PoolTimeout)):
        return False
    stands_in = lookup is not None and lookup.stand_in(error, exchange.now) is not None
    return not stands_in and _in_time(state, exchange)


def start_again(state: ExchangeState, exchange: Exchange, verdict: Decided) -> Flow[bool]:
    """Whether the first URL is asked now, since remembered moves led astray.

    A response behind a redirect from the cache is handed over, unless an error is raised: the
    server said how long that redirect is fresh.
    """
    assert state.fork is not None
    request, path, hops, past, stored = state.fork
    answered = exchange.response is not None and not isinstance(verdict, Refuse)
    if (stored and answered) or not _in_time(state, exchange):
        return False
    state.take_cookies(exchange)
    why = f"back to {path.target}: the remembered redirect failed and is forgotten"
    state.note("follow", Settle(), why)
    if exchange.response is not None:
        yield Discard(exchange.response, state.went)
    if cookies.holds_any(state.cookies):
        request = body.copy(request)
        away = drops(state.config.limits, path.abroad)
        cookies.dress(state.cookies, request, () if away else path.cookies)
    state.sent = state.went = request
    state.path, state.hops, state.answers, state.lookup, state.heard = path, hops, (), None, None
    state.fresh, state.over, state.fork, state.straight = False, None, None, True
    state.past = state.past[:past]
    return True


def leads_astray(exchange: Exchange, verdict: Decided, declined: bool) -> bool:
    """Whether an exchange over permanent redirects ends with a response that is of no use.

    declined: whether the guard declined to follow a redirect.
    """
    if isinstance(verdict, (Use, Refuse)):
        return isinstance(verdict, Refuse)
    if exchange.error is not None:
        return not isinstance(exchange.error, (ANY.LocalProtocolError, ANY.PoolTimeout))
    return declined or exchange.status in _NOT_HERE


def _in_time(state: ExchangeState, exchange: Exchange) -> bool:
    try:
        bounds.in_time(state.as_of_now(exchange), 0.0)
    except bounds.No:
        return False
    return True
