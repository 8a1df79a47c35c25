"""One exchange, from the caller's request to the response or error: the generator that decides.

An exchange is everything that one call of the client causes.

    send     a remembered move, a cooldown, `prepare`; a stored response may answer instead
    decide   the duty of the answer's row sees an Exchange and returns a verdict
    permit   the guard: hop or repeat? method, origin, scheme, body, attempts, deadline, loop;
             then `allow_hop`, `confirm` and the budget
    advance  discard this answer, remember, wait; and round again
    finish   hand over, or raise

What is plain needs no decision: `engine/fast_path.py` sees what comes next in the answer itself.

Rules of this file: the loop performs no I/O, it yields effects, and a driver performs them. At most
one response is open. No request leaves that the guard didn't build or check. What a duty can't know
(cookies, credentials, time) is never a duty's business.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from statuspolicy.engine import caching, guard, remembered_moves
from statuspolicy.engine.cooling import heeded, held_back
from statuspolicy.engine.effects import Discard, Reply, Resume, Wait
from statuspolicy.engine.events import Wait as Waiting
from statuspolicy.engine.fast_path import fast_path, went_on
from statuspolicy.engine.path import Permit
from statuspolicy.engine.prepare import forbidden, outgoing
from statuspolicy.engine.side_request import read_and_decide, send_side_request
from statuspolicy.engine.state import ExchangeState, Flow, Result, is_http2, released
from statuspolicy.engine.time_limits import too_late
from statuspolicy.fields.methods import SAFE
from statuspolicy.fields.notices import farewell, joined, notes
from statuspolicy.message import redirected
from statuspolicy.message.errors import about
from statuspolicy.message.response import adopt, is_kept, keep_trace
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import REDIRECTS
from statuspolicy.policy.verdicts import Again, Aside, Follow, Inspect, Refuse, Settle, Use
from statuspolicy.printable import log
from statuspolicy.wire.library import ANY

# The verdicts on which the loop acts: an Inspect or Aside has led to one of these.
Decided: TypeAlias = Settle | Follow | Again | Use | Refuse
Final: TypeAlias = Settle | Use | Refuse


def exchange(state: ExchangeState, reply: Reply | None = None) -> Flow[Result]:
    """Run one exchange; returns the response, or the error that is raised.

    reply: the result of the first send, if the transport has made it already.
    """
    while True:
        if reply is None:
            memory = state.config.memory
            plain = state.fast and not (memory.moves or memory.cooling)
            # (Moves and cooldowns are looked at before the first send of a request alone.)
            if (plain or (state.fast and state.answers)) and state.config.cache is None:
                sent: Reply = yield state.send()
                reply = sent
            else:
                reply = yield from send(state)
                if reply.refused:
                    return state.tell_the_end(reply.outcome)
        elif state.lookup is not None:
            reply = yield from caching.received(state, state.lookup, reply)
        answer = reply.outcome
        if state.fast and not isinstance(answer, Exception) and not reply.interim:
            seen = fast_path(state, answer)
            if isinstance(seen, ANY.Response):
                return seen
            if seen is not None:
                after = went_on(state, answer, seen, (yield Discard(answer, state.sent)))
                reply = None
                del answer, seen
                if after:
                    state.earliest += after
                    yield Wait(after)
                continue
        del answer
        current, verdict = yield from decide(state, reply)
        reply = None
        permitted = yield from permit(state, current, verdict)
        if isinstance(permitted, Permit):
            assert isinstance(verdict, (Follow, Again))
            after = yield from advance(state, current, verdict, permitted)
        else:
            last = yield from finish(state, current, permitted, isinstance(verdict, Follow))
            if last is not None:
                return state.tell_the_end(last)
            after = 0.0
        # Many exchanges may wait at once: none of them keeps a response alive meanwhile.
        del current, verdict, permitted
        if after:
            state.earliest += after
            yield Wait(after)


def send(state: ExchangeState) -> Flow[Reply]:
    """Send the next request, after the steps that come before a send."""
    config = state.config
    if config.answered is not None and not state.steps:
        return Reply(config.answered)
    if config.memory.moves:
        yield from remembered_moves.take(state)
    if config.cache is not None:
        stored = yield from caching.recalled(state, config.cache)
        if stored is not None:
            return stored
    if config.memory.cooling and not state.answers:
        refused = yield from held_back(state, state.sent)
        if refused is not None:
            keep_trace(refused, state.steps)
            reply = Reply(refused)
            reply.refused = True
            return reply
    state.went = state.sent
    if config.prepare is not None or config.observer is not None:
        state.went = yield from outgoing(state, state.sent, len(state.answers) + 1)
    if state.lookup is not None:
        return (yield from caching.sent(state, state.lookup))
    sent: Reply = yield state.send()
    return sent


def decide(state: ExchangeState, reply: Reply) -> Flow[tuple[Exchange, Decided]]:
    """The verdict of the row's duty, and the exchange that it is about."""
    exchange = state.snapshot(reply)
    del reply
    state.refund(exchange.status)
    verdict = yield from state.decide(state.row.duty, exchange)
    if isinstance(verdict, Inspect):
        exchange, verdict = yield from read_and_decide(state, verdict, exchange)
    looks = 0
    while isinstance(verdict, Aside):
        looks += 1
        exchange, verdict = yield from send_side_request(state, exchange, verdict, looks)
    if state.holds_lock:
        yield from released(state)
    if state.lookup is not None and not state.lookup.sends:
        verdict = caching.not_again(verdict, exchange)  # it says nothing of its origin now
    elif state.config.memory.cooling or getattr(verdict, "cool", None) is not None:
        verdict = heeded(state, exchange, verdict)
    if (
        state.before_moves
        and isinstance(verdict, Again)
        and remembered_moves.unreachable(state, exchange)
    ):
        verdict = Settle()
    return exchange, verdict


