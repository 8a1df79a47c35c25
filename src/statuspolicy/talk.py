"""All that one exchange knows while it is under way, and the smallest steps with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from functools import partial
from inspect import isawaitable
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from statuspolicy import body, hop, jar, verdicts
from statuspolicy.effects import Ask, Effect, Reply
from statuspolicy.events import Decision, Event, Settled
from statuspolicy.exchange import Exchange
from statuspolicy.fields import NO_FIELDS, Fields
from statuspolicy.guard import Path, drops
from statuspolicy.httpx_internals import request_of
from statuspolicy.library import ANY, LIBRARY_OF
from statuspolicy.methods import SAFE
from statuspolicy.notes import joined
from statuspolicy.plan import Plan
from statuspolicy.printable import PART, given, log, name_of, printable
from statuspolicy.redact import redact
from statuspolicy.response import TRACE, kept_trace, phrase
from statuspolicy.row import NOTHING, Duty
from statuspolicy.trace import NOT_SENT, REMEMBERED, Step, Trace
from statuspolicy.verdicts import Settle, Verdict

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport, BaseTransport, Request, Response

    from statuspolicy.visit import Visit


_MAYBE = "an earlier send of the request may have been acted on"
_A_MOMENT = 0.001  # seconds that are no delay

T = TypeVar("T")
Result: TypeAlias = "Response | Exception"
Flow: TypeAlias = Generator[Effect, Any, T]


class Talk:
    """The state of one exchange; nothing of it outlives the exchange but the trace."""

    def __init__(self, plan: Plan, request: Request) -> None:
        self.plan = plan
        self.sent = self.went = body.carry(request, plan.limits)  # `went` as it was prepared
        self.cookies = None if plan.cookies is None else plan.cookies()
        own = jar.own(self.cookies, request)
        self.path = Path(
            request.url, cookies=own, target=hop.target(request.url), abroad=plan.abroad
        )
        self.steps: tuple[Step, ...] = ()
        self.past: list[Response] = []  # what another request answered: response.history
        self.answers: tuple[int | str, ...] = ()  # to the request that is being sent
        self.hops = 0
        self.fresh = False
        self.over: BaseTransport | AsyncBaseTransport | None = None  # for the next send alone
        self.began = plan.sent
        self.until = self._end()
        self.first_heard: float | None = None
        # No sooner than that is it now: whoever waits and asks a clock that stands still (a
        # frozen one in a test) how long to wait on would wait for ever.
        self.earliest = -inf
        # Redirects that were remembered or taken from what is: their URLs, also as the cache's key.
        self.shortcuts: list[tuple[str, str]] = []
        # What was to be sent before the first remembered move was taken, its path and so on.
        self.fork: tuple[Request, Path, int, int, bool] | None = None
        self.straight = False  # whether no remembered move is taken any more
        self.spent: str | None = None  # the origin whose budget the last repeat took from
        self.row = NOTHING  # of the answer heard last
        self.user = plan.user
        self.visit: Visit | None = None  # to the cache, of the request that is being sent
        self.heard: Exchange | None = None
        self.noted: bool | None = None  # whether there is a step of it; None before an answer
        self.doubt = False  # whether an earlier send may have been acted on
        self.in_turn = False  # whether others wait for what this exchange is at

    def _end(self) -> float | None:
        """When all has to be over, on the monotonic clock."""
        total, began = self.plan.limits.total, self.plan.began
        if total is None:
            return None
        return (self.plan.clock.monotonic() if began is None else began) + total

    def now(self) -> float:
        """The monotonic clock, what was waited included where that stands still."""
        return max(self.plan.clock.monotonic(), self.earliest)

    def hear(
        self, reply: Reply, request: Request | None = None, main: Exchange | None = None
    ) -> Exchange:
        """What a duty is to see of an answer; `request` and `main` where it came on the side."""
        plan, outcome = self.plan, reply.outcome
        response = outcome if isinstance(outcome, ANY.Response) else None
        if isinstance(outcome, Exception):
            redact(outcome, request or self.went, plan.limits.sensitive)
        heard = plan.clock.monotonic()
        heard = max(heard, self.earliest)
        self.earliest = heard
        if self.first_heard is None:
            self.first_heard = heard
        self.row, self.noted = plan.table.match(outcome), False
        self.heard = Exchange(
            self.sent if request is None else request,
            response,
            None if isinstance(outcome, ANY.Response) else outcome,
            NO_FIELDS if response is None else Fields(response.headers.raw),
            self.steps,
            plan.limits,
            plan.clock.time(),
            heard - self.first_heard,
            self.answers,
            self.hops,
            main,
            can_ask=plan.confirm is not None,
            can_renew=plan.fresh is not None or not is_http2(response),
            can_sign=plan.prepare is not None,
            reused=reply.reused,
            unsent=reply.unsent,
            begun=reply.begun,
            left=inf if self.until is None else self.until - heard,
            abroad=self._abroad(request),
            proxied=response is not None
            and response.status_code in (305, 407)
            and self._proxied(request or self.sent),
            can_await=plan.is_async,
            duty=self.row.duty,
            interim=reply.interim,
            began=reply.began,
            maybe_acted_on=self.doubt and request is None and self.sent.method not in SAFE,
        )
        return self.heard

    def _abroad(self, aside: Request | None) -> bool:
        """Whether what was asked is not at home, so that the guard lets no credentials go there."""
        away = self.path.abroad
        if aside is not None:
            away = away or not hop.same_origin(self.path.home, aside.url)
        return away and drops(self.plan.limits, away)

    def _proxied(self, request: Request) -> bool:
        asked = self.plan.proxied
        return asked is not None and asked(request.url)

    def decide(self, duty: Duty, exchange: Exchange) -> Flow[Verdict]:
        """What a duty answers, once it is sure that it is a verdict."""
        if self.plan.follow is False and exchange.redirected:
            return Settle()  # the call said follow_redirects=False
        if exchange.request.method == "CONNECT" and 200 <= (exchange.status or 0) < 300:
            # RFC 9110 §9.3.6: a tunnel begins after "the blank line that concludes the […]
            # header section"; Content-Length and the like say nothing.
            return Settle()
        try:
            verdict: Any = duty(exchange)
            if type(verdict) not in verdicts.KINDS:
                verdict = yield from self._answer(verdict, partial(self.raised, "the duty", duty))
            verdicts.check(
                verdict,
                exchange.request,
                lambda: f"The duty of row {self.row.name}, {given(duty)},",
            )
        except Exception as error:
            read = exchange.response
            if (
                isinstance(error, ANY.DecodingError)
                and read
                and request_of(read) is request_of(error)
            ):
                return Settle(str(error))  # a callable of the application asked for its content
            self.raised("the duty", duty, error)
            raise
        return verdict  # type: ignore[no-any-return]

    def call(self, what: str, call: Callable[..., Any], *given: Any) -> Flow[Any]:
        """What a callable of the application answers; what it raises gets the trace."""
        raised = partial(self.raised, what, call)
        try:
            answer = call(*given)
        except Exception as error:
            raised(error)
            raise
        return (yield from self._answer(answer, raised))

    def _answer(self, answer: Any, raised: Callable[[Exception], object]) -> Flow[Any]:
        """An application's answer, waited for where it has to be."""
        if isawaitable(answer):
            answer = yield Ask(answer, raised)
        return answer

    def raised(self, what: str, call: Any, error: Exception) -> None:
        """Put the trace on what a callable of the application raised; its last step names that.

        What came out of an exchange of its own has one.
        """
        if isinstance(error, ANY.RequestError) and kept_trace(error) is not None:
            return
        if what == "the duty" and self.heard is not None and self.heard.main is None:
            call = self.row.duty  # what it wants done once the body was read has no name
        of = f" of row {self.row.name}" if what == "the duty" else ""
        why = f"{what}{of}, {name_of(call)}, raised {type(error).__name__}"
        if self.noted is None:
            url = hop.target(self.sent.url)
            self.add(Step(self.sent.method, url, NOT_SENT, "", "", "", "raise", reason=why))
        elif self.noted:
            *before, last = self.steps
            self.steps = (*before, last._replace(verdict="raise", reason=joined(last.reason, why)))
        else:
            self.note("raise", Settle(), why)
        vars(error)[TRACE] = Trace(self.steps)

    def as_of_now(self, exchange: Exchange) -> Exchange:
        """An exchange that knows how long it was asked and awaited since it was heard."""
        now = self.plan.clock.monotonic()
        now = max(now, self.earliest)
        if now - (self.first_heard or 0.0) - exchange.elapsed < _A_MOMENT:
            return exchange
        left = inf if self.until is None else self.until - now
        return exchange._replace(elapsed=now - (self.first_heard or 0.0), left=left)

    def take_cookies(self, exchange: Exchange) -> None:
        """Into the jar, before anything is decided by it."""
        if exchange.response is not None and "set-cookie" in exchange.fields:
            if self.cookies is None:
                self.cookies = LIBRARY_OF[type(exchange.request)].Cookies()
            jar.extract(self.cookies, exchange.response, exchange.request)

    # ── what is told ──────────────────────────────────────────────────────────────────

    def note(self, kind: str, verdict: Verdict, why: str, budget: float | None = None) -> None:
        """One step of the trace, about what was heard last, and its line in the log."""
        row, heard, self.noted = self.row, self.heard, True
        assert heard is not None
        resumed = self.plan.answered is not None and not self.steps
        words = phrase(heard.response) if heard.response is not None else str(heard.error or "")
        request = heard.request
        aside = request is not self.sent
        why = joined(why, _MAYBE) if heard.maybe_acted_on else why
        # What a server wrote is in both; most of it is short and plain, which is told at once.
        if len(why) > PART or "@" in why or not f"{words}{why}".isprintable():
            words, why = printable(words), printable(why)
        step = Step(
            request.method,
            hop.target(request.url) if aside else self.path.target,
            REMEMBERED if resumed else heard.code or REMEMBERED,
            words,
            row.name,
            row.citation,
            kind,
            wait=getattr(verdict, "after", 0.0),
            reason=why,
            told=heard.told,
            budget=budget,
            cache="" if self.visit is None or aside else str(self.visit.status),
            interim=heard.interim,
        )
        self.add(step)

    def add(self, step: Step) -> None:
        """A step of the trace."""
        self.steps = (*self.steps, step)
        logged(step)
        if self.plan.observer is not None:
            self.tell(Decision, step)

    def tell(self, event: type[Event], *values: Any) -> None:
        """Tell the observer; what it raises is its own affair."""
        if self.plan.observer is None:
            return
        try:
            self.plan.observer(event(*values))
        except Exception:
            log.exception("The observer failed, and the exchange goes on.")

    def tell_the_end(self, result: Result) -> Result:
        """Tell the observer what is handed over or raised."""
        if self.plan.observer is None:
            return result
        response, error = (result, None) if isinstance(result, ANY.Response) else (None, result)
        self.tell(Settled, self.went, response, error, Trace(self.steps))
        return result


def logged(step: Step) -> None:
    """A step's line in the log."""
    level = logging.DEBUG if step.verdict in ("settle", "use") else logging.INFO
    if log.isEnabledFor(level):
        log.log(level, "%s", step)


def is_http2(response: Response | None) -> bool:
    """Whether closing a response unread leaves its connection as it is."""
    return response is not None and response.extensions.get("http_version") == b"HTTP/2"
