"""The one generator: send -> duty -> guard -> discard, wait, again.

It yields effects and knows nothing of sync or async; a driver performs them. What it is
sent back for a Send is a response, or the library's TransportError as a value. It ends with
the response that is handed over, or with the error that is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from datetime import timedelta
from inspect import isawaitable
from typing import Any, TypeAlias, TypeVar

from statuspolicy.fields import NO_FIELDS, Fields
from statuspolicy.trace import REMEMBERED, Step

from . import body, guard, hop, jar, verdicts
from ._lib import Cookies, Request, Response, TransportError
from .effects import Ask, Discard, Effect, Read, Recall, Remember, Send, Spend, Wait
from .exchange import Exchange
from .guard import Path, Permit
from .plan import Plan
from .response import adopt, is_kept, keep_trace, phrase
from .row import NOTHING, REDIRECTS, Duty
from .verdicts import Again, Aside, Follow, Refuse, Settle, Use, Verdict

log = logging.getLogger("statuspolicy")

T = TypeVar("T")
Outcome: TypeAlias = Response | TransportError
Result: TypeAlias = Response | Exception
Flow: TypeAlias = Generator[Effect, Any, T]


def converse(plan: Plan, request: Request, outcome: Outcome | None = None) -> Flow[Result]:
    """One exchange: from the caller's request to what is handed over, or raised.

    outcome: what the first send brought, where it is there already.
    """
    talk = _Conversation(plan, request)
    while True:
        if outcome is None:
            outcome = yield from talk.send()
        exchange = talk.hear(outcome)
        verdict = yield from talk.decide(talk.row.duty, exchange)
        looks = 0
        while isinstance(verdict, Aside):
            looks += 1
            exchange, verdict = yield from talk.step_aside(exchange, verdict, looks)
        if isinstance(verdict, (Follow, Again)):
            permit = yield from talk.permit(exchange, verdict)
            if isinstance(permit, Permit):
                yield from talk.go_on(exchange, verdict, permit)
                outcome = None
                continue
            verdict = permit
        return (yield from talk.end(exchange, verdict))


class _Conversation:
    """All that one exchange knows; nothing of it outlives the exchange but the trace."""

    def __init__(self, plan: Plan, request: Request) -> None:
        self.plan = plan
        self.sent = body.carry(request, plan.limits)
        self.cookies = None if plan.cookies is None else plan.cookies()
        self.path = Path(request.url, cookies=jar.own(self.cookies, request))
        self.steps: tuple[Step, ...] = ()
        self.past: list[Response] = []  # what another request answered: response.history
        self.answers: tuple[int | str, ...] = ()  # to the request that is being sent
        self.hops = 0
        self.fresh = False
        self.began = plan.began
        self.first_heard: float | None = None
        self.shortcuts: list[str] = []  # remembered moves that were taken
        self.row = NOTHING  # of the answer heard last
        self.heard: Exchange | None = None

    def send(self) -> Flow[Outcome]:
        while self.plan.memory.moves and not self.answers:
            if not (yield from self._shortcut()):
                break
        self.began = self.plan.clock.monotonic()
        outcome: Outcome = yield Send(self.sent, self.fresh)
        return outcome

    def hear(
        self, outcome: Outcome, request: Request | None = None, main: Exchange | None = None
    ) -> Exchange:
        """What a duty is to see of an answer; `request` and `main` where it came on the side."""
        plan, response = self.plan, outcome if isinstance(outcome, Response) else None
        heard = plan.clock.monotonic()
        if self.first_heard is None:
            self.first_heard = heard
        self.row = plan.table.match(outcome)
        self.heard = Exchange(
            request=self.sent if request is None else request,
            response=response,
            error=outcome if isinstance(outcome, TransportError) else None,
            fields=NO_FIELDS if response is None else Fields(response.headers.raw),
            steps=self.steps,
            limits=plan.limits,
            now=plan.clock.time(),
            elapsed=heard - self.first_heard,
            answers=self.answers,
            hops=self.hops,
            main=main,
            can_ask=plan.confirm is not None,
            can_renew=plan.fresh is not None or not _is_http2(response),
        )
        return self.heard

    def decide(self, duty: Duty, exchange: Exchange) -> Flow[Verdict]:
        if not self.plan.follow and exchange.redirected:
            return Settle()  # the call said follow_redirects=False
        verdict: Verdict = yield from _asked(duty(exchange))
        verdicts.check(verdict, f"The duty of row {self.row.name}, {duty!r},")
        return verdict

    def permit(self, exchange: Exchange, verdict: Follow | Again) -> Flow[Permit | Settle | Refuse]:
        """What the guard says, and after it those who have to be asked."""
        self._take_cookies(exchange)
        permit = guard.permit(self._as_of_now(exchange), self.path, verdict, self.cookies)
        if not isinstance(permit, Permit):
            return permit
        request, response = exchange.request, exchange.response
        if isinstance(verdict, Follow) and verdict.confirm and response is not None:
            if self.plan.confirm is None:
                return Settle(f"{request.method} goes elsewhere only if confirmed: give confirm=")
            if not (yield from _asked(self.plan.confirm(request, permit.request, response))):
                return Settle("the application did not confirm it")
            try:
                guard.in_time(self._as_of_now(exchange), verdict.after)
            except guard.No as late:
                return Settle(str(late))
        budget = exchange.limits.retry_budget
        if permit.costs and budget is not None:
            origin = hop.origin(request.url)
            if not (yield Spend(origin, budget)):
                return Settle(f"the retry budget of {origin} is spent (Limits.retry_budget)")
        return permit

    def go_on(self, exchange: Exchange, verdict: Follow | Again, permit: Permit) -> Flow[None]:
        """To the next request: discard this answer, wait, and take the step."""
        if permit.is_hop and not verdict.why:
            verdict = verdict._replace(why=f"to {hop.target(permit.request.url)}")
        self._note("follow" if permit.is_hop else "repeat", verdict)
        hard = isinstance(verdict, Again) and verdict.fresh
        if exchange.response is not None:
            kept = yield Discard(exchange.response, self.sent, hard)
            if permit.is_hop:
                past = [*self.past]
                passed = adopt(
                    exchange.response, self.sent, past, self.steps, kept=kept, passed=True
                )
                if self.began is not None:
                    passed.elapsed = timedelta(seconds=self.plan.clock.monotonic() - self.began)
                self.past.append(passed)
        if isinstance(verdict, Follow) and verdict.remember and exchange.status is not None:
            # As the server wrote it: the fragment is each caller's own.
            leads_to = str(permit.request.url)
            if "#" not in str(verdict.url):
                leads_to = leads_to.partition("#")[0]
            move = (exchange.status, leads_to)
            yield Remember(hop.target(self.sent.url), move, verdict.remember)
        if verdict.after:
            yield Wait(verdict.after)
        self.fresh = hard and self.plan.fresh is not None and _is_http2(exchange.response)
        self._take(permit, (*self.answers, exchange.code))

    def step_aside(
        self, exchange: Exchange, verdict: Aside, looks: int
    ) -> Flow[tuple[Exchange, Verdict]]:
        """Send something on the side and decide with its answer.

        What the exchange is about is read and closed first: only one response is open at a
        time, and a pool may have only one connection.
        """
        self._take_cookies(exchange)
        now = self._as_of_now(exchange)
        request = guard.permit_aside(now, self.path, verdict, self.cookies, looks)
        if isinstance(request, Settle):
            return exchange, request
        exchange = yield from self._put_away(exchange)
        if exchange.response is not None and not is_kept(exchange.response):
            return exchange, Settle(
                "its body does not end within Limits.drain_bytes: nothing is asked on the side"
            )
        self._note("aside", verdict)
        if verdict.after:
            yield Wait(verdict.after)
        outcome: Outcome = yield Send(request)
        answer = self.hear(outcome, request, exchange)
        self._take_cookies(answer)
        if verdict.read:
            answer = self.heard = yield from self._put_away(answer)
        decided = yield from self.decide(verdict.then, answer)
        response = answer.response
        used = isinstance(decided, Use) and decided.response is response
        if response is not None and not used and not is_kept(response):
            yield Discard(response, request)
        return exchange, decided

    def end(self, exchange: Exchange, verdict: Settle | Use | Refuse) -> Flow[Result]:
        """What is handed over, or raised."""
        self._note(type(verdict).__name__.lower(), verdict)
        response, heard, self.heard = exchange.response, self.heard, None
        if exchange.status in (404, 410) or isinstance(verdict, Refuse):
            for url in self.shortcuts:  # the move that was remembered leads nowhere
                yield Remember(url, None)
        if isinstance(verdict, Refuse):
            if response is not None:
                kept = yield Discard(response, self.sent)
                read = adopt(response, self.sent, self.past, self.steps, declined=True, kept=kept)
                vars(verdict.error)["response"] = read  # nothing that was received is lost
            keep_trace(verdict.error, self.steps)
            return verdict.error
        if isinstance(verdict, Use):
            if response is not None and response is not verdict.response and not is_kept(response):
                yield Discard(response, self.sent)
            aside = heard is not None and heard.response is verdict.response
            answers = heard.request if heard is not None and aside else self.sent
            return adopt(verdict.response, answers, self.past, self.steps)
        if response is None:
            assert exchange.error is not None
            keep_trace(exchange.error, self.steps)
            return exchange.error
        if verdict.tell is not None:
            yield from _asked(verdict.tell(self.sent, response))
        if verdict.empty:
            yield Discard(response, self.sent, hard=True)
        status = response.status_code
        declined = status in REDIRECTS and (self.plan.follow or not _client_can_read(exchange))
        untouched = len(self.steps) == 1 and not (declined or verdict.why or verdict.empty)
        if untouched and status != 511:
            return response
        kept = b"" if verdict.empty else None
        return adopt(response, self.sent, self.past, self.steps, declined=declined, kept=kept)

    # ── smaller steps ─────────────────────────────────────────────────────────────────

    def _as_of_now(self, exchange: Exchange) -> Exchange:
        """An exchange whose `elapsed` counts what was asked and awaited since it was heard."""
        first = self.first_heard or 0.0
        return exchange._replace(elapsed=self.plan.clock.monotonic() - first)

    def _take(self, permit: Permit, answers: tuple[int | str, ...]) -> None:
        self.sent, self.path = permit.request, permit.path
        self.hops += permit.is_hop
        self.answers = () if permit.is_hop else answers

    def _take_cookies(self, exchange: Exchange) -> None:
        if exchange.response is not None and "set-cookie" in exchange.fields:
            self.cookies = Cookies() if self.cookies is None else self.cookies
            jar.extract(self.cookies, exchange.response, exchange.request)

    def _put_away(self, exchange: Exchange) -> Flow[Exchange]:
        """Read a response and close it; one that is too long stays open, and whole."""
        response = exchange.response
        if response is None or is_kept(response):
            return exchange
        kept = yield Read(response)
        if kept is None:
            return exchange
        read = adopt(response, exchange.request, [*self.past], self.steps, kept=kept)
        return exchange._replace(response=read)

    def _shortcut(self) -> Flow[bool]:
        """Take a permanent move that is remembered, where its row's duty would follow it now.

        It passes the guard as its hop would.
        """
        if self.sent.method not in ("GET", "HEAD") or not self.plan.follow:
            return False
        url = hop.target(self.sent.url)
        move = yield Recall(url)
        if move is None:
            return False
        code, location = move
        moved = Response(code, headers={"location": location})
        exchange = Exchange(
            self.sent,
            moved,
            None,
            Fields(moved.headers.raw),
            self.steps,
            self.plan.limits,
            self.plan.clock.time(),
            hops=self.hops,
        )
        self.row, self.heard = self.plan.table.row(code), exchange._replace(response=None)
        verdict = yield from self.decide(self.row.duty, exchange)
        if not isinstance(verdict, Follow):
            return False
        permit = guard.permit(exchange, self.path, verdict, self.cookies)
        if not isinstance(permit, Permit):
            yield Remember(url, None)
            return False
        self._note("follow", Settle(f"to {hop.target(permit.request.url)}, since {code}"))
        self.shortcuts.append(url)
        self._take(permit, ())
        return True

    def _note(self, kind: str, verdict: Verdict) -> None:
        """One step of the trace, about what was heard last, and its line in the log."""
        row, heard = self.row, self.heard
        assert heard is not None
        words = phrase(heard.response) if heard.response is not None else str(heard.error or "")
        step = Step(
            method=heard.request.method,
            url=hop.target(heard.request.url),
            code=heard.code or REMEMBERED,
            phrase=words,
            row=row.name,
            citation=row.citation,
            verdict=kind,
            wait=getattr(verdict, "after", 0.0),
            reason=verdict.why,
        )
        self.steps = (*self.steps, step)
        log.log(logging.DEBUG if kind in ("settle", "use") else logging.INFO, "%s", step)


def _asked(answer: Any) -> Flow[Any]:
    """What an application answers, waited for where it has to be."""
    if isawaitable(answer):
        answer = yield Ask(answer)
    return answer


def _is_http2(response: Response | None) -> bool:
    return response is not None and response.extensions.get("http_version") == b"HTTP/2"


def _client_can_read(exchange: Exchange) -> bool:
    """Whether the client could build the next request from this Location without raising."""
    try:
        hop.resolve(exchange.request.url, exchange.fields.get("location") or "")
    except hop.Unusable:
        return False
    return True
