"""Callables of the application that run before a send: `prepare` and `allow_hop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.engine.events import Attempt
from statuspolicy.engine.state import ExchangeState, Flow
from statuspolicy.message import body, redirected
from statuspolicy.printable import given

if TYPE_CHECKING:
    from httpx import Request


def outgoing(
    state: ExchangeState, request: Request, attempt: int, aside: bool = False
) -> Flow[Request]:
    """The request as it is sent, after `prepare`; the observer gets an `Attempt` for it."""
    request = yield from prepared(state, request, attempt)
    state.tell(Attempt, request, attempt, state.hops, aside)
    return request


def prepared(state: ExchangeState, request: Request, attempt: int) -> Flow[Request]:
    """A copy of a request that the application's `prepare` has changed.

    The changes are for this send alone: the next request is built from the original.
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
    """Why the application's `allow_hop` refuses a request; "" where it allows it."""
    allow = state.config.allow_hop
    if allow is None or (yield from state.call("allow_hop", allow, state.sent, request)):
        return ""
    return f"allow_hop refused the hop to {redirected.origin(request.url)}"
