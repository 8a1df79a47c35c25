"""Permanent moves (301, 308): they are remembered, used before a send, and forgotten if they fail.

Otherwise a redirect that is remembered for a day would be an error for a day, if it was reversed or
its target is gone.
"""

from __future__ import annotations

from statuspolicy.engine import guard
from statuspolicy.engine.cooling import Decided
from statuspolicy.engine.effects import Discard, StoreChanges
from statuspolicy.engine.path import Permit, drops_credentials
from statuspolicy.engine.prepare import forbidden, prepared
from statuspolicy.engine.state import ExchangeState, Flow
from statuspolicy.engine.time_limits import too_late
from statuspolicy.fields.section import Fields
from statuspolicy.message import body, cookies, redirected
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.verdicts import Follow, Refuse, Settle, Use
from statuspolicy.wire.library import ANY, LIBRARY_OF

# Responses of a target that is no longer right: it is gone (404, 410), on another server (421), or
# of no use to the client.
_NOT_HERE = frozenset({400, 403, 404, 405, 410, 421, 451})


def remember(state: ExchangeState, exchange: Exchange, verdict: Follow, permit: Permit) -> None:
    """Remember a permanent move, if it is valid for all users."""
    kept_else = state.lookup is not None and state.lookup.keeps
    sensitive = exchange.limits.sensitive
    anybody = redirected.holds_for_anybody(state.went, exchange.fields, sensitive)
    if not exchange.status or kept_else or not anybody:
        return
    # As the server wrote it: each caller has a fragment of its own.
    leads_to = str(permit.request.url)
    if "#" not in str(verdict.url):
        leads_to = leads_to.partition("#")[0]
    move, url = (exchange.status, leads_to), redirected.target(state.sent.url)
    state.config.memory.remember(url, move, verdict.remember, state.config.clock.time())
    state.moves_taken += ((url, url),)


# ── taken ──────────────────────────────────────────────────────────────────────────────


def take(state: ExchangeState) -> Flow[None]:
    """Use the remembered moves of the URL that is requested next, one after the other."""
    while state.config.memory.moves and not state.answers and not state.ignores_moves:
        if not (yield from _take_one(state)):
            return


def _take_one(state: ExchangeState) -> Flow[bool]:
    """Use a remembered move if its row's duty would follow it now; returns whether it did.

    The guard checks it as it would check the hop.
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
        request = yield from prepared(state, state.sent, 1)
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
    state.row, state.exchange = config.table.row(code), exchange._replace(response=None)
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
    state.before_moves = state.before_moves or (
        state.sent,
        state.path,
        state.hops,
        len(state.past),
        False,
    )
    state.moves_taken += ((url, url),)
    state.take(permit, ())
    return True


# ── undone ─────────────────────────────────────────────────────────────────────────────


def unreachable(state: ExchangeState, exchange: Exchange) -> bool:
    """Whether the target of a remembered move fails, so that the first URL is requested instead.

    (Unless a stale response can be used in its place, after the repeats.)
    """
    error, lookup = exchange.error, state.lookup
    if error is None or _of_the_client(error):
        return False
    stands_in = lookup is not None and lookup.stand_in(error, exchange.now) is not None
    return not stands_in and not too_late(state.as_of_now(exchange), 0.0)


def undo(state: ExchangeState, exchange: Exchange, verdict: Decided, declined: bool) -> Flow[bool]:
    """Forget the permanent moves of an exchange that ends with a response of no use.

    Returns whether the first URL is requested now: it is, where a remembered move was taken.

    declined: whether the guard declined to follow a redirect.
    """
    if not _of_no_use(exchange, verdict, declined):
        return False
    for url, key in state.moves_taken:
        state.config.memory.remember(url, None, 0.0, state.config.clock.time())
        if state.config.cache is not None:
            yield StoreChanges(state.config.cache.deletions(key))
    state.moves_taken = ()
    if state.before_moves is None:
        return False
    request, path, hops, past, stored = state.before_moves
    # A response behind a redirect from the cache is handed over, unless an error is raised: the
    # server said how long that redirect is fresh.
    answered = exchange.response is not None and not isinstance(verdict, Refuse)
    if (stored and answered) or too_late(state.as_of_now(exchange), 0.0):
        return False
    state.take_cookies(exchange)
    why = f"back to {path.target}: the remembered redirect failed and is forgotten"
    state.note("follow", Settle(), why)
    if exchange.response is not None:
        yield Discard(exchange.response, state.went)
    if cookies.holds_any(state.cookies):
        request = body.copy(request)
        away = drops_credentials(state.config.limits, path.abroad)
        cookies.dress(state.cookies, request, () if away else path.cookies)
    state.sent = state.went = request
    state.path, state.hops, state.answers, state.lookup, state.exchange = path, hops, (), None, None
    state.fresh, state.over, state.before_moves, state.ignores_moves = False, None, None, True
    state.past = state.past[:past]
    return True


def _of_no_use(exchange: Exchange, verdict: Decided, declined: bool) -> bool:
    if isinstance(verdict, (Use, Refuse)):
        return isinstance(verdict, Refuse)
    if exchange.error is not None:
        return not _of_the_client(exchange.error)
    return declined or exchange.status in _NOT_HERE


def _of_the_client(error: Exception) -> bool:
    """Whether a request failed on the client side, as it would for any URL."""
    return isinstance(error, (ANY.LocalProtocolError, ANY.PoolTimeout))
