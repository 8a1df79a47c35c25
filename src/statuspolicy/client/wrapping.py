"""The wrapped client, as its transports know it: its jar, and its transport for each hop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import ref

from statuspolicy.engine.clock import Clock
from statuspolicy.wire.context import aduring, during
from statuspolicy.wire.httpx_internals import POOL, transport_for, transports
from statuspolicy.wire.library import BASE

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Client, Cookies, Request, Response

# The client whose exchange sends a hop through another transport. That may stand above policy
# transports of the same client: these pass such a hop on, so that it is not handled twice.
PASSING: ContextVar[object] = ContextVar("statuspolicy.passing", default=False)

NAME = "_statuspolicy"  # in a wrapped client's __dict__, so that a copy of it has it too


class Wrapping:
    """The changes that `wrap` made to a client.

    of: the client, as its transports know it.
    now: returns the time, to note when a call begins.
    policies: its policy transports, by the pattern of their mount; None for the default.
    send: a `send` that was set on the client itself, and the wrapper in its place.
    """

    send: tuple[Any, Any] | None = None

    def __init__(self, of: ClientReference, clock: Clock, policies: dict[Any, Any]) -> None:
        self.of = of
        self.now = clock.monotonic
        self.policies = policies


def wrapping(client: object) -> Wrapping | None:
    """The changes that `wrap` made to a client; None if it isn't wrapped."""
    found: Wrapping | None = vars(client).get(NAME)
    return found


def note(client: object, done: Wrapping | None) -> None:
    """Note the changes that `wrap` made to a client; None after `unwrap`."""
    if done is None:
        del vars(client)[NAME]
    else:
        vars(client)[NAME] = done


class ClientReference:
    """A client as its transports know it, by a weak reference. A call returns the cookie jar."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = ref(client)
        self._cookies = client.cookies

    def __call__(self) -> Cookies:
        client = self.client()
        return self._cookies if client is None else client.cookies

    def route(self, place: object, inner: Any, url: URL) -> Any:
        """The transport for a hop to `url`.

        place, inner: of the policy transport that asks: the pattern of its mount, and its inner
            transport.
        """
        client = self.client()
        done = None if client is None else wrapping(client)
        if client is None or done is None:
            return inner
        to = transport_for(client, url)
        for policy in done.policies.values():
            if policy is to:
                return policy._inner
        # Don't call a transport above the policy transport again: it may hold a lock.
        at_place = transports(client).get(place)
        return inner if to is at_place else PassingTransport(to, self)


class PassingTransport(BASE.BaseTransport, BASE.AsyncBaseTransport):
    """A transport that was added to the client later, such as another mount."""

    def __init__(self, transport: Any, of: ClientReference) -> None:
        setattr(self, POOL, getattr(transport, POOL, None))  # so that `install` finds its sockets
        self._transport = transport
        self._of = of

    def handle_request(self, request: Request) -> Response:
        send: Callable[..., Response] = self._transport.handle_request
        return during(PASSING, self._of, send, request)

    async def handle_async_request(self, request: Request) -> Response:
        send: Callable[..., Awaitable[Response]] = self._transport.handle_async_request
        return await aduring(PASSING, self._of, send, request)
