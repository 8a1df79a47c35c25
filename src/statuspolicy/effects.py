"""What the engine asks of a driver. The engine does no I/O itself.

Plain classes: they are made and looked at once, and cost nothing at import.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeAlias

from statuspolicy.limits import RetryBudget

from ._lib import Request, Response


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


class Read:
    """Read a whole response and close it; the answer is its raw body.

    One above `Limits.drain_bytes`, or that breaks, stays open, with what was read still in
    front; then the answer is None.
    """

    __slots__ = __match_args__ = ("response",)

    def __init__(self, response: Response) -> None:
        self.response = response


class Ask:
    """Wait for what an application answers."""

    __slots__ = __match_args__ = ("answer",)

    def __init__(self, answer: Awaitable[object]) -> None:
        self.answer = answer


class Recall:
    """Where a URL has moved to, and by which code; None where nothing is known."""

    __slots__ = __match_args__ = ("url",)

    def __init__(self, url: str) -> None:
        self.url = url


class Remember:
    """A URL has moved: keep that for so many seconds. None forgets it."""

    __slots__ = __match_args__ = ("url", "move", "seconds")

    def __init__(self, url: str, move: tuple[int, str] | None, seconds: float = 0.0) -> None:
        self.url = url
        self.move = move
        self.seconds = seconds


class Spend:
    """Take a token from an origin's retry budget. False where none is left."""

    __slots__ = __match_args__ = ("origin", "budget")

    def __init__(self, origin: str, budget: RetryBudget) -> None:
        self.origin = origin
        self.budget = budget


Effect: TypeAlias = "Send | Wait | Discard | Read | Ask | Recall | Remember | Spend"
