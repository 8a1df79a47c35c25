"""Effects: the I/O that the loop requests from a driver, since the loop itself performs none.

They are plain classes, since each instance is made and read once, and so that import stays fast.
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
    """The result of a Send: a response or a failure, with the observations of its connection.

    reused: whether the connection is known to have served another request before.
    unsent: whether no server can have read the request: no byte of it was sent, or none arrived.
    begun: whether some bytes were sent, so that a server may have read them.
    interim: the interim responses before the response, where the transport shows them.
    began: the first bytes of a response that could not be parsed, where they are known.
    refused: whether the request was not sent, since its origin is cooling down.
    """

    reused = unsent = begun = refused = False
    interim: tuple[Interim, ...] = ()
    began = b""

    def __init__(self, outcome: Outcome, reused: bool = False, unsent: bool = False) -> None:
        self.outcome = outcome
        if reused or unsent:
            self.reused, self.unsent = reused, unsent


class Send:
    """Send a request; the driver returns a Reply, which has a TransportError as a value.

    fresh: whether to use another connection, by a transport made for this send.
    over: that transport; None for one that the config's `fresh` makes.
    plain: whether to send the request unchanged: without a watched body, a deadline or pinned
        addresses.
    until: when the response and its body have to be complete, on the monotonic clock.
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
    """Wait `seconds`."""

    __slots__ = __match_args__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Discard:
    """Read the rest of a response within `Limits.drain_bytes` and `drain_seconds`, then close it.

    The driver returns its raw body, or None if it wasn't read to its end.

    unread: whether to close it without reading, which ends an HTTP/1.1 connection.
    """

    __slots__ = __match_args__ = ("response", "request", "unread")

    def __init__(self, response: Response, request: Request, unread: bool = False) -> None:
        self.response = response
        self.request = request
        self.unread = unread


class Read:
    """Read a whole response and close it; the driver returns its raw body.

    It returns None for a body that is longer than `Limits.drain_bytes`, or breaks. Then the
    response stays open, and its body still begins with the bytes that were read.
    """

    __slots__ = __match_args__ = ("response",)

    def __init__(self, response: Response) -> None:
        self.response = response


class Resume:
    """Resume the body of a response where it breaks; the driver returns why it can't, or "".

    until: as in Send. user: as in Revalidate.
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
    """Wait for the result of a callable of the application; `failed` is called if it raises."""

    __slots__ = __match_args__ = ("answer", "failed")

    def __init__(self, answer: Awaitable[object], failed: Callable[[Exception], object]) -> None:
        self.answer = answer
        self.failed = failed


class Acquire:
    """Acquire a lock within `seconds`; the driver returns whether it was acquired."""

    __slots__ = __match_args__ = ("turn", "seconds")

    def __init__(self, turn: ExchangeLock, seconds: float) -> None:
        self.turn = turn
        self.seconds = seconds


class Release:
    """Release the lock that this exchange holds."""

    __slots__ = __match_args__ = ()


class Look:
    """Load the stored responses of a URL for a user from the cache."""

    __slots__ = __match_args__ = ("url", "who")

    def __init__(self, url: str, who: str) -> None:
        self.url = url
        self.who = who


class StoreChanges:
    """Save and delete stored responses in the cache.

    sent: the request that led to the changes; None for none.
    """

    __slots__ = __match_args__ = ("changes", "sent")

    def __init__(self, changes: Sequence[Change], sent: Sent | None = None) -> None:
        self.changes = changes
        self.sent = sent


class Revalidate:
    """Validate a stored response in the background; the caller has the stale one already.

    key: its key in the cache. user: its user, by the cache's `user`.
    """

    __slots__ = __match_args__ = ("request", "key", "user")

    def __init__(self, request: Request, key: str, user: str | None) -> None:
        self.request = request
        self.key = key
        self.user = user


OfTheCache: TypeAlias = "Look | StoreChanges | Revalidate"
Rare: TypeAlias = "Read | Resume | Ask | Acquire | Release | OfTheCache"
Effect: TypeAlias = "Send | Wait | Discard | Rare"
