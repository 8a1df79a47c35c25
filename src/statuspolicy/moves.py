"""A remembered move that leads nowhere is forgotten, and the first URL is asked instead.

Without that, a redirect that was remembered for a day and then turned round, or whose place
died, would be an error for a day.
"""

from __future__ import annotations

from statuspolicy import body, guard, jar
from statuspolicy.effects import Discard
from statuspolicy.exchange import Exchange
from statuspolicy.library import ANY
from statuspolicy.rest import Decided
from statuspolicy.state import ExchangeState, Flow
from statuspolicy.verdicts import Refuse, Settle, Use

# What a place answers that is not, or no longer, what was asked for: it is gone (404, 410),
# another server holds it (421), or it is of no use to who asks.
_NOT_HERE = frozenset({400, 403, 404, 405, 410, 421, 451})
# These come of this side, whatever the URL.


def unreachable(state: ExchangeState, exchange: Exchange) -> bool:
    """Whether what a remembered move led to fails; then to ask the first URL is the best repeat.

    (But where something that is stored may stand in for it, once the repeats are over.)
    """
    error, visit = exchange.error, state.visit
    if error is None or isinstance(error, (ANY.LocalProtocolError, ANY.PoolTimeout)):
        return False
    stands_in = visit is not None and visit.stand_in(error, exchange.now) is not None
    return not stands_in and _in_time(state, exchange)


def start_again(state: ExchangeState, exchange: Exchange, verdict: Decided) -> Flow[bool]:
    """Whether the first URL is asked now, since remembered moves led astray.

    What a redirect leads to that the cache has is handed over, unless it is an error that is
    raised: its server said for how long it leads there.
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
    if jar.holds_any(state.cookies):
        request = body.copy(request)
        away = guard.drops(state.plan.limits, path.abroad)
        jar.dress(state.cookies, request, () if away else path.cookies)
    state.sent = state.went = request
    state.path, state.hops, state.answers, state.visit, state.heard = path, hops, (), None, None
    state.fresh, state.over, state.fork, state.straight = False, None, None, True
    state.past = state.past[:past]
    return True


def leads_astray(exchange: Exchange, verdict: Decided, declined: bool) -> bool:
    """Whether an exchange that took or remembered permanent moves ends where they are of no use.

    declined: whether the guard declined to follow a redirect.
    """
    if isinstance(verdict, (Use, Refuse)):
        return isinstance(verdict, Refuse)
    if exchange.error is not None:
        return not isinstance(exchange.error, (ANY.LocalProtocolError, ANY.PoolTimeout))
    return declined or exchange.status in _NOT_HERE


def _in_time(state: ExchangeState, exchange: Exchange) -> bool:
    try:
        guard.in_time(state.as_of_now(exchange), 0.0)
    except guard.No:
        return False
    return True
