"""What comes before a request is sent: remembered moves, cooling origins, the last touches."""

from __future__ import annotations

from statuspolicy.fields import Fields
from statuspolicy.trace import COOLING, Step

from . import body, guard, hop
from ._lib import Request, Response
from .effects import Approach, Recall, Remember, Wait
from .errors import CoolingDown
from .events import Attempt
from .events import Wait as Waiting
from .exchange import Exchange
from .guard import Permit
from .talk import Flow, Talk, asked
from .verdicts import Follow, Settle


def ahead(talk: Talk) -> Flow[CoolingDown | None]:
    """See to all that comes before the next send; an error in its place where there is one."""
    while talk.plan.memory.moves and not talk.answers:
        if not (yield from _shortcut(talk)):
            break
    if not talk.answers:
        held_back = yield from rest(talk, talk.sent)
        if held_back is not None:
            return held_back
    talk.went = yield from prepared(talk, talk.sent, len(talk.answers) + 1)
    return None


def rest(talk: Talk, request: Request) -> Flow[CoolingDown | None]:
    """Rule 14: a request to a cooling origin waits before its first send, as limits allow."""
    limits, clock = talk.plan.limits, talk.plan.clock
    since = clock.monotonic() if talk.first_heard is None else talk.first_heard
    while talk.plan.memory.cooling:
        origin = hop.origin(request.url)
        met = yield Approach(origin)
        if met is None:
            return None
        if met.refuse or limits.cooling == "raise":
            why = (
                f"{origin} is left alone for {met.least:.3g} s more: it asked for that, "
                "or failed again and again"
            )
            _note(talk, request, "refuse", 0.0, why)
            return CoolingDown(f"{why}.", request=request, seconds=met.least)
        now = clock.monotonic()
        left = min(since + limits.deadline - now, limits.retry_after)
        if talk.until is not None:
            left = min(left, talk.until - now)
        if limits.cooling == "send" or met.least > left:
            return None
        seconds = min(met.seconds, left)
        _note(talk, request, "wait", seconds, f"{origin} is cooling down")
        talk.tell(Waiting, seconds, request)
        yield Wait(seconds)
    return None


def _note(talk: Talk, request: Request, verdict: str, seconds: float, why: str) -> None:
    """A step of the trace about a request that is held back."""
    step = Step(
        method=request.method,
        url=hop.target(request.url),
        code=COOLING,
        phrase="",
        row="",
        citation="",
        verdict=verdict,
        wait=seconds,
        reason=why,
    )
    talk.add(step)


def prepared(talk: Talk, request: Request, attempt: int, aside: bool = False) -> Flow[Request]:
    """The request as it goes out: what the application's `prepare` wrote into a copy of it.

    What was written doesn't travel: the next request is built from the one without it.
    """
    prepare = talk.plan.prepare
    if prepare is not None:
        copy = body.copy(request)
        answer = yield from asked(prepare(copy, attempt))
        same = (copy.method, copy.url, copy.stream) == (request.method, request.url, request.stream)
        if not (answer is None or answer is copy) or not same:
            raise TypeError(
                f"prepare={prepare!r} may change a request's header fields and extensions alone: "
                "change the request that it is given, and return nothing."
            )
        request = copy
    talk.tell(Attempt, request, attempt, talk.hops, aside)
    return request


def _shortcut(talk: Talk) -> Flow[bool]:
    """Take a permanent move that is remembered, where its row's duty would follow it now.

    It passes the guard as its hop would.
    """
    plan = talk.plan
    if talk.sent.method not in ("GET", "HEAD") or not plan.follow:
        return False
    url = hop.target(talk.sent.url)
    move = yield Recall(url)
    if move is None:
        return False
    code, location = move
    moved = Response(code, headers={"location": location})
    exchange = Exchange(
        talk.sent,
        moved,
        None,
        Fields(moved.headers.raw),
        talk.steps,
        plan.limits,
        plan.clock.time(),
        hops=talk.hops,
    )
    talk.row, talk.heard = plan.table.row(code), exchange._replace(response=None)
    verdict = yield from talk.decide(talk.row.duty, exchange)
    if not isinstance(verdict, Follow):
        return False
    permit = guard.permit(exchange, talk.path, verdict, talk.cookies)
    if not isinstance(permit, Permit):
        yield Remember(url, None)
        return False
    if (yield from forbidden(talk, permit.request)):
        return False
    talk.note("follow", Settle(f"to {hop.target(permit.request.url)}, since {code}"))
    talk.shortcuts.append(url)
    take(talk, permit, ())
    return True


def forbidden(talk: Talk, request: Request) -> Flow[str]:
    """Why the application's `allow_hop` keeps a request from being sent; "" where it doesn't."""
    allow = talk.plan.allow_hop
    if allow is None or (yield from asked(allow(talk.sent, request))):
        return ""
    return f"allow_hop does not let it go to {hop.origin(request.url)}"


def take(talk: Talk, permit: Permit, answers: tuple[int | str, ...]) -> None:
    """From now on this request is the one that is sent."""
    talk.sent, talk.path = permit.request, permit.path
    talk.hops += permit.is_hop
    talk.answers = () if permit.is_hop else answers