def permit(state: ExchangeState, exchange: Exchange, verdict: Decided) -> Flow[Permit | Final]:
    """Ask the guard, then the application and the budget: the permit, or how the exchange ends."""
    if not isinstance(verdict, (Follow, Again)):
        return verdict
    state.take_cookies(exchange)
    permit = guard.permit(state.as_of_now(exchange), state.path, verdict, state.cookies)
    if not isinstance(permit, Permit):
        return permit
    request, response = exchange.request, exchange.response
    confirm, allow = state.config.confirm, state.config.allow_hop
    if permit.is_hop and allow is not None:
        why = yield from forbidden(state, permit.request)
        if why:
            return Settle(why)
    if isinstance(verdict, Follow) and verdict.confirm and response is not None:
        if confirm is None:
            return Settle(f"{request.method} is redirected only if it is confirmed: give confirm=")
        if not (yield from state.call("confirm", confirm, request, permit.request, response)):
            return Settle("the application did not confirm the redirect")
    if confirm is not None or allow is not None:
        late = too_late(state.as_of_now(exchange), verdict.after)  # they may have taken long
        if late:
            return Settle(late)
    budget = exchange.limits.retry_budget
    if permit.costs and budget is not None:
        origin = redirected.origin(request.url)
        left = state.spend(origin, budget)
        if left is None:
            return Settle(f"the retry budget of {origin} is spent (Limits.retry_budget)")
        permit = permit._replace(tokens=left)
    return permit


def advance(
    state: ExchangeState, exchange: Exchange, verdict: Follow | Again, permit: Permit
) -> Flow[float]:
    """Go on to the next request: discard this response; returns the seconds to wait."""
    if permit.is_hop:
        state.note("follow", verdict, verdict.why or f"to {permit.path.target}", permit.tokens)
    else:
        state.note("repeat", verdict, verdict.why, permit.tokens)
    unread = isinstance(verdict, Again) and verdict.fresh
    if exchange.response is not None:
        kept = yield Discard(exchange.response, state.went, unread)
        # The history holds "the responses that another request answered (redirects,
        # challenges)".
        if permit.is_hop or exchange.status in (401, 407):
            state.passed(exchange.response, state.went, kept)
    if state.config.cache is not None:
        yield from caching.passed(state, state.config.cache, verdict)
    if isinstance(verdict, Follow) and verdict.remember:
        remembered_moves.remember(state, exchange, verdict, permit)
    if isinstance(verdict, Follow) and verdict.tell is not None:
        yield from state.call("a hook", verdict.tell, exchange.request, permit.request)
    over = verdict.over if isinstance(verdict, Again) else None
    own = unread and state.config.fresh is not None and is_http2(exchange.response)
    if state.fresh or own or over is not None:
        state.over, state.fresh = over, own or over is not None
    if state.sent.method not in SAFE:
        state.maybe_acted_on = state.maybe_acted_on or exchange.leaves_doubt
    state.take(permit, (*state.answers, exchange.code))
    state.exchange = None
    if verdict.after:
        state.tell(Waiting, verdict.after, exchange.request)
    return float(verdict.after)


