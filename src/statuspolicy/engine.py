"""The one generator: send -> duty -> guard -> discard, wait, again.

It yields effects and knows nothing of sync or async; a driver performs them. What it is
sent back for a Send is a response, or the library's TransportError as a value.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from datetime import timedelta
from inspect import isawaitable
from typing import Any, TypeAlias, TypeVar

from statuspolicy import body, guard, hop, jar
from statuspolicy._lib import Cookies, Request, Response, TransportError
from statuspolicy.effects import Ask, Discard, Effect, Recall, Remember, Send, Spend, Wait
from statuspolicy.exchange import Exchange
from statuspolicy.fields import NO_FIELDS, Fields
from statuspolicy.guard import Path, Permit
from statuspolicy.plan import Plan
from statuspolicy.response import adopt, keep_trace, phrase
from statuspolicy.row import NOTHING, REDIRECTS, Duty
from statuspolicy.trace import REMEMBERED, Step
from statuspolicy.verdicts import Again, Aside, Follow, Refuse, Settle, Use, Verdict

log = logging.getLogger("statuspolicy")

T = TypeVar("T")
Outcome: TypeAlias = Response | TransportError
Flow: TypeAlias = Generator[Effect, Any, T]


def converse(plan: Plan, request: Request, outcome: Outcome | None = None) -> Flow[Response]:
    """One exchange: from the caller's request to the response that is handed over.

    outcome: what the first send brought, where it is there already.
    """
    talk = _Conversation(plan, request)
    while True:
        if outcome is None:
            outcome = yield from talk.send()
        exchange = talk.hear(outcome)
        duty = talk.row.duty
        verdict = yield from talk.decide(duty, exchange)
        looks = 0
        while isinstance(verdict, Aside):
            looks += 1
            exchange, verdict = yield from talk.step_aside(exchange, verdict, looks)
        if isinstance(verdict, (Follow, Again)):
            permit = yield from talk.permit(duty, exchange, verdict)
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
        self.cut = False  # whether a body was lost that was put away
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
        verdict = yield from _asked(duty(exchange))
        if not isinstance(verdict, (Settle, Follow, Again, Aside, Use, Refuse)):
            raise TypeError(
                f"The duty of row {self.row.name}, {duty!r}, answered {verdict!r}: return a "
                "Verdict, such as statuspolicy.Settle() or statuspolicy.Again(exchange.request)."
            )
        return verdict

    def permit(
        self, duty: Duty, exchange: Exchange, verdict: Follow | Again
    ) -> Flow[Permit | Settle | Refuse]:
        self._take_cookies(exchange)
        # A row that names its own number of attempts, as retry(attempts=6) does, means it.
        attempts = getattr(duty, "attempts", None) or exchange.limits.attempts
        permit = guard.permit(exchange, self.path, verdict, self.cookies, attempts)
        if isinstance(permit, Permit):
            objection = yield from self._objection(exchange, verdict, permit)
            return Settle(objection) if objection else permit
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
                passed = adopt(exchange.response, self.sent, [*self.past], self.steps, kept=kept)
                if self.began is not None:
                    passed.elapsed = timedelta(seconds=self.plan.clock.monotonic() - self.began)
                self.past.append(passed)
        if isinstance(verdict, Follow) and verdict.remember:
            url = hop.target(self.sent.url)
            yield Remember(url, str(permit.request.url), verdict.remember)
        if verdict.after:
            yield Wait(verdict.after)
        self.fresh = hard and self.plan.fresh is not None and _is_http2(exchange.response)
        self._take(permit, (*self.answers, exchange.code))

    def step_aside(
        self, exchange: Exchange, verdict: Aside, looks: int
    ) -> Flow[tuple[Exchange, Verdict]]:
        """Send something on the side and decide with its answer.

        What the exchange is about is discarded first, kept readable: only one response is
        open at a time. Its own answer is read too, if it is asked for.
        """
        self._take_cookies(exchange)
        elapsed = self.plan.clock.monotonic() - (self.first_heard or 0.0)
        request = guard.permit_aside(exchange, self.path, verdict, self.cookies, looks, elapsed)
        if isinstance(request, Settle):
            return exchange, request
        self._note("aside", verdict)
        exchange = yield from self._put_away(exchange)
        if verdict.after:
            yield Wait(verdict.after)
        outcome: Outcome = yield Send(request)
        answer = self.hear(outcome, request, exchange)
        if verdict.read:
            answer = yield from self._put_away(answer)
        self._take_cookies(answer)
        decided = yield from self.decide(verdict.then, answer)
        used = isinstance(decided, Use) and decided.response is answer.response
        if answer.response is not None and not verdict.read and not used:
            yield Discard(answer.response, request)
        return exchange, decided

    def end(self, exchange: Exchange, verdict: Settle | Use | Refuse) -> Flow[Response]:
        """Hand over this response or another one, or raise."""
        if self.cut:
            why = f"{verdict.why}; a body above Limits.drain_bytes was not kept for a request aside"
            verdict = verdict._replace(why=why)
        self._note(type(verdict).__name__.lower(), verdict)
        response = exchange.response
        if exchange.status in (404, 410) or isinstance(verdict, Refuse):
            for url in self.shortcuts:  # the move that was remembered leads nowhere
                yield Remember(url, None)
        if isinstance(verdict, Refuse):
            if response is not None:
                kept = yield Discard(response, self.sent)
                read = adopt(response, self.sent, self.past, self.steps, declined=True, kept=kept)
                vars(verdict.error)["response"] = read  # nothing that was received is lost
            keep_trace(verdict.error, self.steps)
            raise verdict.error
        if isinstance(verdict, Use):
            if response is not None and response is not verdict.response:
                yield Discard(response, self.sent)
            return adopt(verdict.response, self.sent, self.past, self.steps)
        if exchange.error is not None or response is None:
            error = exchange.error
            assert error is not None
            keep_trace(error, self.steps)
            raise error
        if verdict.tell is not None:
            yield from _asked(verdict.tell(self.sent, response))
        if verdict.empty:
            yield Discard(response, self.sent, hard=True)
        declined = response.status_code in REDIRECTS and (
            self.plan.follow or not _client_can_read(exchange)
        )
        if len(self.steps) == 1 and not (declined or verdict.why or verdict.empty):
            return response
        return adopt(
            response, self.sent, self.past, self.steps, declined=declined, empty=verdict.empty
        )

    # ── smaller steps ─────────────────────────────────────────────────────────────────

    def _take(self, permit: Permit, answers: tuple[int | str, ...]) -> None:
        self.sent, self.path = permit.request, permit.path
        self.hops += permit.is_hop
        self.answers = () if permit.is_hop else answers

    def _take_cookies(self, exchange: Exchange) -> None:
        if exchange.response is not None and "set-cookie" in exchange.fields:
            self.cookies = Cookies() if self.cookies is None else self.cookies
            jar.extract(self.cookies, exchange.response, exchange.request)

    def _put_away(self, exchange: Exchange) -> Flow[Exchange]:
        """Close a response, with its body kept readable where it fits."""
        response = exchange.response
        if response is None:
            return exchange
        kept = yield Discard(response, exchange.request)
        self.cut = self.cut or kept is None
        read = adopt(response, exchange.request, [*self.past], self.steps, kept=kept or b"")
        return exchange._replace(response=read)

    def _objection(self, exchange: Exchange, verdict: Follow | Again, permit: Permit) -> Flow[str]:
        """Why what the guard permits is not sent all the same; "" where it is."""
        plan, request, response = self.plan, exchange.request, exchange.response
        if isinstance(verdict, Follow) and verdict.confirm and response is not None:
            if plan.confirm is None:
                return f"{request.method} is sent elsewhere only if confirmed: give confirm=..."
            if not (yield from _asked(plan.confirm(request, permit.request, response))):
                return "the application did not confirm it"
        budget = plan.limits.retry_budget
        if isinstance(verdict, Again) and not permit.is_hop and budget is not None:
            # Neither a repeat at the time that the server named nor a request that was
            # amended multiplies an outage.
            invited = exchange.told is not None and exchange.told <= verdict.after
            if not invited and verdict.request is request:
                origin = hop.origin(request.url)
                if not (yield Spend(origin, budget)):
                    return f"the retry budget of {origin} is spent (Limits.retry_budget)"
        return ""

    def _shortcut(self) -> Flow[bool]:
        """Take a permanent move that is remembered; it passes the guard as its hop would."""
        if self.sent.method not in ("GET", "HEAD") or not self.plan.follow:
            return False
        url = hop.target(self.sent.url)
        location = yield Recall(url)
        if location is None:
            return False
        exchange = Exchange(
            self.sent, None, None, NO_FIELDS, self.steps, self.plan.limits, 0.0, hops=self.hops
        )
        permit = guard.permit(exchange, self.path, Follow(location), self.cookies, 1)
        if not isinstance(permit, Permit):
            yield Remember(url, None)
            return False
        self.row, self.heard = self.plan.table.row(301), exchange
        self._note("follow", Settle(f"to {location}, permanently"))
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
