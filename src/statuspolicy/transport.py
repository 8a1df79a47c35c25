"""The transports: where there is nothing to do they cost next to nothing.

What is plain goes straight on; for all else the engine runs.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from statuspolicy.configured import Configured, driver
from statuspolicy.library import ANY, BASE, BYTE_STREAMS
from statuspolicy.methods import WITHOUT_CONTENT
from statuspolicy.plan import OVERRIDE, Plan
from statuspolicy.routing import PASSING
from statuspolicy.wire import HINTED, WIRE, Wire

if TYPE_CHECKING:
    from httpx import Request, Response

    from statuspolicy.effects import Reply
    from statuspolicy.hands import AsyncHands, Hands
    from statuspolicy.straight import Straight


class PolicyTransport(Configured[BASE.BaseTransport], BASE.BaseTransport):
    """An httpx transport that handles each response as its status code asks.

    inner: the transport that sends; None for `httpx.HTTPTransport()`.
    table: what each code gets; `statuspolicy.STANDARD | {503: statuspolicy.surface}`.
    limits: what no exchange may exceed.
    cookies: the jar, or a callable that returns it; None for one an exchange. Give
        `lambda: client.cookies` to share a client's (`wrap` does). Cookies without a domain are the
        caller's own: they go no further than his request's Cookie field does.
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
    _default = "HTTPTransport"

    def handle_request(self, request: Request) -> Response:
        """Send a request and see its exchange through."""
        # Whichever of them has what is open; before it is, so that Ctrl-C anywhere closes it.
        response: Response | None = None
        reply: Response | Reply | None = None
        hands: Hands | None = None
        try:
            if (
                type(request.stream) not in BYTE_STREAMS
                or OVERRIDE in request.extensions
                or (self._ahead and self._concerned(request.url))
            ):
                if PASSING.get() in self._above:
                    return self._inner.handle_request(request)
                if self._shelf is not None:
                    return self._looked_up(request)
                hands = self._hands(self._plan_for(request), None, None)
                return driver.run(self._flow(hands.plan, request), hands)
            if request.method not in WITHOUT_CONTENT:
                return self._with_content(request)
            try:
                response = self._inner.handle_request(request)
                if response.status_code in self._quiet and not (HINTED and driver.hinted(response)):
                    return response
            except ANY.TransportError as error:
                if PASSING.get() in self._above:
                    raise
                reply, way = driver.Reply(error), None
            else:
                if PASSING.get() in self._above:
                    return response
                way = self._way(request, response.status_code)
                if way is None:
                    reply = driver.Reply(response)
                else:
                    reply = self._straight_on(way, response)
                    if isinstance(reply, ANY.Response):
                        return reply
            if way is None:
                plan, sent = self._plan_for(request), request
            else:
                plan, sent = way.plan, way.request
            driver.saw(None, reply)
            hands = self._hands(plan, sent, reply)
            flow = self._flow(plan, request, reply, None, way)
            response = reply = way = None  # what waits holds no answer, nor a traceback an error
            return driver.run(flow, hands)
        except BaseException:
            self._let_go(hands, response, reply)
            raise

    def _with_content(self, request: Request) -> Response:
        """As `handle_request`, for what a server may act on twice: its sending is watched."""
        if PASSING.get() in self._above:
            return self._inner.handle_request(request)
        sent, watch = driver.equipped(request, driver.Watch, self.plan.limits)
        response: Response | None = None
        reply: Reply | None = None
        hands: Hands | None = None
        before = WIRE.get()
        try:
            try:
                WIRE.set(Wire(seen=None if watch is None else watch.seen))
                response = self._inner.handle_request(sent)
            except ANY.TransportError as error:
                reply = driver.Reply(error)
            WIRE.set(before)
            if watch is not None:
                watch.leave()
            if response is not None:
                if response.status_code in self._quiet and not (HINTED and driver.hinted(response)):
                    return response
                reply = driver.Reply(response)
            assert reply is not None
            driver.saw(watch, reply)
            plan = self._plan_for(request)
            hands = self._hands(plan, sent, reply)
            flow = self._flow(plan, request, reply)
            response = reply = None
            return driver.run(flow, hands)
        except BaseException:
            WIRE.set(before)
            self._let_go(hands, response, reply)
            raise

    def _straight_on(self, way: Straight, response: Response) -> Response | Reply:
        """What comes of an answer without the engine, or what it has to see to."""
        hands: Hands | None = None
        try:
            while (following := way.onward(response)) is not None:
                if way.holds:
                    hands = self._hands(way.plan, way.request, driver.Reply(response))
                    kept = hands.discard(driver.Discard(response, way.request))
                    way.discarded(response, kept)
                transport = self._inner if self._route is None else self._to(following.url)
                try:
                    response = transport.handle_request(following)
                except ANY.TransportError as error:
                    return driver.Reply(error)
                if response.status_code in self._quiet:
                    last = way.arrived(response)
                    if last is not None:
                        return last
            return driver.Reply(response)
        except BaseException:
            way.give_back()
            self._let_go(hands, response)
            raise

    def _looked_up(self, request: Request) -> Response:
        """What the cache has, or what came of asking the server."""
        visit, user = self._visit(request)
        if visit is None:
            return self._converse(self._plan_for(request, user), request)
        answer: Response | None = None
        response: Response | None = None
        reply: Reply | None = None
        hands: Hands | None = None
        try:
            sent, response = request, visit.served()
            try:
                if response is None:
                    sent = visit.equipped(request)
                    answer = self._inner.handle_request(sent)
                    response = self._settled(visit, answer)
                    if visit.from_here and type(answer.stream) not in BYTE_STREAMS:
                        hands = self._hands(self.plan, sent, driver.Reply(answer))
                        hands.discard(driver.Discard(answer, sent))
                said = HINTED and driver.hinted(response)
                judged = said or (not visit.from_here and visit.may_stand_in(response))
                if response.status_code in self._quiet and not judged:
                    return response
                reply = driver.Reply(response)
            except ANY.TransportError as error:
                reply = driver.Reply(error)
            driver.saw(None, reply)
            plan = self._plan_for(request, user)
            hands = self._hands(plan, sent, reply)
            flow = self._flow(plan, request, reply, visit)
            answer = response = reply = None
            return driver.run(flow, hands)
        except BaseException:
            self._let_go(hands, answer, response, reply)
            raise

    def _converse(self, plan: Plan, request: Request) -> Response:
        hands = self._hands(plan, None, None)
        try:
            return driver.run(self._flow(plan, request), hands)
        except BaseException:
            hands.release()
            raise

    def _let_go(self, hands: Hands | None, *responses: Response | Reply | None) -> None:
        """Close and release what an exception that ended the exchange would leave open."""
        if hands is not None:
            hands.release()
        for response in responses:
            driver.let_go(response)

    def _hands(self, plan: Plan, sent: Request | None, reply: Reply | None) -> Hands:
        return driver.Hands(plan, self._to, self._fresh, self._converse, sent, reply)

    def close(self) -> None:
        """Close the inner transport; a request that waits raises RuntimeError.

        A request that comes later is sent, as by the library's own transports.
        """
        self._end()
        self._inner.close()

    def _end(self) -> None:
        self._end_waits()
        if self._shelf is not None:
            self._shelf.close(self.plan.limits.drain_seconds)

    def __enter__(self) -> Self:
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


