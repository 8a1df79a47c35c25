"""The transport of tasks: as `client/transport.py`, with `await`."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from statuspolicy.client.base_transport import Configured
from statuspolicy.client.wrapping import PASSING
from statuspolicy.engine.config import OVERRIDE, Config
from statuspolicy.fields.methods import WITHOUT_CONTENT
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.wire.context import HINTED, WIRE, Wire
from statuspolicy.wire.library import ANY, BASE, BYTE_STREAMS

if TYPE_CHECKING:
    from httpx import Request, Response

    from statuspolicy.client import driver
    from statuspolicy.client.async_io import AsyncIO
    from statuspolicy.engine import loop
    from statuspolicy.engine.cache_lookup import CacheLookup
    from statuspolicy.engine.effects import Reply
else:  # once there is something to do
    driver, loop = LazyModule("statuspolicy.client.driver"), LazyModule("statuspolicy.engine.loop")


class AsyncPolicyTransport(Configured[BASE.AsyncBaseTransport], BASE.AsyncBaseTransport):
    """As `PolicyTransport`, for `httpx.AsyncClient`; works in asyncio and trio."""

    __module__ = "statuspolicy"

    _sends = "handle_async_request"
    _is_async = True
    _default = "AsyncHTTPTransport"

    async def handle_async_request(self, request: Request) -> Response:
        """Send a request and see its exchange through."""
        response: Response | None = None
        reply: Response | Reply | None = None
        io: AsyncIO | None = None
        try:
            if (
                type(request.stream) not in BYTE_STREAMS
                or OVERRIDE in request.extensions
                or self._ahead
                or ((self._moves or self._cooling) and self._concerned(request.url))
            ):
                if PASSING.get() in self._above:
                    return await self._inner.handle_async_request(request)
                if self._shelf is not None:
                    return await self._looked_up(request)
                return await self._exchanged(self._plan_for(request), request)
            if request.method not in WITHOUT_CONTENT:
                return await self._with_content(request)
            try:
                response = await self._inner.handle_async_request(request)
                if response.status_code in self._quiet and not (HINTED and driver.hinted(response)):
                    return response
            except ANY.TransportError as error:
                if PASSING.get() in self._above:
                    raise
                reply = driver.Reply(error)
            else:
                if PASSING.get() in self._above:
                    return response
                reply = driver.Reply(response)
            if HINTED or response is None:
                driver.saw(None, reply)
            io = self._io(self._plan_for(request), request, request, reply)
            flow = loop.exchange(io.state, reply)
            response = reply = None  # what waits holds no answer, nor a traceback an error
            return await driver.arun(flow, io)
        except BaseException:
            await self._let_go(io, response, reply)
            raise

    async def _with_content(self, request: Request) -> Response:
        """As `handle_async_request`, for what a server may act on twice: its sending is watched."""
        if PASSING.get() in self._above:
            return await self._inner.handle_async_request(request)
        sent, watch = driver.equipped(request, driver.AsyncWatch, self.config.limits)
        response: Response | None = None
        reply: Reply | None = None
        io: AsyncIO | None = None
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
            io = self._io(self._plan_for(request), request, sent, reply)
            flow = loop.exchange(io.state, reply)
            response = reply = None
            return await driver.arun(flow, io)
        except BaseException:
            WIRE.set(before)
            await self._let_go(io, response, reply)
            raise

    async def _looked_up(self, request: Request) -> Response:
        """What the cache has, or what came of asking the server."""
        lookup, user = self._visit(request)
        if lookup is None:
            return await self._exchanged(self._plan_for(request, user), request)
        answer: Response | None = None
        response: Response | None = None
        reply: Reply | None = None
        io: AsyncIO | None = None
        try:
            sent, response = request, lookup.served()
            try:
                if response is None:
                    sent = lookup.equipped(request)
                    answer = await self._inner.handle_async_request(sent)
                    response = self._settled(lookup, answer)
                    if lookup.from_here and type(answer.stream) not in BYTE_STREAMS:
                        io = self._io(self.config, request, sent, driver.Reply(answer))
                        await io.discard(driver.Discard(answer, sent))
                said = HINTED and driver.hinted(response)
                judged = said or (not lookup.from_here and lookup.may_stand_in(response))
                if response.status_code in self._quiet and not judged:
                    return response
                reply = driver.Reply(response)
            except ANY.TransportError as error:
                reply = driver.Reply(error)
            driver.saw(None, reply)
            io = self._io(self._plan_for(request, user), request, sent, reply, lookup)
            flow = loop.exchange(io.state, reply)
            answer = response = reply = None
            return await driver.arun(flow, io)
        except BaseException:
            await self._let_go(io, answer, response, reply)
            raise

    async def _exchanged(self, config: Config, request: Request) -> Response:
        """What comes of an exchange that begins with its first send."""
        io = self._io(config, request)
        try:
            return await driver.arun(loop.exchange(io.state), io)
        except BaseException:
            await io.release()
            raise

    async def _let_go(self, io: AsyncIO | None, *responses: Response | Reply | None) -> None:
        """As PolicyTransport's."""
        if io is not None:
            await io.release()
        for response in responses:
            await driver.alet_go(response)

    def _io(
        self,
        config: Config,
        request: Request,
        sent: Request | None = None,
        reply: Reply | None = None,
        lookup: CacheLookup | None = None,
    ) -> AsyncIO:
        state = driver.ExchangeState(config, request)
        state.lookup = lookup
        return driver.AsyncIO(state, self._to, self._fresh, self._exchanged, sent, reply)

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
