"""The one generator: send -> duty -> guard -> discard, wait, again.

It yields effects and knows nothing of sync or async; a driver performs them. What it is
sent back for a Send is a Reply, with the library's TransportError as a value. It ends with
the response that is handed over, or with the error that is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from statuspolicy import cached, guard, hop, moves
from statuspolicy.ahead import ahead, forbidden, shortened, take
from statuspolicy.aside import considered, left, step_aside
from statuspolicy.effects import Discard, Forget, Remember, Reply, Resume, Send, Spend, Wait
from statuspolicy.errors import about
from statuspolicy.events import Wait as Waiting
from statuspolicy.exchange import Exchange
from statuspolicy.guard import Permit
from statuspolicy.library import ANY
from statuspolicy.methods import SAFE
from statuspolicy.notes import farewell, joined, notes
from statuspolicy.plan import Plan
from statuspolicy.printable import log
from statuspolicy.response import adopt, is_kept, keep_trace
from statuspolicy.rest import heeded
from statuspolicy.row import REDIRECTS
from statuspolicy.talk import Flow, Result, Talk, is_http2
from statuspolicy.verdicts import Again, Aside, Follow, Inspect, Refuse, Settle, Use

if TYPE_CHECKING:
    from httpx import Request

    from statuspolicy.visit import Visit


def converse(
    plan: Plan,
    request: Request,
    reply: Reply | None = None,
    visit: Visit | None = None,
    begun: Callable[[], Talk] | None = None,
) -> Flow[Result]:
    """One exchange: from the caller's request to what is handed over, or raised.

    reply, visit: what the last send brought, where it is there already, and its visit to the
        cache.
    begun: gives what is known of the exchange, where it began before.
    """
    talk = Talk(plan, request) if begun is None else begun()
    del begun  # which holds as much again
    talk.visit = visit
    while True:
        result = yield from _turn(talk, reply)
        reply = None  # many may wait at once, and none holds an answer then
        if isinstance(result, (ANY.Response, Exception)):
            return talk.tell_the_end(result)
        if result:
            talk.earliest += result
            yield Wait(result)


def _turn(talk: Talk, reply: Reply | None) -> Flow[Result | float]:
    """Send, where that isn't done, and see to what comes.

    What is handed over or raised; or, the next request being ready, the seconds before it.
    """
    plan = talk.plan
    if reply is None and plan.answered is not None and talk.heard is None:
        reply = Reply(plan.answered)
    if reply is None:
        if plan.memory.moves:
            yield from shortened(talk)
        if plan.cache is not None:
            reply = yield from cached.recalled(talk, plan.cache)
    if reply is None:
        refused = yield from ahead(talk)
        if refused is not None:
            keep_trace(refused, talk.steps)
            return refused
        talk.began = plan.clock.monotonic()
        if talk.visit is None:
            sent: Reply = yield Send(talk.went, talk.fresh, talk.until, talk.over)
            reply = sent
        else:
            reply = yield from cached.sent(talk, talk.visit)
    exchange = talk.hear(reply)
    if talk.spent is not None:
        yield from _refund(talk, talk.spent, exchange)
    verdict = yield from talk.decide(talk.row.duty, exchange)
    if isinstance(verdict, Inspect):
        exchange, verdict = yield from considered(talk, verdict, exchange)
    looks = 0
    while isinstance(verdict, Aside):
        looks += 1
        exchange, verdict = yield from step_aside(talk, exchange, verdict, looks)
    if talk.in_turn:
        yield from left(talk)
    if talk.visit is not None and not talk.visit.sends:
        verdict = cached.not_again(verdict, exchange)  # it says nothing of its origin now
    elif talk.plan.memory.cooling or getattr(verdict, "cool", None) is not None:
        verdict = yield from heeded(talk, exchange, verdict)
    moved, declined = talk.fork is not None, isinstance(verdict, Follow)
    if moved and isinstance(verdict, Again) and moves.unreachable(talk, exchange):
        verdict = Settle()
    if isinstance(verdict, (Follow, Again)):
        permit = yield from _permit(talk, exchange, verdict)
        if isinstance(permit, Permit):
            return (yield from _go_on(talk, exchange, verdict, permit))
        verdict = permit
    if talk.visit is not None:
        verdict = cached.stand_in(talk, talk.visit, exchange, verdict)
    if talk.shortcuts and moves.leads_astray(exchange, verdict, declined):
        yield from cached.forgotten(talk)
        if moved and (yield from moves.start_again(talk, exchange, verdict)):
            return 0.0
    return (yield from _end(talk, exchange, verdict))


def _refund(talk: Talk, origin: str, exchange: Exchange) -> Flow[None]:
    """A repeat that was answered well gives back what it took from an origin's budget."""
    budget = exchange.limits.retry_budget
    if budget is not None and guard.gives_back(exchange.status):
        yield Spend(origin, budget, back=True)
    talk.spent = None


