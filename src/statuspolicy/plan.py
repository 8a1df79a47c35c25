"""The configuration that transports and engine share; nothing changes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from threading import Event as Closed
from typing import TYPE_CHECKING, TypeAlias

from statuspolicy._value import Record, Value
from statuspolicy.clock import Clock
from statuspolicy.limits import Limits
from statuspolicy.memory import Memory
from statuspolicy.printable import given

from ._lib import URL, AsyncBaseTransport, BaseTransport, Cookies, Request, Response
from .row import Table

if TYPE_CHECKING:
    from .caching import Shelf
    from .events import Event

OVERRIDE = "statuspolicy"  # in a request's `extensions`: a Table or Overrides

Transport: TypeAlias = BaseTransport | AsyncBaseTransport
Confirm: TypeAlias = Callable[[Request, Request, Response], bool | Awaitable[bool]]
AllowHop: TypeAlias = Callable[[Request, Request], bool | Awaitable[bool]]
Prepare: TypeAlias = Callable[[Request, int], Request | Awaitable[Request | None] | None]
Observer: TypeAlias = Callable[["Event"], object]


class Overrides(Value):
    """Another table, other limits or another `confirm`, for one request.

    As in `client.get(url, extensions={"statuspolicy": Overrides(limits=Limits(total=5))})`.

    table, limits, confirm: as of `statuspolicy.PolicyTransport`; None for the transport's own.
    resume: a body that breaks while it is read goes on with what a Range request brings.

    Raises TypeError for an argument of the wrong kind.
    """

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
    """For a request whose body goes to a file: a cache would hold its segments in memory too."""

    resume: bool = True
    cache: None = None


class Resumed(Overrides):
    """For a request that was sent and answered in another life.

    abroad: whether credentials stay behind from the start.
    """

    table: Table | None = None
    answered: Response | None = None
    abroad: bool = False


class Plan(Record):
    """What a transport was told, as values.

    cookies: gives the jar; None for one an exchange.
    confirm: the application's answer to a redirect that has to be confirmed.
    fresh: makes a transport with connections of its own.
    allow_hop: whether a request may lead to the next one.
    prepare: makes each request ready just before it is sent.
    observer: is told what happens.
    resume: whether a body that breaks is to go on; None for never, as its row may say.
    follow: what the call itself said with `follow_redirects=`; None where it said nothing.
    cache: what is stored, and for whom.
    user: whose the call is by the cache's `user`, "" for nobody's, where that was asked already.
    validate: ask the server also where what is stored is fresh.
    began: when the call began, where that is known; `Limits.total` counts from then.
    sent: when the first request was sent, where that is known.
    closed: is set when the transport is closed, which ends the waits of this plan's exchanges.
    is_async: whether what an application answers can be awaited.
    proxied: whether a URL is asked for through a proxy.
    answered: the answer to the first request, where that was sent in another life.
    abroad: whether that had left the origin that its credentials are for.
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
    cache: Shelf | None = None
    user: str | None = None
    validate: bool = False
    began: float | None = None
    sent: float | None = None
    closed: Closed | None = None
    is_async: bool = False
    proxied: Callable[[URL], bool] | None = None
    answered: Response | None = None
    abroad: bool = False

    def resumes(self, asked: bool) -> bool:
        """Whether a response's body is to go on where it breaks; `asked` is what its row says."""
        return self.resume is not None and (self.resume or asked)

    @property
    def looks_first(self) -> bool:
        """Whether there is something to do before the first request is sent."""
        return bool(self.prepare or self.observer or self.limits.total)

    def overridden(self, override: object) -> Plan:
        """The plan for a request that brings its own table."""
        if isinstance(override, Table):
            return self._replace(table=override)
        if not isinstance(override, Overrides):
            raise TypeError(
                f'extensions["{OVERRIDE}"] is {given(override)}: write a table, such as '
                "statuspolicy.STANDARD | {503: statuspolicy.surface}, "
                "or statuspolicy.Overrides(...)."
            )
        return self._replace(**{k: v for k, v in vars(override).items() if v or k == "cache"})
