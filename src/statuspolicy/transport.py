"""The transports: where there is nothing to do they cost next to nothing, else the engine runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import cache, cached_property
from inspect import iscoroutinefunction
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

from statuspolicy.clock import Clock, SystemClock
from statuspolicy.limits import Limits
from statuspolicy.memory import Memory
from statuspolicy.wire import HINTED, Wire, wired

from ._lib import (
    URL,
    AsyncBaseTransport,
    AsyncHTTPTransport,
    BaseTransport,
    ByteStream,
    Cookies,
    HTTPTransport,
    Request,
    Response,
    TransportError,
)
from .effects import Discard, Reply
from .evidence import AsyncWatch, Watch, equipped, hinted, saw
from .expecting import WITHOUT_CONTENT
from .plan import OVERRIDE, AllowHop, Confirm, Observer, Plan, Prepare
from .row import Table
from .tables import STANDARD

if TYPE_CHECKING:
    from statuspolicy.cache.config import Cache

    from .caching import Shelf
    from .hands import AsyncHands, Hands
    from .straight import Straight, Ways
    from .visit import Visit

TransportT = TypeVar("TransportT", bound=BaseTransport | AsyncBaseTransport)

_OF_A_CLOCK = ("time", "monotonic", "sleep", "asleep")

# What a wrapped client knows of the call that is under way: whose it is (by its jar, since a
# hook may use another client), whether its redirects are followed, when it began, and whether
# its first request is still to be sent: an auth flow sends several.
Call: TypeAlias = "tuple[Callable[[], Cookies], bool, float, bool]"
CALL: ContextVar[Call | None] = ContextVar("statuspolicy.call", default=None)


class _Policy(Generic[TransportT]):
    """What the two transports share: all but the sending."""

    _sends: str
    _is_async: bool
    _default: type[TransportT]

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
                raise TypeError(f"{name}={value!r}: write a callable instead.")
        if iscoroutinefunction(observer):
            raise TypeError(f"observer={observer!r} is a coroutine function: write a plain one.")
        if isinstance(clock, type) or not (
            clock is None or all(hasattr(clock, name) for name in _OF_A_CLOCK)
        ):
            raise TypeError(
                f"clock={clock!r}: write statuspolicy.SystemClock(), or what has its methods, "
                "instead."
            )
        given: object = inner
        if isinstance(given, _Policy):
            raise TypeError("inner is a policy transport already: give the one that it wraps.")
        if isinstance(given, type):
            name = given.__name__
            raise TypeError(f"inner is the class {name}: call it, as in {name}().")
        self._inner = self._default() if inner is None else inner
        if not hasattr(self._inner, self._sends):
            raise TypeError(
                f"inner={inner!r} has no {self._sends}: give an httpx.{self._default.__name__}, "
                "or use the other of PolicyTransport and AsyncPolicyTransport."
            )

        from statuspolicy.network import install  # here, where there is a transport

        install(self._inner)
        self._route = route
        self._closed = Event()
        self._fresh = fresh
        self._shelf = None if cache is None else shelf_of(cache, limits)
        self.plan = Plan(
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
            cache=self._shelf,
            closed=self._closed,
            is_async=self._is_async,
            proxied=self._proxied,
        )
        # The fast path's own: a plan never changes, and memory empties in place.
        self._quiet = table.quiet
        self._looks_first = self.plan.looks_first
        self._ahead = (True,) if self._looks_first or self._shelf else memory.moves
        self._cooling = memory.cooling

    def _plan_for(self, request: Request) -> Plan:
        plan = self.plan
        if OVERRIDE in request.extensions:
            plan = plan.overridden(request.extensions[OVERRIDE])
        call = CALL.get()
        if call is None or call[0] is not plan.cookies:
            return plan
        jar, follow, began, first = call
        CALL.set((jar, follow, began, False))
        return plan._replace(follow=follow, began=began, sent=began if first else None)

    @cached_property
    def _ways(self) -> Ways:
        make: type[Ways] = _driver().Ways
        return make(self.plan)

    def _way(self, request: Request, status: int) -> Straight | None:
        """How an exchange goes on from such an answer without the engine, as far as it does."""
        ways = self._ways
        if status not in ways or request.method not in WITHOUT_CONTENT:
            return None
        plan = self.plan if CALL.get() is None else self._plan_for(request)
        return ways.begin(plan, request, ways)

    def _visit(self, request: Request) -> Visit | None:
        """A request's visit to a cache in this process's memory, where nothing else is to do."""
        shelf, plan = self._shelf, self.plan
        if (
            shelf is None
            or not shelf.near
            or request.method not in ("GET", "HEAD")
            or type(request.stream) is not ByteStream
            or OVERRIDE in request.extensions
            or self._looks_first
            or plan.memory.moves
        ):
            return None
        asked = shelf.asked(request, None if plan.cookies is None else plan.cookies())
        stored = shelf.look(asked.url, asked.who)
        visit = shelf.visit(asked, stored, plan.clock.time())
        # Where the origin cools down there is more to do before a send.
        return visit if visit.simple and not (self._cooling and visit.sends) else None

    def _settled(self, visit: Visit, answer: Response) -> Response:
        """What is handed over in an answer's place, once what is stored was changed by it."""
        assert self._shelf is not None
        response, changes = visit.settled(answer, self.plan.clock.time())
        self._shelf.change(changes)
        assert response is not None
        return response

    def _proxied(self, url: URL) -> bool:
        from statuspolicy.network import is_proxy

        return is_proxy(self._to(url))

    def _to(self, url: URL) -> TransportT:
        return self._inner if self._route is None else self._route(url)


