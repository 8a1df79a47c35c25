"""What happens most, without the engine: repeats at once, and redirects on the same origin.

Such an answer leaves nothing to ask and nothing to wait for: the duty is one of the library's
own, and what the guard looks at is seen at a glance. Whatever is not as plain as that, be it in
the middle of an exchange, is the engine's, which goes on from there. Both tell the same story:
`tests/test_straight.py` lets random servers tell it to both.
"""

from __future__ import annotations

from datetime import timedelta
from logging import INFO
from typing import TYPE_CHECKING

from statuspolicy import body, guard, hop, jar
from statuspolicy.evidence import hinted
from statuspolicy.httpx_internals import lines, same_place, target
from statuspolicy.library import ANY, BYTE_STREAMS
from statuspolicy.plan import Plan
from statuspolicy.printable import log
from statuspolicy.response import adopt, phrase
from statuspolicy.talk import Talk, logged
from statuspolicy.trace import Step
from statuspolicy.ways import Way, Ways
from statuspolicy.wire import HINTED, PINS

if TYPE_CHECKING:
    from httpx import Request, Response

# What an answer may say that has to be thought about; two of these are read here.
_SAYS = frozenset(
    {
        b"location", b"ratelimit", b"ratelimit-remaining", b"ratelimit-reset", b"retry-after",
        b"retry-after-ms", b"set-cookie", b"x-ratelimit-remaining", b"x-ratelimit-reset",
    }
)  # fmt: skip
# The same of one that is handed over.
_SAYS_AT_LAST = frozenset({b"deprecation", b"retry-after", b"retry-after-ms", b"sunset"})
# What the engine sees to, in the extensions of a request.
_ELSEWHERE = frozenset({PINS, body.FACTORY})


