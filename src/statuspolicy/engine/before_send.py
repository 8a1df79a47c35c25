"""What comes before a request is sent: remembered moves, then the last touches."""

from __future__ import annotations

from statuspolicy.engine import guard
from statuspolicy.engine.cooling import held_back
from statuspolicy.engine.path import Permit
from statuspolicy.engine.prepare import forbidden, prepared, written
from statuspolicy.engine.state import ExchangeState, Flow
from statuspolicy.fields.section import Fields
from statuspolicy.message import redirected
from statuspolicy.message.errors import CoolingDown
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Follow, Settle
from statuspolicy.wire.library import LIBRARY_OF


def shortened(state: ExchangeState) -> Flow[None]:
    """Take the permanent moves that are remembered."""
    while state.config.memory.moves and not state.answers and not state.straight:
        if not (yield from _shortcut(state)):
            return


def before_send(state: ExchangeState) -> Flow[CoolingDown | None]:
    """See to all that comes before the next send; an error in its place where there is one."""
    config = state.config
    if config.memory.cooling and not state.answers:
        refused = yield from held_back(state, state.sent)
        if refused is not None:
            return refused
    state.went = state.sent
    if config.prepare is not None or config.observer is not None:
        state.went = yield from prepared(state, state.sent, len(state.answers) + 1)
    return None


def _shortcut(state: ExchangeState) -> Flow[bool]:
    """Take a permanent move that is remembered, where its row's duty would follow it now.

    It passes the guard as its hop would.
    """
    config = state.config
    if state.sent.method not in ("GET", "HEAD") or config.follow is False:
        return False
    if not redirected.asks_as_anybody(state.sent, config.limits.sensitive):
        return False
    url = redirected.target(state.sent.url)
    if not config.memory.has_moved(url):
        return False
    move = config.memory.recall(url, config.clock.time())
    if move is None:
        return False
    if config.prepare is not None:  # what it writes may say who asks
        request = yield from written(state, state.sent, 1)
        if not redirected.asks_as_anybody(request, config.limits.sensitive):
            return False
    code, location = move
    moved = LIBRARY_OF[type(state.sent)].Response(code, headers={"location": location})
    exchange = Exchange(
        state.sent,
        moved,
        None,
        Fields(moved.headers.raw),
        state.steps,
        config.limits,
        config.clock.time(),
        hops=state.hops,
    )
    state.row, state.heard = config.table.row(code), exchange._replace(response=None)
    verdict = yield from state.decide(state.row.duty, exchange)
    if not isinstance(verdict, Follow):
        return False
    permit = guard.permit(exchange, state.path, verdict, state.cookies)
    if not isinstance(permit, Permit):
        config.memory.remember(url, None, 0.0, config.clock.time())
        return False
    if (yield from forbidden(state, permit.request)):
        return False
    state.note(
        "follow", Settle(), f"to {redirected.target(permit.request.url)}, remembered from a {code}"
    )
    state.fork = state.fork or (state.sent, state.path, state.hops, len(state.past), False)
    state.shortcuts += ((url, url),)
    state.take(permit, ())
    return True