class PolicyTransport(_Policy[BaseTransport], BaseTransport):
    """An httpx transport that handles each response as its status code asks.

    inner: the transport that sends; None for `httpx.HTTPTransport()`.
    table: what each code gets; `statuspolicy.STANDARD | {503: statuspolicy.surface}`.
    limits: what no exchange may exceed.
    cookies: the jar, or a callable that returns it; None for one an exchange. Give
        `lambda: client.cookies` to share a client's (`wrap` does).
    route: the transport for a URL, so that each hop goes through its own proxy or mount.
    cache: `statuspolicy.Cache()`: responses are stored and used again (RFC 9111).
    memory: what is remembered between exchanges; None for one of its own.
    confirm: `confirm(request, next_request, response) -> bool`, asked before a method that
        is not safe is sent elsewhere.
    allow_hop: `allow_hop(request, next_request) -> bool`, asked before every redirect and every
        request on the side, such as `statuspolicy.public_addresses_only`.
    prepare: `prepare(request, attempt)`, called before every send with a request to change in
        place, its header fields and extensions (a signature, a token). It sees requests to
        other origins too: look at `request.url` before a secret is written.
    fresh: makes a transport with connections of its own, for an answer over HTTP/2 that
        asks for another connection.
    observer: is told each event (`statuspolicy.events`) as it happens.
    clock: where time comes from; `statuspolicy.testing.FakeClock()` in tests.

    Raises TypeError for an argument of the wrong kind.
    """

    _sends = "handle_request"
    _is_async = False
    _default = HTTPTransport

    def handle_request(self, request: Request) -> Response:
        """Send a request and see its exchange through."""
        if (
            type(request.stream) is not ByteStream
            or OVERRIDE in request.extensions
            or self._ahead
            or self._cooling
        ):
            return self._looked_up(request)
        sent, watch, way = request, None, None
        try:
            if request.method in WITHOUT_CONTENT:
                response = self._inner.handle_request(request)
            else:
                sent, watch = equipped(request, Watch, self.plan.limits)
                with wired(Wire(seen=None if watch is None else watch.seen)):
                    response = self._inner.handle_request(sent)
            if response.status_code in self._quiet and not (HINTED and hinted(response)):
                return response
            way = self._way(request, response.status_code)
            while way is not None and (following := way.onward(response)) is not None:
                if way.holds:
                    hands = self._hands(self.plan, sent, Reply(response))
                    way.discarded(response, hands.discard(Discard(response, sent)))
                sent = following
                response = self._to(sent.url).handle_request(sent)
                if response.status_code in self._quiet and (last := way.arrived(response)):
                    return last
            reply = Reply(response)
        except TransportError as error:
            reply = Reply(error)
        saw(watch, reply)
        try:
            return self._converse(self._plan_for(request), request, sent, reply, None, way)
        finally:
            del reply  # or an error's traceback would hold the error

    def _looked_up(self, request: Request) -> Response:
        """What the cache has, or what came of asking the server."""
        visit = self._visit(request)
        if visit is None:
            return self._converse(self._plan_for(request), request)
        sent, response = request, visit.served()
        try:
            if response is None:
                sent = visit.equipped(request)
                answer = self._inner.handle_request(sent)
                response = self._settled(visit, answer)
                if visit.from_here and type(answer.stream) is not ByteStream:
                    self._hands(self.plan, sent, Reply(answer)).discard(Discard(answer, sent))
            said = HINTED and hinted(response)
            judged = said or (not visit.from_here and visit.may_stand_in(response))
            if response.status_code in self._quiet and not judged:
                return response
            reply = Reply(response)
        except TransportError as error:
            reply = Reply(error)
        saw(None, reply)
        try:
            return self._converse(self._plan_for(request), request, sent, reply, visit)
        finally:
            del reply  # or an error's traceback would hold the error

    def _converse(
        self,
        plan: Plan,
        request: Request,
        sent: Request | None = None,
        reply: Reply | None = None,
        visit: Visit | None = None,
        way: Straight | None = None,
    ) -> Response:
        driver, hands = _driver(), self._hands(plan, sent, reply)
        flow = driver.converse(plan, request, reply, visit, way and way.talk())
        del reply
        response: Response = driver.run(flow, hands)
        return response

    def _hands(self, plan: Plan, sent: Request | None, reply: Reply | None) -> Hands:
        make: type[Hands] = _driver().Hands
        return make(plan, self._to, self._fresh, self._converse, sent, reply)

    def close(self) -> None:
        """Close the inner transport; a request that waits raises RuntimeError."""
        self._end()
        self._inner.close()

    def _end(self) -> None:
        self._closed.set()
        if self._shelf is not None:
            self._shelf.close(self.plan.limits.drain_seconds)

    def __enter__(self) -> Self:
        self._closed.clear()
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._end()
        self._inner.__exit__(exc_type, exc_value, traceback)