class Straight:
    """One exchange that goes straight on, from its first answer that isn't handed over.

    request: the one that was sent last.
    holds: whether the last answer is to be discarded before the next is sent.
    """

    holds = False
    _led: tuple[tuple[Request, str], ...] = ()  # what redirects were answered to, and its target
    _past: tuple[Response, ...] = ()
    _steps: tuple[Step, ...] = ()
    _sent = 1  # how often this request was
    _first_heard: float | None = None
    _spent: str | None = None

    def __init__(self, plan: Plan, request: Request, known: Ways) -> None:
        self.plan = plan
        self.request = self._next = request
        self._target = target(request.url)
        self._began = plan.sent
        self._ways = known.staying if plan.follow is False else known
        self._ends = known.ends
        self._logs = log.isEnabledFor(INFO)

    def onward(self, response: Response) -> Request | None:
        """The next request; None where the engine has to see to this answer."""
        way, plan = self._ways.get(response.status_code), self.plan
        if way is None or plan.memory.cooling or (HINTED and hinted(response)):
            return None
        told = location = None
        for _, name, value in lines(response.headers):
            if name not in _SAYS:
                continue
            if name == b"retry-after" and told is None and value == b"0":
                told = 0.0
            elif name == b"location" and location is None:
                location = value
            else:
                return None
        now = plan.clock.monotonic()
        if self._first_heard is None:
            self._first_heard = now
            if not _ELSEWHERE.isdisjoint(self.request.extensions):
                return None
        elif now - self._first_heard > plan.limits.deadline:
            return None
        stream = response.stream
        at_hand = response.is_closed and type(stream) in BYTE_STREAMS
        if self._spent is not None:
            self._refund(self._spent, response.status_code)
        if way.attempts:
            if not self._repeats(response, way, told, now):
                return None
            self._began = now
        else:
            if location is None or not self._follows(response, way, told, location):
                return None
            if at_hand:
                assert isinstance(stream, ANY.ByteStream)
                self.discarded(response, b"".join(stream))
        self.holds = not at_hand
        return self._next

    def discarded(self, response: Response, kept: bytes | None) -> None:
        """An answer was discarded, and the next request is about to be sent.

        kept: its raw body, where it was read.
        """
        request, self.request, self.holds = self.request, self._next, False
        now = self.plan.clock.monotonic()
        if request is not self.request:
            past, steps = self._past, self._steps
            passed = adopt(response, request, past, steps, kept=kept, passed=True)
            if self._began is not None:
                passed.elapsed = timedelta(seconds=now - self._began)
            self._past = (*past, passed)
        self._began = now

    def _repeats(self, response: Response, way: Way, told: float | None, now: float) -> bool:
        if self._sent >= way.attempts or not (way.at_once or told is not None):
            return False
        if self._sent == 1:
            for _, name, value in lines(self.request.headers):
                if name == b"authorization" and hop.is_digest(value.decode("latin-1")):
                    return False  # it holds for one request alone
        left, budget = None, self.plan.limits.retry_budget
        if told is None and budget is not None:
            origin = hop.origin(self.request.url)
            left = self.plan.memory.spend(origin, budget, now)
            if left is None:
                return False
            self._spent = origin
        self._sent += 1
        self._note(response, way, "repeat", "at once", told, left)
        return True

    def _follows(self, response: Response, way: Way, told: float | None, location: bytes) -> bool:
        request, plan = self.request, self.plan
        url, hops = request.url, len(self._led)
        if request.method not in ("GET", "HEAD") or plan.memory.moves:
            return False
        if hops >= plan.limits.redirects or request.extensions.keys() & hop.OF_ONE_URL:
            return False
        if response.status_code in (301, 308) and url.scheme == "https":
            return False  # it may be remembered
        if way.bodiless and _has_content(request):
            return False
        there = hop.plainly(url, location.decode("latin-1"))
        if there is None or not same_place(url, there):
            return False
        if not hop.holds_for(there, request, keep_host=location[:1] == b"/"):
            return False
        cookies = None if plan.cookies is None else plan.cookies()
        if jar.holds_any(cookies):
            return False
        leads_to = target(there)
        known = [self._target, *[before for _, before in self._led]]
        if leads_to in known or len(leads_to) > plan.limits.uri_length:
            return False
        self._note(response, way, "follow", f"to {leads_to}", told)
        self._led = (*self._led, (request, self._target))
        self._next, self._target = body.copy(request, url=there), leads_to
        self._sent = 1
        return True

    def arrived(self, response: Response) -> Response | None:
        """What is handed over; None where the engine has to see to it."""
        way = self._ends.get(response.status_code)
        if way is None or self.plan.memory.cooling or (HINTED and hinted(response)):
            return None
        for _, name, _ in lines(response.headers):
            if name in _SAYS_AT_LAST:
                return None
        if self._spent is not None:
            self._refund(self._spent, response.status_code)
        self._note(response, way, "settle", "")
        return adopt(response, self.request, self._past, self._steps)

    def _refund(self, origin: str, status: int) -> None:
        """A repeat that was answered well gives back what it took from an origin's budget."""
        budget = self.plan.limits.retry_budget
        if budget is not None and guard.gives_back(status):
            self.plan.memory.refund(origin, budget)
        self._spent = None

    def give_back(self) -> None:
        """What the repeat took that will not be answered any more."""
        budget = self.plan.limits.retry_budget
        if self._spent is not None and budget is not None:
            self.plan.memory.refund(self._spent, budget)

    def _note(
        self,
        response: Response,
        way: Way,
        kind: str,
        why: str,
        told: float | None = None,
        left: float | None = None,
    ) -> None:
        """One step of the trace."""
        name, citation, words = way.shown
        if response.extensions:
            words = phrase(response)
        method, url, status = self.request.method, self._target, response.status_code
        # What its own `__new__` does, at a third of the price.
        step = tuple.__new__(
            Step, (method, url, status, words, name, citation, kind, 0.0, why, told, left, "", ())
        )
        self._steps += (step,)
        if self._logs:
            logged(step)

    def talk(self) -> Talk:
        """What the engine has to know, to go on from here."""
        first = self._led[0][0] if self._led else self.request
        talk = Talk(self.plan, first)
        talk.sent = talk.went = self.request
        talk.steps, talk.past = self._steps, [*self._past]
        talk.answers = tuple(step.code for step in self._steps[len(self._steps) + 1 - self._sent :])
        talk.hops, talk.spent, talk.began = len(self._led), self._spent, self._began
        talk.first_heard = self._first_heard
        if self._led:
            sent = [*self._led, (self.request, self._target)]
            states = tuple(guard.state(request, leads_to) for request, leads_to in sent)
            talk.path = talk.path._replace(states=states, sent=self.request, target=self._target)
        return talk


def _has_content(request: Request) -> bool:
    """Whether anything of a request stays behind where its content does."""
    first, *rest = [name for _, name, _ in lines(request.headers)] or [b""]
    speaks_of_it = any(name[:8] == b"content-" or name in hop.OF_THE_BODY for name in rest)
    # The header section that is made without it begins with Host.
    return first != b"host" or speaks_of_it or bool(body.known(request))
