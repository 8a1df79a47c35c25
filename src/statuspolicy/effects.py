"""What the engine asks of a driver. The engine does no I/O itself."""

from collections.abc import Awaitable
from typing import NamedTuple, TypeAlias

from statuspolicy._lib import Request, Response
from statuspolicy.limits import RetryBudget


class Send(NamedTuple):
    """Send it; the answer is a response, or the library's TransportError as a value."""

    request: Request
    fresh: bool = False


class Wait(NamedTuple):
    """Wait so many seconds."""

    seconds: float


class Discard(NamedTuple):
    """Read the rest of a response within bounds, then close it.

    The answer is its raw body, or None where it wasn't read to its end.
    hard: close it unread, which ends an HTTP/1.1 connection.
    """

    response: Response
    request: Request
    hard: bool = False


class Ask(NamedTuple):
    """Wait for what an application answers."""

    answer: Awaitable[object]


class Recall(NamedTuple):
    """Where a URL has moved to, permanently; None where nothing is known."""

    url: str


class Remember(NamedTuple):
    """A URL has moved: keep that for so many seconds. None forgets it."""

    url: str
    location: str | None
    seconds: float = 0.0


class Spend(NamedTuple):
    """Take a token from an origin's retry budget. False where none is left."""

    origin: str
    budget: RetryBudget


Effect: TypeAlias = "Send | Wait | Discard | Ask | Recall | Remember | Spend"
