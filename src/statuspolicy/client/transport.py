"""`PolicyTransport`: the transport for threads.

It returns a response without a decision at once, and so a stored response that needs no validation.
Everything else is done by the loop (`engine/loop.py`).
"""

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
    from statuspolicy.client.sync_io import SyncIO
    from statuspolicy.engine import loop
    from statuspolicy.engine.cache_lookup import CacheLookup
    from statuspolicy.engine.effects import Reply
else:  # once there is something to do
    driver, loop = LazyModule("statuspolicy.client.driver"), LazyModule("statuspolicy.engine.loop")


class PolicyTransport(Configured[BASE.BaseTransport], BASE.BaseTransport):
    """An httpx transport that handles each response as its status code asks.

    inner: the transport that sends; None for `httpx.HTTPTransport()`.
    table: the duty for each code, such as `statuspolicy.STANDARD | {503: statuspolicy.surface}`.
    limits: the bounds of each exchange.
    cookies: the jar, or a callable that returns it; None for a new jar in each exchange. Give
        `lambda: client.cookies` to share a client's (`wrap` does). Cookies without a domain are the
        caller's own: they are sent only where the Cookie field of the caller's request is sent.
    route: the transport for a URL, so that each hop goes through its own proxy or mount.
    cache: `statuspolicy.Cache()`: responses are stored and used again (RFC 9111).
    memory: the `Memory` that exchanges share; None for one of its own.
    confirm: `confirm(request, next_request, response) -> bool`, called before a request with a
        method that is not safe is redirected.
    allow_hop: `allow_hop(request, next_request) -> bool`, called before every redirect and every
        side request, such as `statuspolicy.public_addresses_only`.
    prepare: `prepare(request, attempt)`, called before every send with a request to change in
        place, its header fields and extensions (a signature, a token). It sees requests to
        other origins too: look at `request.url` before a secret is written.
    fresh: makes a transport with connections of its own, for a repeat over HTTP/2 that needs
        another connection.
    observer: called with each event (`statuspolicy.events`) when it happens.
    clock: the source of time and of waits; `statuspolicy.testing.FakeClock()` in tests.

    Raises TypeError for an argument of the wrong kind.
    """

    __module__ = "statuspolicy"

    _sends = "handle_request"
    _is_async = False
    _default = "HTTPTransport"

    def handle_request(self, request: Request) -> Response:
        """Send a request, and run its exchange to the end."""
        # One of these holds the open response; before it is open, so that Ctrl-C closes it.
        response: Response | None = None
        reply: Reply | None = None
        io: SyncIO | None = None
        sent, watch, lookup = request, None, None
        try:
            if (
                type(request.stream) not in BYTE_STREAMS
                or OVERRIDE in request.extensions
                or self._ahead
                or ((self._moves or self._cooling) and self._concerned(request.url))
            ):
                if PASSING.get() in self._above:
                    return self._inner.handle_request(request)
                lookup = None if self._client_cache is None else self._looked_up(request)
                if lookup is not None and (stored := lookup.hit(self._quiet)) is not None:
                    return stored
                if lookup is None or not lookup.is_miss:
                    return self._exchanged(self._config_for(request)[0], request, lookup)
                sent = lookup.with_conditions(request)
            # (Most are a GET: to compare is cheaper than to look it up.)
            elif (
                request.method != "GET"
                and request.method not in WITHOUT_CONTENT
                and PASSING.get() not in self._above
            ):
                sent, watch = driver.watched(request, driver.Watch, self.config.limits)
            try:
                if watch is not None:
                    watch.enter()
                response = self._inner.handle_request(sent)
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
            response = reply = None  # don't keep it alive while waiting
            return driver.run(flow, io)
        except BaseException:
            if watch is not None:
                watch.leave()
            if io is not None:
                io.release()
            driver.let_go(response)
            driver.let_go(reply)
            raise

    def _exchanged(
        self, config: Config, request: Request, lookup: CacheLookup | None = None
    ) -> Response:
        """The result of an exchange, given its first send."""
        io = self._io(config, request, lookup)
        try:
            return driver.run(loop.exchange(io.state), io)
        except BaseException:
            io.release()
            raise

    def _io(
        self,
        config: Config,
        request: Request,
        lookup: CacheLookup | None,
        sent: Request | None = None,
        reply: Reply | None = None,
    ) -> SyncIO:
        state = driver.ExchangeState(config, request, lookup)
        return driver.SyncIO(state, self._to, self._fresh, self._exchanged, sent, reply)

    def close(self) -> None:
        """Close the inner transport; a request that waits raises RuntimeError.

        A request that comes later is sent, as by the library's own transports.
        """
        self._end()
        self._inner.close()

    def _end(self) -> None:
        self._end_waits()
        if self._client_cache is not None:
            self._client_cache.close(self.config.limits.drain_seconds)

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
