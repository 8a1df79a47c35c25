"""`Overrides` for one request, and the configuration that transports and loop share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from threading import Event as Closed
from typing import TYPE_CHECKING, TypeAlias

from statuspolicy._value import Record, Value
from statuspolicy.engine.clock import Clock
from statuspolicy.memory.memory import Memory
from statuspolicy.policy.limits import Limits
from statuspolicy.policy.table import Table
from statuspolicy.printable import given

if TYPE_CHECKING:
    from httpx import URL, AsyncBaseTransport, BaseTransport, Cookies, Request, Response

    from statuspolicy.engine.client_cache import ClientCache
    from statuspolicy.engine.events import Event

OVERRIDE = "statuspolicy"  # in a request's `extensions`: a Table or Overrides

Transport: TypeAlias = "BaseTransport | AsyncBaseTransport"
Confirm: TypeAlias = "Callable[[Request, Request, Response], bool | Awaitable[bool]]"
AllowHop: TypeAlias = "Callable[[Request, Request], bool | Awaitable[bool]]"
Prepare: TypeAlias = "Callable[[Request, int], Request | Awaitable[Request | None] | None]"
Observer: TypeAlias = Callable[["Event"], object]


class Overrides(Value):
    """Another table, other limits or another `confirm` for one request.

    As in `client.get(url, extensions={"statuspolicy": Overrides(limits=Limits(total=5))})`.

    table, limits, confirm: as of `statuspolicy.PolicyTransport`; None for those of the transport.
    resume: whether a body that breaks while it is read is resumed with a Range request.

    Raises TypeError for an argument of the wrong kind.
    """

    __module__ = "statuspolicy"

    table: Table | None = None
    limits: Limits | None = None
    confirm: Confirm | None = None
    resume: bool = False

    def check(self) -> None:
        for name, kind in (("table", Table), ("limits", Limits)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(
                    f"Overrides({name}={given(value)}): write a {kind.__name__} instead."
                )
        if self.confirm is not None and not callable(self.confirm):
            raise TypeError(f"Overrides(confirm={given(self.confirm)}): write a callable instead.")
        if not isinstance(self.resume, bool):
            raise TypeError(f"Overrides(resume={self.resume!r}): write True or False.")


class Unstored(Overrides):
    """The overrides of a download: a cache would hold its segments in memory too."""

    resume: bool = True
    cache: None = None


class Resumed(Overrides):
    """The overrides of a poll that is resumed: its first request was sent in another process.

    abroad: whether no credentials are sent from the start.
    """

    table: Table | None = None
    answered: Response | None = None
    abroad: bool = False


class Config(Record):
    """The configuration of a transport, and of one call.

    cookies: returns the cookie jar; None for a new jar in each exchange.
    confirm: asks the application about a redirect that has to be confirmed.
    fresh: makes a transport with connections of its own.
    allow_hop: whether a request may lead to the next one.
    prepare: changes each request just before it is sent.
    observer: is called with each event.
    resume: whether a body that breaks is resumed; None for never, whatever its row says.
    follow: the `follow_redirects=` of the call; None where it has none.
    cache: the cache of the client.
    user: the user of the call by the cache's `user`, "" for none; None where it was not called yet.
    validate: whether to validate a stored response even if it is fresh.
    began: when the call began, where that is known; `Limits.total` counts from then.
    closed: set when the transport is closed; it ends the waits of the exchanges.
    is_async: whether the callables of the application may return awaitables.
    proxied: whether a URL is requested through a proxy.
    answered: the response to the first request of a poll that is resumed.
    abroad: whether the poll had left the origin of its credentials.
    """

    table: Table
    limits: Limits
    cookies: Callable[[], Cookies] | None
    memory: Memory
    confirm: Confirm | None
    fresh: Callable[[], Transport] | None
    clock: Clock
    allow_hop: AllowHop | None = None
    prepare: Prepare | None = None
    observer: Observer | None = None
    resume: bool | None = False
    follow: bool | None = None
    cache: ClientCache | None = None
    user: str | None = None
    validate: bool = False
    began: float | None = None
    closed: Closed | None = None
    is_async: bool = False
    proxied: Callable[[URL], bool] | None = None
    answered: Response | None = None
    abroad: bool = False

    def resumes(self, wanted: bool) -> bool:
        """Whether a body that breaks is resumed; `wanted` is the `resume` of its verdict."""
        return self.resume is not None and (self.resume or wanted)

    @property
    def looks_first(self) -> bool:
        """Whether anything has to be done before the first request is sent."""
        # (By `is not None`: an observer may be false, such as an empty list of events.)
        return (
            self.prepare is not None or self.observer is not None or self.limits.total is not None
        )

    @property
    def fast(self) -> bool:
        """Whether an answer may take the fast path: no callable or observer has to be called."""
        return (
            self.confirm is None
            and self.allow_hop is None
            and not self.resume
            and self.answered is None
            and self.prepare is None
            and self.observer is None
            and self.limits.total is None
            and not self.validate  # its cookies have to be stored: no client gets the response
        )

    def overridden(self, override: object) -> Config:
        """The configuration for a request with its own table or overrides."""
        if isinstance(override, Table):
            return self._replace(table=override)
        if not isinstance(override, Overrides):
            raise TypeError(
                f'extensions["{OVERRIDE}"] is {given(override)}: write a table, such as '
                "statuspolicy.STANDARD | {503: statuspolicy.surface}, "
                "or statuspolicy.Overrides(...)."
            )
        said = vars(override).items()
        # (An empty table is one too.)
        values = {k: v for k, v in said if k == "cache" or not (v is None or v is False)}
        return self._replace(**values)
