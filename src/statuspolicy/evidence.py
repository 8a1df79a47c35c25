"""What was seen of a send: whether its connection was an old one, and whether it was read.

The library's transport reports its steps to a `trace` callable in a request's extensions, and
the sockets below it tell what became of the request. Where neither shows that nobody can have
acted on it, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statuspolicy import body, failure
from statuspolicy.effects import Reply
from statuspolicy.expecting import Held, expects
from statuspolicy.httpcore_internals import SENDING
from statuspolicy.library import ANY
from statuspolicy.limits import Limits
from statuspolicy.methods import SAFE, WITHOUT_CONTENT
from statuspolicy.wire import HINTED, READING, Seen

if TYPE_CHECKING:
    from httpx import Request, Response

# What is known to come before that, or to be told of it; of anything else nobody knows what it is.
_KNOWN = frozenset({"connection", "proxy", "socks", "socks5", "http11", "http2"})


class Watch:
    """A `trace` callable that takes notes and calls the caller's own."""

    def __init__(self, theirs: Callable[..., Any] | None) -> None:
        self._theirs = theirs
        self._first = ""
        self._sent = 0  # how often the transport began to send it
        self._over_http2 = 0  # how often of these over HTTP/2
        self._unknown = False  # whether it told something else
        self._connected = False  # whether it told last that it has a connection
        self.seen = Seen()
        self.extensions: dict[str, Any] = {}  # of the request that is watched

    def leave(self) -> None:
        """The answer is there. (A connection tells of its close before it closes, and if Ctrl-C
        comes here then, it never does.)
        """
        if self._theirs is None:
            self.extensions.pop("trace", None)
        else:
            self.extensions["trace"] = self._theirs

    def __call__(self, event: str, info: dict[str, Any]) -> Any:
        """Note an event; the answer of the caller's own, which an async one awaits."""
        self._first = self._first or event
        self._connected = event.startswith("connection.") and event.endswith(".complete")
        if event in SENDING:
            # The CONNECT that opens a tunnel is the proxy's; the request comes behind it.
            if getattr(info.get("request"), "method", b"") != b"CONNECT":
                self._sent += 1
                self._over_http2 += event == SENDING[1]
        elif event.partition(".")[0] not in _KNOWN:
            self._unknown = True
        return None if self._theirs is None else self._theirs(event, info)

    @property
    def reused(self) -> bool:
        """Whether it went over an HTTP/1.1 connection that had brought an answer before.

        (A connection that is still being opened may be given to a request that waits for one.)
        """
        return self._first == SENDING[0] and self.seen.old is True

    @property
    def unsent(self) -> bool:
        """Whether nobody can have read it: what there was of sending came to nothing.

        The transport told what it does, and sending was not of it; or the sockets told of each
        time that it was. (Where it told nothing, what they tell may be of another request.)
        """
        if not self._first:
            return False
        times = max(self.seen.sends, self._sent)  # by the one who knows of more
        # Who has a connection sends next: one that fails then, and did not tell, sent unseen.
        return times == self.seen.unread if times else not (self._unknown or self._connected)

    @property
    def begun(self) -> bool:
        """Whether somebody may have read it, whatever the transport says in the end.

        (Not every socket tells, and a transport may repeat by itself.) Over HTTP/2 it is the
        connection that says how far it got.
        """
        return max(self.seen.sends, self._sent - self._over_http2) > self.seen.unread


class AsyncWatch(Watch):
    """The same for a transport that awaits what its trace callable answers."""

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Note an event, and await the caller's own."""
        theirs = super().__call__(event, info)
        if theirs is not None:
            await theirs


def watched(request: Request, kind: type[Watch]) -> tuple[Request, Watch]:
    """A copy of a request that is watched while it is sent, and what watches it."""
    watch = kind(request.extensions.get("trace"))
    watch.extensions = {**request.extensions, "trace": watch}
    return body.copy(request, extensions=watch.extensions), watch


def equipped(request: Request, kind: type[Watch], limits: Limits) -> tuple[Request, Watch | None]:
    """A request as it goes out, its body held back where it asks for that; what watches it."""
    if request.method in WITHOUT_CONTENT:
        return request, None
    held = expects(request)
    if request.method in SAFE and not held:
        return request, None
    request, watch = watched(request, kind)
    if held:
        request.stream = Held(request.stream, watch.seen, limits.expect_wait)
    return request, watch


def hinted(response: Response) -> Any:
    """The interim responses that went before this one, where its connection tells."""
    return getattr(response.extensions.get("network_stream"), "interim", ())


def saw(watch: Watch | None, reply: Reply) -> Reply:
    """What a send brought, with what was seen of it where it was watched."""
    outcome = reply.outcome
    if isinstance(outcome, ANY.Response):
        if HINTED and (interim := hinted(outcome)):
            reply.interim = interim
            HINTED.discard(outcome.extensions["network_stream"])
    elif isinstance(outcome, ANY.RemoteProtocolError) and failure.row_key(outcome) == 600:
        reading = READING.get()
        reply.began = b"" if reading is None else reading.first
    if watch is not None:
        reply.reused, reply.unsent, reply.begun = watch.reused, watch.unsent, watch.begun
    return reply
