"""What the loop asks of a driver: it does no I/O itself.

Plain classes: they are made and looked at once, and cost nothing at import.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from statuspolicy.memory.locks import ExchangeLock

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport, BaseTransport, Request, Response, TransportError

    from statuspolicy.cache.changes import Change
    from statuspolicy.cache.invalidation_log import Sent
    from statuspolicy.fields.interim import Interim

Outcome: TypeAlias = "Response | TransportError"


class Reply:
    """What a Send brought, and what is known of how.

    reused: the connection had served another request before.
    unsent: nobody can have read the request: not a byte of it was sent, or arrived.
    begun: some of it was sent, to where it may have been read.
    interim: the responses that went before the answer, as far as they were seen.
    began: the first bytes of an answer that could not be parsed, as far as they were seen.
    refused: it was not sent at all, since its origin is left alone.
    """

    reused = unsent = begun = refused = False
    interim: tuple[Interim, ...] = ()
    began = b""

    def __init__(self, outcome: Outcome, reused: bool = False, unsent: bool = False) -> None:
        self.outcome = outcome
        if reused or unsent:
            self.reused, self.unsent = reused, unsent


class Send:
    """Send it; the answer is a Reply, with the library's TransportError as a value.

    fresh: over a transport with connections of its own.
    over: that transport, where it isn't one that the config's `fresh` makes.
    plain: whether it is sent as it is: no body to watch, no deadline, no pinned address.
    until: when it has to be over, and its body read, on the monotonic clock.
    """

    __slots__ = __match_args__ = ("request", "fresh", "until", "over", "plain")

    def __init__(
        self,
        request: Request,
        fresh: bool = False,
        until: float | None = None,
        over: BaseTransport | AsyncBaseTransport | None = None,
        plain: bool = False,
    ) -> None:
        self.request = request
        self.plain = plain
        self.fresh = fresh
        self.until = until
        self.over = over


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


class Resume:
    """Let a response's body go on where it breaks; the answer says why it can't, or "".

    until: as in Send. user: as in Behind.
    """

    __slots__ = __match_args__ = ("response", "request", "until", "user")

    def __init__(
        self,
        response: Response,
        request: Request,
        until: float | None = None,
        user: str | None = None,
    ) -> None:
        self.response = response
        self.request = request
        self.until = until
        self.user = user


class Ask:
    """Wait for what an application answers; `failed` is told of what it raises in its place."""

    __slots__ = __match_args__ = ("answer", "failed")

    def __init__(self, answer: Awaitable[object], failed: Callable[[Exception], object]) -> None:
        self.answer = answer
        self.failed = failed


class Acquire:
    """Wait at most so long until this exchange is the only one at it; whether it is."""

    __slots__ = __match_args__ = ("turn", "seconds")

    def __init__(self, turn: ExchangeLock, seconds: float) -> None:
        self.turn = turn
        self.seconds = seconds


class Release:
    """Let the next exchange in, where this one waited for its turn."""

    __slots__ = __match_args__ = ()


class Look:
    """What the cache has stored of a URL for somebody: its entries."""

    __slots__ = __match_args__ = ("url", "who")

    def __init__(self, url: str, who: str) -> None:
        self.url = url
        self.who = who


class StoreChanges:
    """Save and drop in the cache what is to be.

    sent: when the request was that it comes of.
    """

    __slots__ = __match_args__ = ("changes", "sent")

    def __init__(self, changes: Sequence[Change], sent: Sent | None = None) -> None:
        self.changes = changes
        self.sent = sent


class Behind:
    """Validate what is stored for a request behind the caller's back.

    key: what it is stored under. user: whose it is, by the cache's `user`.
    """

    __slots__ = __match_args__ = ("request", "key", "user")

    def __init__(self, request: Request, key: str, user: str | None) -> None:
        self.request = request
        self.key = key
        self.user = user


OfTheCache: TypeAlias = "Look | StoreChanges | Behind"
Rare: TypeAlias = "Read | Resume | Ask | Acquire | Release | OfTheCache"
Effect: TypeAlias = "Send | Wait | Discard | Rare"
