"""The one generator: send -> duty -> guard -> discard, wait, again.

It yields effects and knows nothing of sync or async; a driver performs them. What it is
sent back for a Send is a Reply, with the library's TransportError as a value. It ends with
the response that is handed over, or with the error that is raised.
"""

from __future__ import annotations

from datetime import timedelta

from . import guard, hop
from ._lib import Request
from .ahead import ahead, forbidden, take
from .aside import step_aside
from .effects import Discard, Remember, Reply, Resume, Send, Spend, Wait
from .errors import about
from .events import Wait as Waiting
from .exchange import Exchange
from .guard import Permit
from .plan import Plan
from .response import adopt, is_kept, keep_trace
from .rest import heeded
from .row import REDIRECTS
from .talk import Flow, Result, Talk, asked, is_http2
from .verdicts import Again, Aside, Follow, Refuse, Settle, Use


def converse(plan: Plan, request: Request, reply: Reply | None = None) -> Flow[Result]:
    """One exchange: from the caller's request to what is handed over, or raised.

    reply: what the first send brought, where it is there already.
    """
    talk = Talk(plan, request)
    while True:
        if reply is None:
            refused = yield from ahead(talk)
            if refused is not None:
                keep_trace(refused, talk.steps)
                return talk.tell_the_end(refused)
            talk.began = plan.clock.monotonic()
            sent: Reply = yield Send(talk.went, talk.fresh, talk.until)
            reply = sent
        exchange = talk.hear(reply)
        yield from _refund(talk, exchange)
        verdict = yield from talk.decide(talk.row.duty, exchange)
        looks = 0
        while isinstance(verdict, Aside):
            looks += 1
            exchange, verdict = yield from step_aside(talk, exchange, verdict, looks)
        verdict = yield from heeded(talk, exchange, verdict)
        if isinstance(verdict, (Follow, Again)):
            permit = yield from _permit(talk, exchange, verdict)
            if isinstance(permit, Permit):
                yield from _go_on(talk, exchange, verdict, permit)
                reply = None
                continue
            verdict = permit
        result = yield from _end(talk, exchange, verdict)
        return talk.tell_the_end(result)


def _refund(talk: Talk, exchange: Exchange) -> Flow[None]:
    """A repeat that was answered well gives back what it took."""
    budget, status = exchange.limits.retry_budget, exchange.status
    well = status is not None and status < 500 and status != 429
    if well and talk.spent is not None and budget is not None:
        yield Spend(talk.spent, budget, back=True)
    talk.spent = None


def _permit(
    talk: Talk, exchange: Exchange, verdict: Follow | Again
) -> Flow[Permit | Settle | Refuse]:
    """What the guard says, and after it those who have to be asked."""
    talk.take_cookies(exchange)
    permit = guard.permit(talk.as_of_now(exchange), talk.path, verdict, talk.cookies)
    if not isinstance(permit, Permit):
        return permit
    if permit.is_hop and (why := (yield from forbidden(talk, permit.request))):
        return Settle(why)
    request, response, confirm = exchange.request, exchange.response, talk.plan.confirm
    if isinstance(verdict, Follow) and verdict.confirm and response is not None:
        if confirm is None:
            return Settle(f"{request.method} goes elsewhere only if confirmed: give confirm=")
        if not (yield from asked(confirm(request, permit.request, response))):
            return Settle("the application did not confirm it")
    try:
        guard.in_time(talk.as_of_now(exchange), verdict.after)  # somebody may have thought long
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


def _go_on(talk: Talk, exchange: Exchange, verdict: Follow | Again, permit: Permit) -> Flow[None]:
    """To the next request: discard this answer, wait, and take the step."""
    if permit.is_hop and not verdict.why:
        verdict = verdict._replace(why=f"to {hop.target(permit.request.url)}")
    talk.note("follow" if permit.is_hop else "repeat", verdict, permit.tokens)
    hard = isinstance(verdict, Again) and verdict.fresh
    if exchange.response is not None:
        kept = yield Discard(exchange.response, talk.went, hard)
        if permit.is_hop:
            past = [*talk.past]
            passed = adopt(exchange.response, talk.went, past, talk.steps, kept=kept, passed=True)
            if talk.began is not None:
                passed.elapsed = timedelta(seconds=talk.plan.clock.monotonic() - talk.began)
            talk.past.append(passed)
    # What was prepared may be somebody's own: such an answer holds for nobody else.
    own = talk.went is not talk.sent and {"authorization", "cookie"} & talk.went.headers.keys()
    if isinstance(verdict, Follow) and verdict.remember and exchange.status and not own:
        # As the server wrote it: the fragment is each caller's own.
        leads_to = str(permit.request.url)
        if "#" not in str(verdict.url):
            leads_to = leads_to.partition("#")[0]
        move = (exchange.status, leads_to)
        yield Remember(hop.target(talk.sent.url), move, verdict.remember)
    if verdict.after:
        talk.tell(Waiting, verdict.after, exchange.request)
        yield Wait(verdict.after)
    talk.fresh = hard and talk.plan.fresh is not None and is_http2(exchange.response)
    take(talk, permit, (*talk.answers, exchange.code))


def _end(talk: Talk, exchange: Exchange, verdict: Settle | Use | Refuse) -> Flow[Result]:
    """What is handed over, or raised."""
    response, plan = exchange.response, talk.plan
    if isinstance(verdict, Settle) and response is not None and plan.resumes(verdict.resume):
        why = yield Resume(response, talk.sent, talk.until)
        verdict = verdict._replace(why=verdict.why or why)
    talk.note(type(verdict).__name__.lower(), verdict)
    heard, talk.heard = talk.heard, None
    if exchange.status in (404, 410) or isinstance(verdict, Refuse):
        for url in talk.shortcuts:  # the move that was remembered leads nowhere
            yield Remember(url, None)
    if isinstance(verdict, Refuse):
        if response is not None:
            kept = yield Discard(response, talk.went)
            read = adopt(response, talk.went, talk.past, talk.steps, declined=True, kept=kept)
            vars(verdict.error)["response"] = read  # nothing that was received is lost
        keep_trace(verdict.error, talk.steps)
        return verdict.error
    if isinstance(verdict, Use):
        if response is not None and response is not verdict.response and not is_kept(response):
            yield Discard(response, talk.went)
        aside = heard is not None and heard.response is verdict.response
        answers = heard.request if heard is not None and aside else talk.went
        return adopt(verdict.response, answers, talk.past, talk.steps)
    if response is None:
        assert exchange.error is not None
        if talk.hops:
            about(exchange.error, talk.went)
        keep_trace(exchange.error, talk.steps)
        return exchange.error
    if verdict.tell is not None:
        yield from asked(verdict.tell(talk.went, response))
    if verdict.empty:
        yield Discard(response, talk.went, hard=True)
    status = response.status_code
    declined = status in REDIRECTS and (plan.follow or not _client_can_read(exchange))
    # A client takes what was prepared for the request that it sent itself.
    touched = declined or verdict.why or verdict.empty or talk.went is not talk.sent
    if len(talk.steps) == 1 and not touched and not exchange.interim and status != 511:
        return response
    kept = b"" if verdict.empty else None
    return adopt(response, talk.went, talk.past, talk.steps, declined=declined, kept=kept)


def _client_can_read(exchange: Exchange) -> bool:
    """Whether the client could build the next request from this Location without raising."""
    try:
        assert exchange.response is not None
        hop.resolve(exchange.request.url, exchange.response.headers.get("location", ""))
    except hop.Unusable:
        return False
    return True