def finish(
    state: ExchangeState, exchange: Exchange, verdict: Final, declined: bool
) -> Flow[Result | None]:
    """The response to hand over, or the error; None if the first URL has to be requested after all.

    declined: whether the guard declined to follow a redirect.
    """
    if state.lookup is not None:
        verdict = caching.stand_in(state, state.lookup, exchange, verdict)
    if state.moves_taken and (yield from remembered_moves.undo(state, exchange, verdict, declined)):
        return None
    return (yield from _ended(state, exchange, verdict))


def _ended(state: ExchangeState, exchange: Exchange, verdict: Final) -> Flow[Result]:
    """What is handed over, or raised."""
    response, config = exchange.response, state.config
    if (
        isinstance(verdict, Settle)
        and response is not None
        and response.status_code in (200, 206)
        and config.resumes(verdict.resume)
    ):
        why = yield Resume(response, state.sent, state.until, state.user)
        verdict = verdict._replace(why=verdict.why or why)
    why = _with_notes(state, exchange, verdict)
    state.note(type(verdict).__name__.lower(), verdict, why)
    last, state.exchange = state.exchange, None
    if exchange.status == 410:
        config.memory.forget_moves_to(redirected.target(exchange.request.url))
    if isinstance(verdict, Refuse):
        if response is not None:
            kept = yield Discard(response, state.went)
            read = adopt(response, state.went, state.past, state.steps, declined=True, kept=kept)
            vars(verdict.error)["response"] = read  # so that the received bytes can be read
        keep_trace(verdict.error, state.steps)
        return verdict.error
    if isinstance(verdict, Use):
        used: Any = verdict.response
        if response is not None and response is not used and not is_kept(response):
            yield Discard(response, state.went)
        aside = last is not None and last.response is used
        answers = last.request if last is not None and aside else state.went
        if is_kept(used):
            answers = used.request
        return adopt(used, answers, state.past, state.steps)
    if response is None:
        assert exchange.error is not None
        if state.hops:
            about(exchange.error, state.went)
        keep_trace(exchange.error, state.steps)
        return exchange.error
    if verdict.tell is not None:
        yield from state.call("a hook", verdict.tell, state.went, response)
    if verdict.empty:
        yield Discard(response, state.went, unread=True)
    status = response.status_code
    declined = status in REDIRECTS and (
        config.follow is not False or not _client_can_read(exchange)
    )
    # A client takes what was prepared for the request that it sent itself.
    touched = declined or verdict.why or verdict.empty or state.went is not state.sent
    alone = len(state.steps) == 1 and not touched and not exchange.interim and status != 511
    if alone and not is_kept(response):  # of that, the caller may read as much as he likes
        return response
    kept = b"" if verdict.empty else None
    return adopt(response, state.went, state.past, state.steps, declined=declined, kept=kept)


def _with_notes(state: ExchangeState, exchange: Exchange, verdict: Final) -> str:
    """The reason, with the notes of the response that is handed over."""
    fields, url, status = exchange.fields, exchange.request.url, exchange.status
    if status is None or not isinstance(verdict, Settle):
        return verdict.why
    if status < 400 and "deprecation" not in fields and "sunset" not in fields:
        return verdict.why
    if bye := farewell(fields, exchange.now):
        place = redirected.target(url).partition("?")[0]
        if state.config.memory.notice(place):
            log.warning("%s: %s", place, bye)
    return joined(verdict.why, notes(status, fields, exchange.body, exchange.now))


def _client_can_read(exchange: Exchange) -> bool:
    """Whether the client could build the next request from this Location without raising."""
    try:
        assert exchange.response is not None
        redirected.resolve(exchange.request.url, exchange.response.headers.get("location", ""))
    except redirected.Unusable:
        return False
    return True
