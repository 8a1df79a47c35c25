"""What the transports of a wrapped client know of it: its jar, and its choice for each hop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import ref

from statuspolicy.clock import Clock
from statuspolicy.httpx_internals import POOL, chosen, transports
from statuspolicy.library import BASE
from statuspolicy.wire import aduring, during

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Client, Cookies, Request, Response

# Whose exchange sends a hop through a transport that is not its own. That one may stand above
# policy transports of the same client: they let such a hop pass, or they would handle it twice.
PASSING: ContextVar[object] = ContextVar("statuspolicy.passing", default=False)

NAME = "_statuspolicy"  # in a wrapped client's __dict__, so that a copy of it has it too


class Wrapping:
    """What `wrap` did with a client.

    of: the client, as its transports know it.
    now: the clock that tells when a call began.
    policies: its policy transports, by the pattern of their mount; None for the default.
    send: what somebody had put in the place of the client's own `send`, and what stands there now.
    """

    send: tuple[Any, Any] | None = None

    def __init__(self, of: OfClient, clock: Clock, policies: dict[Any, Any]) -> None:
        self.of = of
        self.now = clock.monotonic
        self.policies = policies


def wrapping(client: object) -> Wrapping | None:
    """What `wrap` did with a client; None where it isn't wrapped."""
    found: Wrapping | None = vars(client).get(NAME)
    return found


def note(client: object, done: Wrapping | None) -> None:
    """Note what `wrap` did with a client; None where that was undone."""
    if done is None:
        del vars(client)[NAME]
    else:
        vars(client)[NAME] = done


class OfClient:
    """A client as its transports know it. They don't keep it alive; called, it gives the jar."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = ref(client)
        self._cookies = client.cookies

    def __call__(self) -> Cookies:
        client = self.client()
        return self._cookies if client is None else client.cookies

    def route(self, place: object, inner: Any, url: URL) -> Any:
        """The transport that a hop to `url` is sent through.

        place, inner: of the policy transport that asks; the pattern of its mount, and what it
            sends through.
        """
        client = self.client()
        done = None if client is None else wrapping(client)
        if client is None or done is None:
            return inner
        to = chosen(client, url)
        for policy in done.policies.values():
            if policy is to:
                return policy._inner
        # What was put above a policy transport is not entered again, since it may hold a lock.
        at_place = transports(client).get(place)
        return inner if to is at_place else Through(to, self)


class Through(BASE.BaseTransport, BASE.AsyncBaseTransport):
    """A transport that is not the client's policy transports' own: a mount that came later, say."""

    def __init__(self, transport: Any, of: OfClient) -> None:
        setattr(self, POOL, getattr(transport, POOL, None))  # whose sockets listen too
        self._transport = transport
        self._of = of

    def handle_request(self, request: Request) -> Response:
        send: Callable[..., Response] = self._transport.handle_request
        return during(PASSING, self._of, send, request)

    async def handle_async_request(self, request: Request) -> Response:
        send: Callable[..., Awaitable[Response]] = self._transport.handle_async_request
        return await aduring(PASSING, self._of, send, request)