class AsyncPolicyTransport(Configured[BASE.AsyncBaseTransport], BASE.AsyncBaseTransport):
    """As `PolicyTransport`, for `httpx.AsyncClient`; works in asyncio and trio."""

    _sends = "handle_async_request"
    _is_async = True
    _default = "AsyncHTTPTransport"

    async def handle_async_request(self, request: Request) -> Response:
        """Send a request and see its exchange through."""
        response: Response | None = None
        reply: Response | Reply | None = None
        hands: AsyncHands | None = None
        try:
            if (
                type(request.stream) not in BYTE_STREAMS
                or OVERRIDE in request.extensions
                or (self._ahead and self._concerned(request.url))
            ):
                if PASSING.get() in self._above:
                    return await self._inner.handle_async_request(request)
                if self._shelf is not None:
                    return await self._looked_up(request)
                hands = self._hands(self._plan_for(request), None, None)
                return await driver.arun(self._flow(hands.plan, request), hands)
            if request.method not in WITHOUT_CONTENT:
                return await self._with_content(request)
            try:
                response = await self._inner.handle_async_request(request)
                if response.status_code in self._quiet and not (HINTED and driver.hinted(response)):
                    return response
            except ANY.TransportError as error:
                if PASSING.get() in self._above:
                    raise
                reply, way = driver.Reply(error), None
            else:
                if PASSING.get() in self._above:
                    return response
                way = self._way(request, response.status_code)
                if way is None:
                    reply = driver.Reply(response)
                else:
                    reply = await self._straight_on(way, response)
                    if isinstance(reply, ANY.Response):
                        return reply
            if way is None:
                plan, sent = self._plan_for(request), request
            else:
                plan, sent = way.plan, way.request
            driver.saw(None, reply)
            hands = self._hands(plan, sent, reply)
            flow = self._flow(plan, request, reply, None, way)
            response = reply = way = None  # as above
            return await driver.arun(flow, hands)
        except BaseException:
            await self._let_go(hands, response, reply)
            raise

    async def _with_content(self, request: Request) -> Response:
        """As `handle_async_request`, for what a server may act on twice: its sending is watched."""
        if PASSING.get() in self._above:
            return await self._inner.handle_async_request(request)
        sent, watch = driver.equipped(request, driver.AsyncWatch, self.plan.limits)
        response: Response | None = None
        reply: Reply | None = None
        hands: AsyncHands | None = None
        before = WIRE.get()
        try:
            try:
                WIRE.set(Wire(seen=None if watch is None else watch.seen))
                response = await self._inner.handle_async_request(sent)
            except ANY.TransportError as error:
                reply = driver.Reply(error)
            WIRE.set(before)
            if watch is not None:
                watch.leave()
            if response is not None:
                if response.status_code in self._quiet and not (HINTED and driver.hinted(response)):
                    return response
                reply = driver.Reply(response)
            assert reply is not None
            driver.saw(watch, reply)
            plan = self._plan_for(request)
            hands = self._hands(plan, sent, reply)
            flow = self._flow(plan, request, reply)
            response = reply = None
            return await driver.arun(flow, hands)
        except BaseException:
            WIRE.set(before)
            await self._let_go(hands, response, reply)
            raise

    async def _straight_on(self, way: Straight, response: Response) -> Response | Reply:
        """What comes of an answer without the engine, or what it has to see to."""
        hands: AsyncHands | None = None
        try:
            while (following := way.onward(response)) is not None:
                if way.holds:
                    hands = self._hands(way.plan, way.request, driver.Reply(response))
                    kept = await hands.discard(driver.Discard(response, way.request))
                    way.discarded(response, kept)
                transport = self._inner if self._route is None else self._to(following.url)
                try:
                    response = await transport.handle_async_request(following)
                except ANY.TransportError as error:
                    return driver.Reply(error)
                if response.status_code in self._quiet:
                    last = way.arrived(response)
                    if last is not None:
                        return last
            return driver.Reply(response)
        except BaseException:
            way.give_back()
            await self._let_go(hands, response)
            raise

    async def _looked_up(self, request: Request) -> Response:
        """What the cache has, or what came of asking the server."""
        visit, user = self._visit(request)
        if visit is None:
            return await self._converse(self._plan_for(request, user), request)
        answer: Response | None = None
        response: Response | None = None
        reply: Reply | None = None
        hands: AsyncHands | None = None
        try:
            sent, response = request, visit.served()
            try:
                if response is None:
                    sent = visit.equipped(request)
                    answer = await self._inner.handle_async_request(sent)
                    response = self._settled(visit, answer)
                    if visit.from_here and type(answer.stream) not in BYTE_STREAMS:
                        hands = self._hands(self.plan, sent, driver.Reply(answer))
                        await hands.discard(driver.Discard(answer, sent))
                said = HINTED and driver.hinted(response)
                judged = said or (not visit.from_here and visit.may_stand_in(response))
                if response.status_code in self._quiet and not judged:
                    return response
                reply = driver.Reply(response)
            except ANY.TransportError as error:
                reply = driver.Reply(error)
            driver.saw(None, reply)
            plan = self._plan_for(request, user)
            hands = self._hands(plan, sent, reply)
            flow = self._flow(plan, request, reply, visit)
            answer = response = reply = None
            return await driver.arun(flow, hands)
        except BaseException:
            await self._let_go(hands, answer, response, reply)
            raise

    async def _converse(self, plan: Plan, request: Request) -> Response:
        hands = self._hands(plan, None, None)
        try:
            return await driver.arun(self._flow(plan, request), hands)
        except BaseException:
            await hands.release()
            raise

    async def _let_go(self, hands: AsyncHands | None, *responses: Response | Reply | None) -> None:
        """As PolicyTransport's."""
        if hands is not None:
            await hands.release()
        for response in responses:
            await driver.alet_go(response)

    def _hands(self, plan: Plan, sent: Request | None, reply: Reply | None) -> AsyncHands:
        return driver.AsyncHands(plan, self._to, self._fresh, self._converse, sent, reply)

    async def aclose(self) -> None:
        """Close the inner transport; a request that waits raises RuntimeError.

        A request that comes later is sent, as by the library's own transports.
        """
        await self._end()
        await self._inner.aclose()

    async def _end(self) -> None:
        self._end_waits()
        if self._shelf is not None:
            await self._shelf.aclose()

    async def __aenter__(self) -> Self:
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
