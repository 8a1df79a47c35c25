"""Base class of both transports: checks the arguments and builds the configuration."""

from __future__ import annotations

from collections.abc import Callable, Container
from contextvars import ContextVar
from functools import partial
from inspect import iscoroutinefunction
from threading import Event
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from statuspolicy.client.default_transport import DefaultTransport
from statuspolicy.engine.clock import Clock, SystemClock
from statuspolicy.engine.config import OVERRIDE, AllowHop, Config, Confirm, Observer, Prepare
from statuspolicy.memory.memory import Memory
from statuspolicy.message.redirected import origin, target
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.policy.limits import Limits
from statuspolicy.policy.standard import STANDARD, following
from statuspolicy.policy.table import Table
from statuspolicy.printable import given
from statuspolicy.wire import cookiejar_internals
from statuspolicy.wire.httpx_internals import check
from statuspolicy.wire.library import ANY, BYTE_STREAMS, look_around, meet, several

if TYPE_CHECKING:
    from httpx import URL, AsyncBaseTransport, BaseTransport, Cookies, Request

    from statuspolicy.cache.config import Cache
    from statuspolicy.engine import cache_lookup
    from statuspolicy.engine.cache_lookup import CacheLookup
    from statuspolicy.engine.client_cache import ClientCache
else:  # once there is a cache
    cache_lookup = LazyModule("statuspolicy.engine.cache_lookup")


TransportT = TypeVar("TransportT", bound="BaseTransport | AsyncBaseTransport")

_OF_A_CLOCK = ("time", "monotonic", "sleep", "asleep")

# The current call of a wrapped client: the client (by its jar, since a hook may use another one),
# its `follow_redirects` (a bool, or the library's default), when it began, and whether its first
# request is not sent yet: an auth flow sends several.
Call: TypeAlias = "tuple[Callable[[], Cookies], object, float, bool]"
CALL: ContextVar[Call | None] = ContextVar("statuspolicy.call", default=None)


