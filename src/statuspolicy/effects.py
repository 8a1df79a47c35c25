"""What the engine asks of a driver. The engine does no I/O itself.

Plain classes: they are made and looked at once, and cost nothing at import.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeAlias

from statuspolicy._lib import Request, Response
from statuspolicy.limits import RetryBudget


class Send:
    """Send it; the answer is a response, or the library's TransportError as a value."""

    __slots__ = __match_args__ = ("request", "fresh")

    def __init__(self, request: Request, fresh: bool = False) -> None:
        self.request = request
        self.fresh = fresh


class Wait:
    """Wait so many seconds."""

    __slots__ = __match_args__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Discard:
    """Read the rest of a response within bounds, then close it.

    The answer is its raw body, or None where it wasn't read to its end.
    hard: close it unread, which ends an HTTP/1.1 connection.
    """

    __slots__ = __match_args__ = ("response", "request", "hard")

    def __init__(self, response: Response, request: Request, hard: bool = False) -> None:
        self.response = response
        self.request = request
        self.hard = hard


class Ask:
    """Wait for what an application answers."""

    __slots__ = __match_args__ = ("answer",)

    def __init__(self, answer: Awaitable[object]) -> None:
        self.answer = answer


class Recall:
    """Where a URL has moved to, permanently; None where nothing is known."""

    __slots__ = __match_args__ = ("url",)

    def __init__(self, url: str) -> None:
        self.url = url


class Remember:
    """A URL has moved: keep that for so many seconds. None forgets it."""

    __slots__ = __match_args__ = ("url", "location", "seconds")

    def __init__(self, url: str, location: str | None, seconds: float = 0.0) -> None:
        self.url = url
        self.location = location
        self.seconds = seconds


class Spend:
    """Take a token from an origin's retry budget. False where none is left."""

    __slots__ = __match_args__ = ("origin", "budget")

    def __init__(self, origin: str, budget: RetryBudget) -> None:
        self.origin = origin
        self.budget = budget


Effect: TypeAlias = "Send | Wait | Discard | Ask | Recall | Remember | Spend"
