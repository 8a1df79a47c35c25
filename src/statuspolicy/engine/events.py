"""The events that an `observer` is called with: small values, one class for each event.

An observer is a plain callable with one parameter. It runs within the exchange, so it should be
quick; an exception of it is logged and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from statuspolicy._value import Record
from statuspolicy.message.steps import Step, Trace

if TYPE_CHECKING:
    from httpx import Request, Response


class Attempt(Record):
    """A request is about to be sent.

    request: the request as it is sent.
    attempt: the number of this send, from 1 (a hop is a new request).
    hops: the number of redirects before it.
    aside: whether it is a side request.
    """

    request: Request
    attempt: int
    hops: int
    aside: bool = False


class Decision(Record):
    """A decision was made about a response or failure; `step` is its step in the trace."""

    step: Step


class Wait(Record):
    """A wait before a send begins.

    seconds: how long.
    request: the request that was answered, or that waits for the cooldown of its origin.
    """

    seconds: float
    request: Request


class Settled(Record):
    """The exchange has ended.

    request: the request of the last hop.
    response, error: the response that is handed over, or the error that is raised; else None.
    trace: the steps of the exchange.
    """

    request: Request
    response: Response | None
    error: Exception | None
    trace: Trace


Event: TypeAlias = Attempt | Decision | Wait | Settled
