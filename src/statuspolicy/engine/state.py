"""The state of one exchange, and the smallest steps that change it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from statuspolicy.engine.effects import Ask, Effect, Release, Reply, Send
from statuspolicy.engine.narration import Narrator, Result
from statuspolicy.engine.path import ELSEWHERE, Path, Permit, drops_credentials, gives_back
from statuspolicy.fields.methods import SAFE, WITHOUT_CONTENT
from statuspolicy.fields.section import NO_FIELDS, Fields
from statuspolicy.message import body, cookies, redirected
from statuspolicy.message.redact import redact
from statuspolicy.message.response import adopt
from statuspolicy.policy import verdicts
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.table import NOTHING, Duty, Row
from statuspolicy.policy.verdicts import Settle, Verdict
from statuspolicy.printable import given
from statuspolicy.wire.httpx_internals import lines, request_of, target
from statuspolicy.wire.library import ANY, BYTE_STREAMS, LIBRARY_OF

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport, BaseTransport, Request, Response

    from statuspolicy.engine.cache_lookup import CacheLookup
    from statuspolicy.engine.config import Config
    from statuspolicy.memory.cooldowns import Cooldown
    from statuspolicy.policy.limits import RetryBudget

__all__ = ["ExchangeState", "Flow", "Result", "is_http2", "released"]

_A_MOMENT = 0.001  # seconds that are no delay

T = TypeVar("T")
Flow: TypeAlias = Generator[Effect, Any, T]


class ExchangeState(Narrator):
    """The state of one exchange; nothing of it outlives the exchange but the trace.

    Attributes with the same first value in each exchange are set in the class.
    """

    config: Config
    lookup: CacheLookup | None = None
    row: Row = NOTHING
    past: tuple[Response, ...] = ()  # the responses before this one: response.history
    answers: tuple[int | str, ...] = ()  # to the current request, as codes
    hops = 0
    fresh = False
    over: BaseTransport | AsyncBaseTransport | None = None  # only for the next send
    began: float | None = None  # when the request was sent, on the monotonic clock
    until: float | None = None  # when the exchange has to end, on the monotonic clock
    first_response_time: float | None = None
    # The earliest value of `now`: with a clock that stands still (a frozen one in a test), a wait
    # would otherwise never end.
    earliest = -inf
    # The permanent redirects that were remembered or used: their URLs, and their keys in the cache.
    moves_taken: tuple[tuple[str, str], ...] = ()
    # The request before the first remembered move, with the path and so on, to go back to it.
    before_moves: tuple[Request, Path, int, int, bool] | None = None
    ignores_moves = False  # whether no more remembered moves are used
    # The budget of the last token, and the origin that this exchange may probe. A cancelled
    # exchange gives both back, so they are noted before they are taken.
    spent: tuple[str, RetryBudget] | None = None
    approached: tuple[str, float] | None = None
    maybe_acted_on = False  # whether an earlier send may have been acted on
    holds_lock = False  # whether this exchange holds a lock

    def __init__(self, config: Config, request: Request, lookup: CacheLookup | None = None) -> None:
        self.config = config
        if type(request.stream) not in BYTE_STREAMS or body.FACTORY in request.extensions:
            request = body.carry(request, config.limits.replay_bytes)
        self.sent = self.went = request  # `went` as it was prepared
        self.cookies = None if config.cookies is None else config.cookies()
        self.path = Path(
            request.url,
            (),
            config.abroad,
            0,
            cookies.own(self.cookies, request),
            None,
            target(request.url),
        )
        self.user = config.user
        if lookup is not None:
            self.lookup, self.user = lookup, lookup.user
        if config.limits.total is not None:
            began = config.clock.monotonic() if config.began is None else config.began
            self.until = began + config.limits.total
        # Whether an answer may take the fast path (engine/fast_path.py).
        self.fast = config.fast and ELSEWHERE.isdisjoint(request.extensions)

    def send(self, conditional: Request | None = None) -> Send:
        """The effect that sends the request; `began` says when.

        conditional: the same with the conditions of the cache.
        """
        self.began = self.config.clock.monotonic()
        sent = self.sent
        # (An iterator of a body may have to be closed.)
        still = sent.method in WITHOUT_CONTENT and type(sent.stream) in BYTE_STREAMS
        plain = self.fast and not self.fresh and still
        return Send(conditional or self.went, self.fresh, self.until, self.over, plain)

    def now(self) -> float:
        """The time on the monotonic clock; with one that stands still, the waits are added."""
        return max(self.config.clock.monotonic(), self.earliest)

    def snapshot(
        self, reply: Reply, request: Request | None = None, main: Exchange | None = None
    ) -> Exchange:
        """The Exchange for a response or failure; `request` and `main` for a side request."""
        config, outcome = self.config, reply.outcome
        response = outcome if isinstance(outcome, ANY.Response) else None
        if isinstance(outcome, Exception):
            redact(outcome, request or self.went, config.limits.sensitive)
        response_time = config.clock.monotonic()
        response_time = max(response_time, self.earliest)
        self.earliest = response_time
        if self.first_response_time is None:
            self.first_response_time = response_time
        self.row, self.noted = config.table.match(outcome), False
        values: dict[str, Any] = {
            "request": self.sent if request is None else request,
            "response": response,
            "error": None if response is not None else outcome,
            "fields": NO_FIELDS if response is None else Fields.of(lines(response.headers)),
            "steps": self.steps,
            "limits": config.limits,
            "now": config.clock.time(),
            "elapsed": response_time - self.first_response_time,
            "answers": self.answers,
            "hops": self.hops,
            "can_renew": config.fresh is not None or not is_http2(response),
            "can_await": config.is_async,
            "duty": self.row.duty,
        }
        # Most values are the default, and left out.
        if main is not None:
            values["main"] = main
        if config.confirm is not None:
            values["can_ask"] = True
        if config.prepare is not None:
            values["can_sign"] = True
        if reply.reused or reply.unsent or reply.begun:
            values["reused"], values["unsent"] = reply.reused, reply.unsent
            values["begun"] = reply.begun
        if reply.interim or reply.began:
            values["interim"], values["began"] = reply.interim, reply.began
        if self.until is not None:
            values["left"] = self.until - response_time
        if request is not None or self.path.abroad:
            values["abroad"] = self._abroad(request)
        if response is not None and response.status_code in (305, 407):
            values["proxied"] = self._proxied(request or self.sent)
        if self.maybe_acted_on and request is None and self.sent.method not in SAFE:
            values["maybe_acted_on"] = True
        self.exchange = Exchange._of(values)
        return self.exchange

    def _abroad(self, aside: Request | None) -> bool:
        """Whether the request was cross-origin, so that the guard sends no credentials with it."""
        away = self.path.abroad
        if aside is not None:
            away = away or not redirected.same_origin(self.path.home, aside.url)
        return away and drops_credentials(self.config.limits, away)

    def _proxied(self, request: Request) -> bool:
        asked = self.config.proxied
        return asked is not None and asked(request.url)

    def as_of_now(self, exchange: Exchange) -> Exchange:
        """A copy of an exchange with the time that has passed since its response."""
        now = self.config.clock.monotonic()
        now = max(now, self.earliest)
        if now - (self.first_response_time or 0.0) - exchange.elapsed < _A_MOMENT:
            return exchange
        left = inf if self.until is None else self.until - now
        return exchange._replace(elapsed=now - (self.first_response_time or 0.0), left=left)

    def take_cookies(self, exchange: Exchange) -> None:
        """Store the cookies of a response, before a duty decides about it."""
        if exchange.response is not None and "set-cookie" in exchange.fields:
            self.store_cookies(exchange.response, exchange.request)

    def store_cookies(self, response: Response, request: Request) -> None:
        """Store the cookies that a response to this request sets."""
        if self.cookies is None:
            self.cookies = LIBRARY_OF[type(request)].Cookies()
        cookies.extract(self.cookies, response, request)

    def passed(self, answer: Response, request: Request, kept: bytes | None) -> None:
        """Add a response to the history. kept: its raw body, if it was read."""
        past = adopt(answer, request, self.past, self.steps, kept=kept, passed=True)
        if self.began is not None:
            past.elapsed = timedelta(seconds=self.config.clock.monotonic() - self.began)
        self.past = (*self.past, past)

    def take(self, permit: Permit, answers: tuple[int | str, ...]) -> None:
        """Make a request the current one."""
        self.sent = self.went = permit.request
        self.path, self.lookup, self.noted = permit.path, None, None
        self.hops += permit.is_hop
        self.answers = () if permit.is_hop else answers

    # ── the memory ────────────────────────────────────────────────────────────────────

    def spend(self, origin: str, budget: RetryBudget) -> float | None:
        """Take a token from a retry budget; returns how many are left, None for an empty one."""
        self.spent = origin, budget  # before it is taken: a cancelled exchange gives it back
        left = self.config.memory.spend(origin, budget, self.config.clock.monotonic())
        if left is None:
            self.spent = None
        return left

    def refund(self, status: int | None) -> None:
        """Give the token of a repeat that succeeded back to the origin's budget."""
        if self.spent is not None:
            if gives_back(status):
                self.config.memory.refund(*self.spent)
            self.spent = None

    def approach(self, origin: str) -> Cooldown | None:
        """The wait of the next request to an origin; None where it may be sent now."""
        now = self.now()
        self.approached = origin, now  # before the call: as above
        met = self.config.memory.approach(origin, now)
        if met is not None:
            self.approached = None
        return met

    def give_back(self) -> None:
        """Give back the token and the probe of a send that gets no response any more."""
        memory, spent, approached = self.config.memory, self.spent, self.approached
        if spent is not None:
            memory.refund(*spent)
        if approached is not None:
            memory.abandon(*approached)
        self.spent = self.approached = None

    # ── callables of the application ──────────────────────────────────────────────────

    def decide(self, duty: Duty, exchange: Exchange) -> Flow[Verdict]:
        """The verdict of a duty; raises TypeError if it returned something else."""
        if self.config.follow is False and exchange.redirected:
            return Settle()  # the call said follow_redirects=False
        if exchange.request.method == "CONNECT" and 200 <= (exchange.status or 0) < 300:
            # RFC 9110 §9.3.6: a tunnel begins after "the blank line that concludes the […]
            # header section"; Content-Length and the like say nothing.
            return Settle()
        try:
            verdict: Any = duty(exchange)
            if type(verdict) not in verdicts.VERDICTS:
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
        """The result of a callable of the application; an exception of it gets the trace."""
        raised = partial(self.raised, what, call)
        try:
            answer = call(*given)
        except Exception as error:
            raised(error)
            raise
        return (yield from self._answer(answer, raised))

    def _answer(self, answer: Any, raised: Callable[[Exception], object]) -> Flow[Any]:
        """The result of a callable, awaited if it is an awaitable."""
        if isawaitable(answer):
            answer = yield Ask(answer, raised)
        return answer


def released(state: ExchangeState) -> Flow[None]:
    """Release the lock, if this exchange holds one."""
    if state.holds_lock:
        state.holds_lock = False
        yield Release()


def is_http2(response: Response | None) -> bool:
    """Whether a response came over HTTP/2, so that closing it unread keeps its connection open."""
    return response is not None and response.extensions.get("http_version") == b"HTTP/2"
