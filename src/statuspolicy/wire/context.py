"""`Wire`: the options of an exchange for its sockets: a time limit, addresses, and observations.

A timeout of httpx is for one read, so a server that sends a byte a second never exceeds it. In a
thread only the socket can end a read, so each call on it gets the remaining time as its timeout. A
task has cancel scopes for that, and uses the addresses only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")

PINS = "statuspolicy.pins"  # in a request's `extensions`: the value of `Wire.pins`

_TICK = 0.001  # seconds: 0 would not be a timeout but a non-blocking socket
_LONGEST = 2_000_000.0  # seconds: a socket allows at most 2^31 milliseconds


class NotHTTP(Exception):
    """The bytes are not a status line, or not a complete header section."""


class Seen:
    """Observations of the socket during one send.

    old: whether the connection had a response before it; None if nothing was sent.
    heard: whether a byte came back, or may have come (a closed connection is not read to its end).
    connection: the stream of the request; None if that shows no interim responses, as over HTTP/2
        or with an unknown transport.
    sends, unread: how often the request was begun, and how often of these it can't have been read;
        counted over HTTP/1.1. (A transport may repeat by itself.)
    """

    __slots__ = ("connection", "heard", "old", "sends", "unread")

    def __init__(self) -> None:
        self.old: bool | None = None
        self.heard = False
        self.connection: Any = None
        self.sends = 0
        self.unread = 0


class Wire:
    """The options of the current call for its sockets.

    left: returns the seconds until the exchange has to end. An exception of it ends the call.
    pins: the checked addresses of a host name, as in the URL's `raw_host`. They are tried in order,
        and the name is not resolved again. The Host field and the name for TLS don't change.
    seen: the object for observations.

    In a thread, `left` can't limit the resolving of a name, and limits each part of a TLS record
    inside the TLS of an https proxy separately.
    """

    __slots__ = ("left", "pins", "seen")

    def __init__(
        self,
        left: Callable[[], float] | None = None,
        pins: Mapping[str, Sequence[str]] = MappingProxyType({}),
        seen: Seen | None = None,
    ) -> None:
        self.left, self.pins, self.seen = left, pins, seen


# The current or last response, as a `statuspolicy.wire.http1.ResponseTracker`.
TRACKER: ContextVar[Any] = ContextVar("statuspolicy.wire.http1", default=None)

# The connections with interim responses before their current response.
HINTED: set[object] = set()

# Of this thread, or of this task.
WIRE: ContextVar[Wire | None] = ContextVar("statuspolicy.wire", default=None)


def sooner(left: Callable[[], float]) -> Wire:
    """Options with the time limit of `left`, or the current one if that is sooner."""
    wire = WIRE.get()
    if wire is None or (outer := wire.left) is None:
        return Wire(left)
    return Wire(lambda: min(left(), outer()))


def left() -> float:
    """Seconds until the current call has to end; inf without a limit."""
    wire = WIRE.get()
    return inf if wire is None or wire.left is None else wire.left()


def within(timeout: float | None) -> float | None:
    """A timeout, not longer than the remaining time."""
    rest = left()
    if rest >= (_LONGEST if timeout is None else timeout):
        return timeout
    return max(rest, _TICK)


def during(
    var: ContextVar[Any], value: object, call: Callable[..., T], *args: Any, **named: Any
) -> T:
    """Call a function while a context variable has a value; returns the function's result.

    The variable gets its old value back, whatever ends the call. Ctrl-C may come anywhere, also
    after the function returned: then its result, which no caller would get, is closed.
    """
    before = var.get()
    answer: Any = None
    try:
        try:
            var.set(value)
            answer = call(*args, **named)
        finally:
            var.set(before)
        return answer  # type: ignore[no-any-return]  # noqa: TRY300 - Ctrl-C may come here too
    except BaseException:
        var.set(before)  # again, since Ctrl-C may have come just before the `set` above
        if hasattr(answer, "close"):
            with suppress(Exception):
                answer.close()
        raise


async def aduring(
    var: ContextVar[Any], value: object, call: Callable[..., Awaitable[T]], *args: Any, **named: Any
) -> T:
    """As `during`."""
    before = var.get()
    answer: Any = None
    try:
        try:
            var.set(value)
            answer = await call(*args, **named)
        finally:
            var.set(before)
        return answer  # type: ignore[no-any-return]  # noqa: TRY300 - Ctrl-C may come here too
    except BaseException:
        var.set(before)
        if hasattr(answer, "aclose"):
            import anyio

            with suppress(Exception), anyio.CancelScope(shield=True):
                await answer.aclose()
        raise
