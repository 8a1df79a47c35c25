"""`IO`, the base class of sync and async I/O: it prepares a request, and makes the Reply."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from statuspolicy.client.default_transport import DefaultTransport
from statuspolicy.engine.config import Config
from statuspolicy.engine.effects import Discard, Reply, Resume, Send
from statuspolicy.engine.evidence import Watch, saw, watched
from statuspolicy.engine.state import ExchangeState
from statuspolicy.fields.methods import SAFE
from statuspolicy.memory.locks import ExchangeLock
from statuspolicy.message import body
from statuspolicy.message.errors import TotalTimeout
from statuspolicy.message.redirected import is_digest, target
from statuspolicy.message.response import keep_trace
from statuspolicy.message.resuming import Resuming, resumable
from statuspolicy.message.steps import Trace
from statuspolicy.message.streams import Bounded, Owned
from statuspolicy.policy.table import Table
from statuspolicy.wire import backend
from statuspolicy.wire.context import PINS, Wire
from statuspolicy.wire.httpx_internals import lines
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import URL, AsyncBaseTransport, BaseTransport, Request, Response, TransportError

    from statuspolicy.engine.client_cache import ClientCache

_LENGTH = b"content-length"
TransportT = TypeVar("TransportT", bound="BaseTransport | AsyncBaseTransport")


class IO(Generic[TransportT]):
    """Base class of both kinds of I/O: it owns the open response, and the locks that are held.

    state: the state of the exchange; its token and probe are given back if it is cancelled.
    route: returns the transport for a URL.
    again: runs another exchange for a request.
    sent, reply: the request and the result of the first send, if it was made already.
    """

    watch: type[Watch]
    ended = False  # by itself
    # A transport that was made for one send, until the response has it.
    own: TransportT | None = None
    trace: Trace | None = None  # of the response that was handed over
    turns: tuple[ExchangeLock, ...] = ()  # the locks that this exchange holds
    held: Response | None = None

    def __init__(
        self,
        state: ExchangeState,
        route: Callable[[URL], TransportT],
        fresh: Callable[[], TransportT] | None,
        again: Callable[[Config, Request], Any],
        sent: Request | None = None,
        reply: Reply | None = None,
    ) -> None:
        self.state = state
        self.config = state.config
        self.route = route
        self.fresh = fresh
        self.again = again
        self.sent = sent  # the very request that the transport was given
        if reply is not None and isinstance(reply.outcome, ANY.Response):
            self.held = reply.outcome

    def transport(self, effect: Send) -> TransportT:
        # Every test would show here that a response was left open.
        assert self.held is None, "a response is still open"
        if effect.over is not None:
            self.own = effect.over  # type: ignore[assignment]
        elif effect.fresh and self.fresh is not None:
            self.own = self.fresh()
        transport: Any = self.route(effect.request.url) if self.own is None else self.own
        if isinstance(transport, DefaultTransport):
            transport = transport.of(effect.request)
        return transport  # type: ignore[no-any-return]

    def watched(self, effect: Send) -> tuple[Request, Watch | None]:
        """The request as the transport gets it, with its timeouts capped, and its Watch."""
        request, watch = watched(effect.request, self.watch, self.config.limits)
        if effect.until is not None:
            request = _capped(request, self.left(effect.until))
        self.sent = request
        return request, watch

    def wire(self, effect: Send, transport: TransportT, watch: Watch | None) -> Wire | None:
        """The options for the sockets while the request is sent."""
        pins, until = effect.request.extensions.get(PINS), effect.until
        if until is not None and self.left(until) <= 0:
            raise self.late(effect.request)
        # A transport that `route` returned listens too, even without a limit or addresses.
        if not backend.install(transport) or not (until or pins or watch):
            return None
        left = None if until is None else (lambda: self.left(until))
        return Wire(left, pins or {}, None if watch is None else watch.seen)

    @property
    def client_cache(self) -> ClientCache:
        """The cache; only a cache yields the effects that need it."""
        assert self.config.cache is not None
        return self.config.cache

    def still_open(self) -> None:
        """Raise RuntimeError, as a closed client does, if it was closed during a wait."""
        if self.config.closed is not None and self.config.closed.is_set():
            raise RuntimeError("The client was closed while a request waited to be sent.")

    def left(self, until: float) -> float:
        """Seconds until `until`."""
        return until - self.config.clock.monotonic()

    def late(self, request: Request) -> TotalTimeout:
        """The TotalTimeout of this exchange."""
        error = TotalTimeout(
            f"{request.method} {target(request.url)} did not finish, with its body read, within "
            f"Limits.total={self.config.limits.total:g} s.",
            request=request,
        )
        if self.trace is not None:  # the exchange is over, and its body was being read
            keep_trace(error, self.trace)
        return error

    def reply(self, effect: Send, watch: Watch | None) -> Reply:
        """The Reply of a send that got a response, which is held from now on."""
        if watch is not None:
            watch.leave()
        until, request, response = effect.until, effect.request, self.held
        assert response is not None
        if self.own is not None:
            response.stream = Owned(response.stream, self.own)
            self.own = None
        if until is not None and not in_memory(response):
            response.stream = Bounded(
                response.stream, lambda: self.left(until), lambda: self.late(request)
            )
        return saw(watch, Reply(response))

    def failed(self, error: TransportError, effect: Send, watch: Watch | None) -> Reply:
        """The Reply of a send that failed."""
        over = effect.until is not None and self.left(effect.until) <= 0
        if over and not isinstance(error, TotalTimeout):
            late = self.late(effect.request)
            late.__cause__ = error
            error = late
        return saw(watch, Reply(error))

    def resume(self, effect: Resume) -> str:
        """Make the body of a response resume where it breaks; returns why it can't, or ""."""
        if in_memory(effect.response):
            return ""
        why = resumable(effect.response, effect.request)
        if self.config.prepare is None and is_digest(
            effect.request.headers.get("authorization", "")
        ):
            why = "its Digest credentials are for one request (nc)"
        if not why:
            total, until = self.config.limits.total, effect.until
            # The rest has the same time limit as the whole.
            began = None if until is None or total is None else until - total
            config = self.config._replace(resume=None, began=began, user=effect.user)
            effect.response.stream = Resuming(
                effect.response,
                effect.request,
                lambda request: self.again(config, request),
                config.limits.attempts,
            )
        return why

    def give_back(self) -> None:
        """Give back the token and the probe of a send that gets no response any more."""
        if self.ended:
            return
        self.state.give_back()
        cache, sent = self.config.cache, self.sent
        if cache is not None and sent is not None and sent.method not in SAFE:
            cache.note_undeleted(sent)  # what it changed may not have been dropped yet

    def is_done_with(self, effect: Discard) -> bool:
        """Whether a response was discarded before, or came read and closed, as a mock's."""
        response = effect.response
        if response is self.held:
            if effect.unread or not (response.is_closed and in_memory(response)):
                return False
            self.held = None
        return True

    def drains(self, effect: Discard) -> bool:
        """Whether to read the rest: if it ends within bounds, the connection can be reused."""
        if effect.unread or effect.response.is_closed:
            return False
        if effect.request.method == "HEAD" or effect.response.status_code in (204, 304):
            return True  # a length would be of what it would have been
        length = 0.0
        for _, name, value in lines(effect.response.headers):
            if name == _LENGTH and value.isdigit():
                length = float(value)
        return length <= self.config.limits.drain_bytes or in_memory(effect.response)

    def put_away(self, response: Response) -> bytes | None:
        """The raw body of a response that is in memory."""
        return b"".join(response.stream) if isinstance(response.stream, ANY.ByteStream) else None


def background_config(config: Config, user: str | None) -> Config:
    """The configuration of a background validation: the server is asked, once.

    user: the user of the stored response; `Cache(user=)` can't be called in the caller's context.
    """
    values = {"validate": True, "table": Table(), "user": user}
    return config._replace(resume=None, began=None, **values)


def in_memory(response: Response) -> bool:
    return isinstance(response.stream, ANY.ByteStream)


def _capped(request: Request, seconds: float) -> Request:
    """A copy of a request in which no timeout is longer than `seconds`."""
    given = request.extensions.get("timeout") or {}
    kinds = ("connect", "read", "write", "pool")
    # A number is not None, whatever the library makes of 0.
    timeout = {kind: min(seconds, inf if (t := given.get(kind)) is None else t) for kind in kinds}
    return body.copy(request, extensions={**request.extensions, "timeout": timeout})
