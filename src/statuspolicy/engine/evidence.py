"""Whether the connection was reused and whether bytes were sent: proof that a failed request was
not processed.

The library's transport reports its steps to a `trace` callable in a request's extensions, and the
sockets show what happened to the request. Without such a proof, the server may have acted on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statuspolicy.engine.effects import Reply
from statuspolicy.fields.methods import SAFE, WITHOUT_CONTENT
from statuspolicy.message import body
from statuspolicy.message.expect_continue import Held, expects
from statuspolicy.policy import failures
from statuspolicy.policy.limits import Limits
from statuspolicy.wire.context import HINTED, TRACKER, WIRE, Seen, Wire
from statuspolicy.wire.httpcore_internals import SENDING
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Request, Response

# The known groups of events; other events are unknown.
_KNOWN = frozenset({"connection", "proxy", "socks", "socks5", "http11", "http2"})
_NOT_ENTERED = object()


class Watch:
    """A `trace` callable that notes the events, and calls the caller's own."""

    def __init__(self, theirs: Callable[..., Any] | None) -> None:
        self._theirs = theirs
        self._first = ""
        self._sent = 0  # how often the transport began to send it
        self._over_http2 = 0  # how often of these over HTTP/2
        self._unknown = False  # whether an event of an unknown group came
        self._connected = False  # whether the last event was a connection
        self.seen = Seen()
        self.extensions: dict[str, Any] = {}  # of the request that is watched
        self._outer: Any = _NOT_ENTERED  # what the sockets heeded before

    def enter(self) -> None:
        """Let the sockets show this watch what happens; `leave` ends it."""
        self._outer = WIRE.get()
        WIRE.set(Wire(seen=self.seen))

    def leave(self) -> None:
        """Stop watching: the response is there.

        (A connection calls its trace before it closes: an exception here would keep it open.)
        """
        if self._outer is not _NOT_ENTERED:
            WIRE.set(self._outer)
        if self._theirs is None:
            self.extensions.pop("trace", None)
        else:
            self.extensions["trace"] = self._theirs

    def __call__(self, event: str, info: dict[str, Any]) -> Any:
        """Note an event; returns the result of the caller's own callable."""
        self._first = self._first or event
        self._connected = event.startswith("connection.") and event.endswith(".complete")
        if event in SENDING:
            # The CONNECT for a tunnel is for the proxy; the request follows.
            if getattr(info.get("request"), "method", b"") != b"CONNECT":
                self._sent += 1
                self._over_http2 += event == SENDING[1]
        elif event.partition(".")[0] not in _KNOWN:
            self._unknown = True
        return None if self._theirs is None else self._theirs(event, info)

    @property
    def reused(self) -> bool:
        """Whether the request was sent over an HTTP/1.1 connection with an earlier response.

        (A connection that is still being opened may be given to a waiting request.)
        """
        return self._first == SENDING[0] and self.seen.old is True

    @property
    def unsent(self) -> bool:
        """Whether the server can't have read the request.

        The events show that it was not sent, or the sockets show for each send that it was not
        read. (Without events, the observations may be of another request.)
        """
        if not self._first:
            return False
        times = max(self.seen.sends, self._sent)  # the higher count is right
        # After a connection comes a send: a failure then may be of a send without an event.
        return times == self.seen.unread if times else not (self._unknown or self._connected)

    @property
    def begun(self) -> bool:
        """Whether the server may have read the request, whatever the transport raises.

        (Not every socket shows it, and a transport may repeat by itself.) Over HTTP/2 the
        exception of the connection shows it.
        """
        return max(self.seen.sends, self._sent - self._over_http2) > self.seen.unread


class AsyncWatch(Watch):
    """A Watch for a transport that awaits the result of its trace callable."""

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Note an event, and await the caller's own."""
        theirs = super().__call__(event, info)
        if theirs is not None:
            await theirs


def watched(request: Request, kind: type[Watch], limits: Limits) -> tuple[Request, Watch | None]:
    """A request as it is sent, with its Watch; with Expect, its body waits for a 100.

    A request that a server can't act on twice is not watched.
    """
    if request.method in WITHOUT_CONTENT:
        return request, None
    held = expects(request)
    if request.method in SAFE and not held:
        return request, None
    watch = kind(request.extensions.get("trace"))
    watch.extensions = {**request.extensions, "trace": watch}
    request = body.copy(request, extensions=watch.extensions)
    if held:
        request.stream = Held(request.stream, watch.seen, limits.expect_wait)
    return request, watch


def hinted(response: Response) -> Any:
    """The interim responses before a response, if its connection shows them."""
    return getattr(response.extensions.get("network_stream"), "interim", ())


def saw(watch: Watch | None, reply: Reply) -> Reply:
    """The Reply of a send, with the observations of its Watch."""
    outcome = reply.outcome
    if isinstance(outcome, ANY.Response):
        if HINTED and (interim := hinted(outcome)):
            reply.interim = interim
            HINTED.discard(outcome.extensions["network_stream"])
    elif isinstance(outcome, ANY.RemoteProtocolError) and failures.row_key(outcome) == 600:
        reading = TRACKER.get()
        reply.began = b"" if reading is None else reading.first
    if watch is not None:
        reply.reused, reply.unsent, reply.begun = watch.reused, watch.unsent, watch.begun
    return reply
