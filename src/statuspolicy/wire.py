"""What one exchange asks of the sockets below it: to be over in time, where to connect, what came.

A timeout of httpx is for one read, so a server that drips a byte a second is never late. In a
thread nothing but the socket can end a read, so there each call on it gets what is left. A
task has cancel scopes for that, and only connects as it is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")

PINS = "statuspolicy.pins"  # in a request's `extensions`: what is to become `Wire.pins`

_TICK = 0.001  # seconds: 0 would not be a timeout but a non-blocking socket
_LONGEST = 2_000_000.0  # seconds: a socket holds no more than 2^31 milliseconds


class NotHTTP(Exception):
    """Bytes came that are no status line, or no header section that ends."""


class Seen:
    """What passed over the socket during one send.

    old: whether the connection had brought something before it; None where nothing was sent.
    heard: whether a byte came back, or may have: what this side closed, it did not read to its end.
    connection: what the request's header section went over; None where that tells nothing of
        interim responses, as over HTTP/2 or through a transport that isn't known.
    sends, unread: how often it was begun, and how many of these times nobody can have read it;
        counted where the connection is one of HTTP/1.1. (A transport may repeat by itself.)
    """

    __slots__ = ("connection", "heard", "old", "sends", "unread")

    def __init__(self) -> None:
        self.old: bool | None = None
        self.heard = False
        self.connection: Any = None
        self.sends = 0
        self.unread = 0


class Wire:
    """What holds for the call under way.

    left: gives the seconds until the exchange has to be over. What it raises ends the call.
    pins: the addresses that were checked, one or more for a host name as it is in the URL's
        `raw_host`. They are connected to in turn; the name is not resolved again. The Host
        field, and the name that TLS sends and verifies, stay as they are.
    seen: what has to be noted of it.

    Two things in a thread heed no `left`: the resolving of a name, and the parts of one TLS
    record inside the TLS of an https proxy, each of which may take that long.
    """

    __slots__ = ("left", "pins", "seen")

    def __init__(
        self,
        left: Callable[[], float] | None = None,
        pins: Mapping[str, Sequence[str]] = MappingProxyType({}),
        seen: Seen | None = None,
    ) -> None:
        self.left, self.pins, self.seen = left, pins, seen


# The answer under way, or the last one, as it was read along (`statuspolicy.reading.Reading`).
READING: ContextVar[Any] = ContextVar("statuspolicy.reading", default=None)

# The connections whose answer under way had interim responses before it.
HINTED: set[object] = set()

# Of this thread, or of this task.
WIRE: ContextVar[Wire | None] = ContextVar("statuspolicy.wire", default=None)


def sooner(left: Callable[[], float]) -> Wire:
    """That it has to be over when `left` says, or what already holds says, whichever is sooner."""
    wire = WIRE.get()
    if wire is None or (outer := wire.left) is None:
        return Wire(left)
    return Wire(lambda: min(left(), outer()))


def left() -> float:
    """Seconds until the call under way has to be over; inf where it doesn't."""
    wire = WIRE.get()
    return inf if wire is None or wire.left is None else wire.left()


def within(timeout: float | None) -> float | None:
    """A timeout that is no longer than what is left."""
    rest = left()
    if rest >= (_LONGEST if timeout is None else timeout):
        return timeout
    return max(rest, _TICK)


def during(
    var: ContextVar[Any], value: object, call: Callable[..., T], *args: Any, **named: Any
) -> T:
    """What it answers, called while a context variable has that value, whatever ends the call.

    Ctrl-C may come anywhere: then the variable has its old value all the same, and an answer
    that nobody will have is closed.
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
        var.set(before)  # it may have come just before it was
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
