"""`AsyncPolicyTransport`: as `client/transport.py`, with `await`."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from statuspolicy.client.base_transport import Configured
from statuspolicy.client.wrapping import PASSING
from statuspolicy.engine.config import OVERRIDE, Config
from statuspolicy.fields.methods import WITHOUT_CONTENT
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.wire.context import HINTED
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
        """Send a request, and run its exchange to the end."""
        response: Response | None = None
        reply: Reply | None = None
        io: AsyncIO | None = None
        sent, watch, lookup = request, None, None
        try:
            if (
                type(request.stream) not in BYTE_STREAMS
                or OVERRIDE in request.extensions
                or self._ahead
                or ((self._moves or self._cooling) and self._concerned(request.url))
            ):
                if PASSING.get() in self._above:
                    return await self._inner.handle_async_request(request)
                lookup = None if self._client_cache is None else self._looked_up(request)
                if lookup is not None and (stored := lookup.hit(self._quiet)) is not None:
                    return stored
                if lookup is None or not lookup.is_miss:
                    return await self._exchanged(self._config_for(request)[0], request, lookup)
                sent = lookup.with_conditions(request)
            # (Most are a GET: to compare is cheaper than to look it up.)
            elif (
                request.method != "GET"
                and request.method not in WITHOUT_CONTENT
                and PASSING.get() not in self._above
            ):
                sent, watch = driver.watched(request, driver.AsyncWatch, self.config.limits)
            try:
                if watch is not None:
                    watch.enter()
                response = await self._inner.handle_async_request(sent)
                if watch is not None:
                    watch.leave()
                if (
                    response.status_code in self._quiet
                    and lookup is None
                    and not (HINTED and driver.hinted(response))
                ):
                    return response
            except ANY.TransportError as error:
                if watch is not None:
                    watch.leave()
                elif PASSING.get() in self._above:
                    raise
                reply = driver.Reply(error)
            else:
                if watch is None and PASSING.get() in self._above:
                    return response
                reply = driver.Reply(response)
            if HINTED or watch is not None or response is None:
                driver.saw(watch, reply)
            config, began = self._config_for(request)
            io = self._io(config, request, lookup, sent, reply)
            io.state.began = began
            flow = loop.exchange(io.state, reply)
            response = reply = None
            return await driver.arun(flow, io)
        except BaseException:
            if watch is not None:
                watch.leave()
            if io is not None:
                await io.release()
            await driver.alet_go(response)
            await driver.alet_go(reply)
            raise

    async def _exchanged(
        self, config: Config, request: Request, lookup: CacheLookup | None = None
    ) -> Response:
        """The result of an exchange, given its first send."""
        io = self._io(config, request, lookup)
        try:
            return await driver.arun(loop.exchange(io.state), io)
        except BaseException:
            await io.release()
            raise

    def _io(
        self,
        config: Config,
        request: Request,
        lookup: CacheLookup | None,
        sent: Request | None = None,
        reply: Reply | None = None,
    ) -> AsyncIO:
        state = driver.ExchangeState(config, request, lookup)
        return driver.AsyncIO(state, self._to, self._fresh, self._exchanged, sent, reply)

    async def aclose(self) -> None:
        """Close the inner transport; a request that waits raises RuntimeError.

        A request that comes later is sent, as by the library's own transports.
        """
        await self._end()
        await self._inner.aclose()

    async def _end(self) -> None:
        self._end_waits()
        if self._client_cache is not None:
            await self._client_cache.aclose()

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