class Configured(Generic[TransportT]):
    """Base class of both transports: everything but the sending."""

    _sends: str
    _is_async: bool
    _default: str

    def __init__(
        self,
        inner: TransportT | None = None,
        *,
        table: Table = STANDARD,
        limits: Limits = Limits(),
        cookies: Cookies | Callable[[], Cookies] | None = None,
        route: Callable[[URL], TransportT] | None = None,
        cache: Cache | None = None,
        memory: Memory | None = None,
        confirm: Confirm | None = None,
        allow_hop: AllowHop | None = None,
        prepare: Prepare | None = None,
        fresh: Callable[[], TransportT] | None = None,
        observer: Observer | None = None,
        clock: Clock | None = None,
    ) -> None:
        _expect("table", table, Table, "statuspolicy.STANDARD | {...}")
        _expect("limits", limits, Limits, "statuspolicy.Limits(...)")
        memory = Memory() if memory is None else memory
        _expect("memory", memory, Memory, "statuspolicy.Memory()")
        callables = {
            "route": route,
            "confirm": confirm,
            "allow_hop": allow_hop,
            "prepare": prepare,
            "fresh": fresh,
            "observer": observer,
        }
        for name, value in callables.items():
            if value is not None and not callable(value):
                raise TypeError(f"{name}={given(value)}: write a callable instead.")
        if iscoroutinefunction(observer):
            raise TypeError(
                f"observer={given(observer)} is a coroutine function: write a plain function."
            )
        if isinstance(clock, type) or not (
            clock is None or all(hasattr(clock, name) for name in _OF_A_CLOCK)
        ):
            raise TypeError(
                f"clock={given(clock)}: write statuspolicy.SystemClock(), or an object with its "
                "methods."
            )
        found: object = inner
        if isinstance(found, Configured):
            raise TypeError("inner is a policy transport already: give the one that it wraps.")
        if isinstance(found, type):
            name = found.__name__
            raise TypeError(f"inner is the class {name}: call it, as in {name}().")
        look_around()
        meet(inner)
        meet(cookies)
        from statuspolicy.wire.backend import install  # here, where there is a transport

        own = inner is None
        self._inner: TransportT = DefaultTransport(self._default, install) if own else inner  # type: ignore[assignment]
        if not hasattr(self._inner, self._sends):
            raise TypeError(
                f"inner={given(inner)} has no {self._sends}: "
                f"give an httpx.{self._default}, "
                "or use the other of PolicyTransport and AsyncPolicyTransport."
            )

        check()
        cookiejar_internals.check()
        install(self._inner)
        self._route = route
        # Not bound methods: the transport would hold itself in a cycle, and be freed late.
        self._to: Callable[[URL], TransportT] = partial(_chosen, self._inner, route)
        proxied = partial(_is_proxied, self._inner, route)
        self._fresh = fresh
        self._client_cache = None if cache is None else client_cache_of(cache, limits)
        self.config = Config(
            table=table,
            limits=limits,
            cookies=_jar(cookies),
            memory=memory,
            confirm=confirm,
            allow_hop=getattr(allow_hop, "in_async", allow_hop) if self._is_async else allow_hop,
            prepare=prepare,
            fresh=fresh,
            observer=observer,
            clock=SystemClock() if clock is None else clock,
            cache=self._client_cache,
            closed=Event(),
            is_async=self._is_async,
            proxied=proxied,
        )
        # Hops of these clients pass through: a transport above handles them.
        self._above: Container[object] = (self.config.cookies,)
        # Read at each request. (Tables and limits never change, a memory keeps its dictionaries.)
        self._quiet = table.quiet
        self._looks_first = self.config.looks_first
        self._ahead = self._looks_first or self._client_cache is not None
        self._moves, self._cooling = memory.moves, memory.cooling

    def _concerned(self, url: URL) -> bool:
        """Whether anything has to be done before a request for a URL is sent."""
        memory = self.config.memory
        moved = memory.moves and memory.has_moved(target(url))
        return bool(moved or (memory.cooling and memory.is_cooling(origin(url))))

    def _end_waits(self) -> None:
        """End the running exchanges at their next wait, but no later exchange.

        The library's own transports can be used again after they were closed, and clients may
        share one.
        """
        ended = self.config.closed
        assert ended is not None
        self.config = self.config._replace(closed=Event())
        ended.set()

    def _config_for(self, request: Request) -> tuple[Config, float | None]:
        """The configuration of one request: with its overrides, and those of the client's call.

        The second value is when the first request of the call was sent, if it is this one.
        """
        config = self.config
        if OVERRIDE in request.extensions:
            config = config.overridden(request.extensions[OVERRIDE])
        call = CALL.get()
        if call is None or call[0] is not config.cookies:
            return config, None
        jar, said, began, first = call
        CALL.set((jar, said, began, False))
        follow = said if isinstance(said, bool) else None
        if follow is not None or config.limits.total is not None:
            table = following(config.table) if follow else config.table
            config = config._replace(table=table, follow=follow, began=began)
        return config, began if first else None

    def _looked_up(self, request: Request) -> CacheLookup | None:
        """The lookup of a request in a storage that answers at once.

        None where something comes before it, or it takes I/O: then the loop looks the request up.
        """
        client_cache, config = self._client_cache, self.config
        assert client_cache is not None
        if (
            not client_cache.near
            or request.method not in ("GET", "HEAD")
            or type(request.stream) not in BYTE_STREAMS
            or OVERRIDE in request.extensions
            or self._looks_first
            or ((self._moves or self._cooling) and self._concerned(request.url))
        ):
            return None
        cookies = None if config.cookies is None else config.cookies()
        return cache_lookup.look_up_at_once(client_cache, request, cookies, config.clock.time())

    def retire(self) -> None:
        """Pass all requests through: the transport is still beneath another one."""
        self._above = _Everyone()


class _Everyone:
    def __contains__(self, whoever: object) -> bool:
        return True


def _chosen(inner: TransportT, route: Callable[[URL], TransportT] | None, url: URL) -> TransportT:
    """The transport for a URL."""
    if route is None:
        return inner
    transport = route(url)
    if transport is not inner:
        from statuspolicy.wire.backend import install

        install(transport)  # its sockets listen too
    return transport


def _is_proxied(inner: TransportT, route: Callable[[URL], TransportT] | None, url: URL) -> bool:
    from statuspolicy.wire.backend import is_proxy

    return is_proxy(_chosen(inner, route, url))


def client_cache_of(cache: Any, limits: Limits) -> ClientCache:
    """The cache that the transports of a client share."""
    from statuspolicy.cache.config import Cache  # here, so that only who has one loads it
    from statuspolicy.engine.client_cache import ClientCache

    if isinstance(cache, ClientCache):  # shared by the transports of a wrapped client
        return cache
    instead = "statuspolicy.Cache(), or statuspolicy.Cache(storage=...) for a storage,"
    _expect("cache", cache, Cache, instead)
    return ClientCache(cache, limits)


def _jar(cookies: Any) -> Callable[[], Cookies] | None:
    if cookies is None or callable(cookies):
        return cookies  # type: ignore[no-any-return]
    _expect(
        "cookies", cookies, several(ANY.Cookies), "an httpx.Cookies, or a callable that returns one"
    )
    return lambda: cookies


def _expect(name: str, value: object, kind: Any, instead: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name}={given(value)}: write {instead} instead.")