def _permit(
    talk: Talk, exchange: Exchange, verdict: Follow | Again
) -> Flow[Permit | Settle | Refuse]:
    """What the guard says, and after it those who have to be asked."""
    talk.take_cookies(exchange)
    permit = guard.permit(talk.as_of_now(exchange), talk.path, verdict, talk.cookies)
    if not isinstance(permit, Permit):
        return permit
    request, response = exchange.request, exchange.response
    confirm, allow = talk.plan.confirm, talk.plan.allow_hop
    if permit.is_hop and allow is not None:
        why = yield from forbidden(talk, permit.request)
        if why:
            return Settle(why)
    if isinstance(verdict, Follow) and verdict.confirm and response is not None:
        if confirm is None:
            return Settle(f"{request.method} is redirected only if it is confirmed: give confirm=")
        if not (yield from talk.call("confirm", confirm, request, permit.request, response)):
            return Settle("the application did not confirm the redirect")
    if confirm is not None or allow is not None:
        try:
            guard.in_time(talk.as_of_now(exchange), verdict.after)  # they may have thought long
        except guard.No as late:
            return Settle(str(late))
    budget = exchange.limits.retry_budget
    if permit.costs and budget is not None:
        talk.spent = hop.origin(request.url)
        left = yield Spend(talk.spent, budget)
        if left is None:
            return Settle(f"the retry budget of {talk.spent} is spent (Limits.retry_budget)")
        permit = permit._replace(tokens=left)
    return permit


def _go_on(talk: Talk, exchange: Exchange, verdict: Follow | Again, permit: Permit) -> Flow[float]:
    """To the next request: discard this answer and take the step; the seconds to wait."""
    if permit.is_hop:
        talk.note("follow", verdict, verdict.why or f"to {permit.path.target}", permit.tokens)
    else:
        talk.note("repeat", verdict, verdict.why, permit.tokens)
    hard = isinstance(verdict, Again) and verdict.fresh
    if exchange.response is not None:
        kept = yield Discard(exchange.response, talk.went, hard)
        # docs/rules.md#what-you-get-is-true: no repeats are in the history.
        if permit.is_hop or exchange.status in (401, 407):
            past = [*talk.past]
            passed = adopt(exchange.response, talk.went, past, talk.steps, kept=kept, passed=True)
            if talk.began is not None:
                passed.elapsed = timedelta(seconds=talk.plan.clock.monotonic() - talk.began)
            talk.past.append(passed)
    if talk.plan.cache is not None:
        yield from cached.passed(talk, talk.plan.cache, verdict)
    kept_else = talk.visit is not None and talk.visit.keeps
    if (
        isinstance(verdict, Follow)
        and verdict.remember
        and exchange.status
        and not kept_else
        and hop.holds_for_anybody(talk.went, exchange.fields, exchange.limits)
    ):
        # As the server wrote it: the fragment is each caller's own.
        leads_to = str(permit.request.url)
        if "#" not in str(verdict.url):
            leads_to = leads_to.partition("#")[0]
        move, url = (exchange.status, leads_to), hop.target(talk.sent.url)
        yield Remember(url, move, verdict.remember)
        talk.shortcuts.append((url, url))
    if isinstance(verdict, Follow) and verdict.tell is not None:
        yield from talk.call("a hook", verdict.tell, exchange.request, permit.request)
    talk.over = verdict.over if isinstance(verdict, Again) else None
    talk.fresh = talk.over is not None or (
        hard and talk.plan.fresh is not None and is_http2(exchange.response)
    )
    if talk.sent.method not in SAFE:
        talk.doubt = talk.doubt or exchange.leaves_doubt
    take(talk, permit, (*talk.answers, exchange.code))
    talk.heard = None
    if verdict.after:
        talk.tell(Waiting, verdict.after, exchange.request)
    return float(verdict.after)


