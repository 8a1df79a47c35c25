"""What an `observer` is told, as it happens: small values, one class an event.

An observer is a plain callable that takes one of these. It runs within the exchange, so it
should be quick; what it raises is logged and changes nothing.
"""

from __future__ import annotations

from typing import TypeAlias

from statuspolicy._value import Record
from statuspolicy.trace import Step, Trace

from ._lib import Request, Response


class Attempt(Record):
    """A request is about to be sent.

    request: as it goes out.
    attempt: how often this request will have been sent with it, from 1 (a hop is a new one).
    hops: redirects that led to it.
    aside: whether it is sent on the side.
    """

    request: Request
    attempt: int
    hops: int
    aside: bool = False


class Decision(Record):
    """An answer or a failure was decided about: the step that the trace gets, refusals too."""

    step: Step


class Wait(Record):
    """A wait begins.

    seconds: how long.
    request: what was answered, or what is held back while its origin cools down.
    """

    seconds: float
    request: Request


class Settled(Record):
    """The exchange has ended.

    request: of the last hop.
    response, error: what is handed over or raised; one of them is None.
    trace: all that led to it.
    """

    request: Request
    response: Response | None
    error: Exception | None
    trace: Trace


Event: TypeAlias = Attempt | Decision | Wait | Settled