class AsyncPolicyTransport(_Policy[AsyncBaseTransport], AsyncBaseTransport):
    """As `PolicyTransport`, for `httpx.AsyncClient`; works in asyncio and trio."""

    _sends = "handle_async_request"
    _is_async = True
    _default = AsyncHTTPTransport

    async def handle_async_request(self, request: Request) -> Response:
        """Send a request and see its exchange through."""
        if (
            type(request.stream) is not ByteStream
            or OVERRIDE in request.extensions
            or self._ahead
            or self._cooling
        ):
            return await self._looked_up(request)
        sent, watch, way, response = request, None, None, None
        try:
            if request.method in WITHOUT_CONTENT:
                response = await self._inner.handle_async_request(request)
            else:
                sent, watch = equipped(request, AsyncWatch, self.plan.limits)
                with wired(Wire(seen=None if watch is None else watch.seen)):
                    response = await self._inner.handle_async_request(sent)
            if response.status_code in self._quiet and not (HINTED and hinted(response)):
                return response
            way = self._way(request, response.status_code)
            while way is not None and (following := way.onward(response)) is not None:
                if way.holds:
                    hands = self._hands(self.plan, sent, Reply(response))
                    way.discarded(response, await hands.discard(Discard(response, sent)))
                sent = following
                response = await self._to(sent.url).handle_async_request(sent)
                if response.status_code in self._quiet and (last := way.arrived(response)):
                    return last
            reply = Reply(response)
        except TransportError as error:
            reply = Reply(error)
        saw(watch, reply)
        try:
            seeing = self._converse(self._plan_for(request), request, sent, reply, None, way)
            del response  # what waits holds no answer
        finally:
            del reply  # or an error's traceback would hold the error
        return await seeing

    async def _looked_up(self, request: Request) -> Response:
        """What the cache has, or what came of asking the server."""
        visit = self._visit(request)
        if visit is None:
            return await self._converse(self._plan_for(request), request)
        sent, response = request, visit.served()
        try:
            if response is None:
                sent = visit.equipped(request)
                answer = await self._inner.handle_async_request(sent)
                response = self._settled(visit, answer)
                if visit.from_here and type(answer.stream) is not ByteStream:
                    hands = self._hands(self.plan, sent, Reply(answer))
                    await hands.discard(Discard(answer, sent))
            said = HINTED and hinted(response)
            judged = said or (not visit.from_here and visit.may_stand_in(response))
            if response.status_code in self._quiet and not judged:
                return response
            reply = Reply(response)
        except TransportError as error:
            reply = Reply(error)
        saw(None, reply)
        try:
            seeing = self._converse(self._plan_for(request), request, sent, reply, visit)
            del response  # what waits holds no answer
        finally:
            del reply  # or an error's traceback would hold the error
        return await seeing

    def _converse(
        self,
        plan: Plan,
        request: Request,
        sent: Request | None = None,
        reply: Reply | None = None,
        visit: Visit | None = None,
        way: Straight | None = None,
    ) -> Coroutine[Any, Any, Response]:
        driver, hands = _driver(), self._hands(plan, sent, reply)
        seeing: Coroutine[Any, Any, Response]
        flow = driver.converse(plan, request, reply, visit, way and way.talk())
        seeing = driver.arun(flow, hands)
        return seeing

    def _hands(self, plan: Plan, sent: Request | None, reply: Reply | None) -> AsyncHands:
        make: type[AsyncHands] = _driver().AsyncHands
        return make(plan, self._to, self._fresh, self._converse, sent, reply)

    async def aclose(self) -> None:
        """Close the inner transport; a request that waits raises RuntimeError."""
        await self._end()
        await self._inner.aclose()

    async def _end(self) -> None:
        self._closed.set()
        if self._shelf is not None:
            await self._shelf.aclose()

    async def __aenter__(self) -> Self:
        self._closed.clear()
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._end()
        await self._inner.__aexit__(exc_type, exc_value, traceback)


@cache
def _driver() -> Any:
    """The engine and what drives it: loaded when there is something to do, and found once."""
    from . import driver

    return driver


def shelf_of(cache: Any, limits: Limits) -> Shelf:
    """A cache as a client's transports use it together."""
    from statuspolicy.cache.config import Cache  # here, so that only who has one loads it

    from .caching import Shelf

    if isinstance(cache, Shelf):  # a wrapped client's transports have one together
        return cache
    instead = "statuspolicy.Cache(), or statuspolicy.Cache(storage=...) for a storage,"
    _expect("cache", cache, Cache, instead)
    return Shelf(cache, limits)


def _jar(cookies: Any) -> Callable[[], Cookies] | None:
    if cookies is None or callable(cookies):
        return cookies  # type: ignore[no-any-return]
    _expect("cookies", cookies, Cookies, "an httpx.Cookies, or a callable that returns one")
    return lambda: cookies


def _expect(name: str, value: object, kind: type, instead: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name}={value!r}: write {instead} instead.")