def _end(talk: Talk, exchange: Exchange, verdict: Settle | Use | Refuse) -> Flow[Result]:
    """What is handed over, or raised."""
    response, plan = exchange.response, talk.plan
    if (
        isinstance(verdict, Settle)
        and response is not None
        and response.status_code in (200, 206)
        and plan.resumes(verdict.resume)
    ):
        why = yield Resume(response, talk.sent, talk.until, talk.user)
        verdict = verdict._replace(why=verdict.why or why)
    why = _with_notes(talk, exchange, verdict)
    talk.note(type(verdict).__name__.lower(), verdict, why)
    heard, talk.heard = talk.heard, None
    if exchange.status == 410:
        yield Forget(hop.target(exchange.request.url))
    if isinstance(verdict, Refuse):
        if response is not None:
            kept = yield Discard(response, talk.went)
            read = adopt(response, talk.went, talk.past, talk.steps, declined=True, kept=kept)
            vars(verdict.error)["response"] = read  # nothing that was received is lost
        keep_trace(verdict.error, talk.steps)
        return verdict.error
    if isinstance(verdict, Use):
        used: Any = verdict.response
        if response is not None and response is not used and not is_kept(response):
            yield Discard(response, talk.went)
        aside = heard is not None and heard.response is used
        answers = heard.request if heard is not None and aside else talk.went
        if is_kept(used):
            answers = used.request
        return adopt(used, answers, talk.past, talk.steps)
    if response is None:
        assert exchange.error is not None
        if talk.hops:
            about(exchange.error, talk.went)
        keep_trace(exchange.error, talk.steps)
        return exchange.error
    if verdict.tell is not None:
        yield from talk.call("a hook", verdict.tell, talk.went, response)
    if verdict.empty:
        yield Discard(response, talk.went, hard=True)
    status = response.status_code
    declined = status in REDIRECTS and (plan.follow is not False or not _client_can_read(exchange))
    # A client takes what was prepared for the request that it sent itself.
    touched = declined or verdict.why or verdict.empty or talk.went is not talk.sent
    alone = len(talk.steps) == 1 and not touched and not exchange.interim and status != 511
    if alone and not is_kept(response):  # of that, the caller may read as much as he likes
        return response
    kept = b"" if verdict.empty else None
    return adopt(response, talk.went, talk.past, talk.steps, declined=declined, kept=kept)


def _with_notes(talk: Talk, exchange: Exchange, verdict: Settle | Use | Refuse) -> str:
    """Why, with what the answer that is handed over says besides."""
    fields, url, status = exchange.fields, exchange.request.url, exchange.status
    if status is None or not isinstance(verdict, Settle):
        return verdict.why
    if status < 400 and "deprecation" not in fields and "sunset" not in fields:
        return verdict.why
    if bye := farewell(fields, exchange.now):
        place = hop.target(url).partition("?")[0]
        if talk.plan.memory.notice(place):
            log.warning("%s is %s", place, bye)
    return joined(verdict.why, notes(status, fields, exchange.body, exchange.now))


def _client_can_read(exchange: Exchange) -> bool:
    """Whether the client could build the next request from this Location without raising."""
    try:
        assert exchange.response is not None
        hop.resolve(exchange.request.url, exchange.response.headers.get("location", ""))
    except hop.Unusable:
        return False
    return True
