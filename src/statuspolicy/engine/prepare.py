"""What the application says before a send: `prepare` writes fields, `allow_hop` lets it go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.engine.events import Attempt
from statuspolicy.engine.state import ExchangeState, Flow
from statuspolicy.message import body, redirected
from statuspolicy.printable import given

if TYPE_CHECKING:
    from httpx import Request


def prepared(
    state: ExchangeState, request: Request, attempt: int, aside: bool = False
) -> Flow[Request]:
    """The request as it goes out, which the observer is told of."""
    request = yield from written(state, request, attempt)
    state.tell(Attempt, request, attempt, state.hops, aside)
    return request


def written(state: ExchangeState, request: Request, attempt: int) -> Flow[Request]:
    """A request with what the application's `prepare` wrote into a copy of it.

    What was written doesn't travel: the next request is built from the one without it.
    """
    prepare = state.config.prepare
    if prepare is not None:
        copy = body.copy(request)
        answer = yield from state.call("prepare", prepare, copy, attempt)
        same = (copy.method, copy.url, copy.stream) == (request.method, request.url, request.stream)
        if not (answer is None or answer is copy) or not same:
            error = TypeError(
                f"prepare={given(prepare)} changed more than header fields and extensions, or "
                "returned another request: change the request that it gets, and return None."
            )
            state.raised("prepare", prepare, error)
            raise error
        request = copy
    return request


def forbidden(state: ExchangeState, request: Request) -> Flow[str]:
    """Why the application's `allow_hop` keeps a request from being sent; "" where it doesn't."""
    allow = state.config.allow_hop
    if allow is None or (yield from state.call("allow_hop", allow, state.sent, request)):
        return ""
    return f"allow_hop refused the hop to {redirected.origin(request.url)}"
