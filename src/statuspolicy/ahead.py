"""What comes before a request is sent: remembered moves, then the last touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy import body, guard, hop
from statuspolicy.effects import Recall, Remember
from statuspolicy.errors import CoolingDown
from statuspolicy.events import Attempt
from statuspolicy.exchange import Exchange
from statuspolicy.fields import Fields
from statuspolicy.guard import Permit
from statuspolicy.library import LIBRARY_OF
from statuspolicy.printable import given
from statuspolicy.rest import held_back
from statuspolicy.talk import Flow, Talk
from statuspolicy.verdicts import Follow, Settle

if TYPE_CHECKING:
    from httpx import Request


def shortened(talk: Talk) -> Flow[None]:
    """Take the permanent moves that are remembered."""
    while talk.plan.memory.moves and not talk.answers and not talk.straight:
        if not (yield from _shortcut(talk)):
            return


def ahead(talk: Talk) -> Flow[CoolingDown | None]:
    """See to all that comes before the next send; an error in its place where there is one."""
    plan = talk.plan
    if plan.memory.cooling and not talk.answers:
        refused = yield from held_back(talk, talk.sent)
        if refused is not None:
            return refused
    talk.went = talk.sent
    if plan.prepare is not None or plan.observer is not None:
        talk.went = yield from prepared(talk, talk.sent, len(talk.answers) + 1)
    return None


def prepared(talk: Talk, request: Request, attempt: int, aside: bool = False) -> Flow[Request]:
    """The request as it goes out, which the observer is told of."""
    request = yield from written(talk, request, attempt)
    talk.tell(Attempt, request, attempt, talk.hops, aside)
    return request


def written(talk: Talk, request: Request, attempt: int) -> Flow[Request]:
    """A request with what the application's `prepare` wrote into a copy of it.

    What was written doesn't travel: the next request is built from the one without it.
    """
    prepare = talk.plan.prepare
    if prepare is not None:
        copy = body.copy(request)
        answer = yield from talk.call("prepare", prepare, copy, attempt)
        same = (copy.method, copy.url, copy.stream) == (request.method, request.url, request.stream)
        if not (answer is None or answer is copy) or not same:
            error = TypeError(
                f"prepare={given(prepare)} changed more than header fields and extensions, or "
                "returned another request: change the request that it gets, and return None."
            )
            talk.raised("prepare", prepare, error)
            raise error
        request = copy
    return request


def _shortcut(talk: Talk) -> Flow[bool]:
    """Take a permanent move that is remembered, where its row's duty would follow it now.

    It passes the guard as its hop would.
    """
    plan = talk.plan
    if talk.sent.method not in ("GET", "HEAD") or plan.follow is False:
        return False
    if not hop.asks_as_anybody(talk.sent, plan.limits):
        return False
    url = hop.target(talk.sent.url)
    move = yield Recall(url)
    if move is None:
        return False
    if plan.prepare is not None:  # what it writes may say who asks
        request = yield from written(talk, talk.sent, 1)
        if not hop.asks_as_anybody(request, plan.limits):
            return False
    code, location = move
    moved = LIBRARY_OF[type(talk.sent)].Response(code, headers={"location": location})
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
    talk.note("follow", Settle(), f"to {hop.target(permit.request.url)}, remembered from a {code}")
    talk.fork = talk.fork or (talk.sent, talk.path, talk.hops, len(talk.past), False)
    talk.shortcuts.append((url, url))
    take(talk, permit, ())
    return True


def forbidden(talk: Talk, request: Request) -> Flow[str]:
    """Why the application's `allow_hop` keeps a request from being sent; "" where it doesn't."""
    allow = talk.plan.allow_hop
    if allow is None or (yield from talk.call("allow_hop", allow, talk.sent, request)):
        return ""
    return f"allow_hop refused the hop to {hop.origin(request.url)}"


def take(talk: Talk, permit: Permit, answers: tuple[int | str, ...]) -> None:
    """From now on this request is the one that is sent."""
    talk.sent, talk.path, talk.visit, talk.noted = permit.request, permit.path, None, None
    talk.hops += permit.is_hop
    talk.answers = () if permit.is_hop else answers
