"""A whole client: what a bare transport can't know is set up here.

The client's own choice of transport (proxies, mounts) holds on every hop, its cookie jar is
shared, and a call's `follow_redirects=False` counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from statuspolicy.clock import Clock
from statuspolicy.limits import Limits
from statuspolicy.memory import Memory

from ._lib import URL, AsyncClient, Client, Cookies
from .configured import CALL, shelf_of
from .plan import AllowHop, Confirm, Observer, Prepare
from .row import Table
from .tables import STANDARD
from .transport import AsyncPolicyTransport, PolicyTransport

if TYPE_CHECKING:
    from statuspolicy.cache.config import Cache

ClientT = TypeVar("ClientT", Client, AsyncClient)


def wrap(
    client: ClientT,
    *,
    table: Table = STANDARD,
    limits: Limits = Limits(),
    cache: Cache | None = None,
    memory: Memory | None = None,
    confirm: Confirm | None = None,
    allow_hop: AllowHop | None = None,
    prepare: Prepare | None = None,
    fresh: Callable[[], Any] | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
) -> ClientT:
    """Make a client handle each response as its status code asks; returns the same client.

    client: an `httpx.Client` or `httpx.AsyncClient`.
    The other parameters are those of `statuspolicy.PolicyTransport`; the cookie jar and the
    route of each hop are the client's own.

    `follow_redirects=False` on a call counts. On the client it can't be told from the
    default: `table=STANDARD | {"3xx": surface}` says it.

    Raises TypeError for something that is no client, and ValueError for a client that is
    wrapped already, or has a PolicyTransport.
    """
    if _is_wrapped(client):
        raise ValueError(
            f"{client!r} is wrapped already: wrap it once, or statuspolicy.unwrap(client) first."
        )
    inside = (client._transport, *client._mounts.values())
    if any(isinstance(transport, (PolicyTransport, AsyncPolicyTransport)) for transport in inside):
        raise ValueError(
            f"{client!r}: its transport is a PolicyTransport already: "
            "give wrap a client without one."
        )
    from .jar import hasten  # here, where there is a client

    kind: Any = PolicyTransport if isinstance(client, Client) else AsyncPolicyTransport
    memory = Memory() if memory is None else memory
    shelf: Any = None if cache is None else shelf_of(cache, limits)

    def jar() -> Cookies:
        return client.cookies

    def route(url: URL) -> Any:
        chosen: Any = client._transport_for_url(url)
        return chosen._inner

    def policy(inner: Any) -> Any:
        return kind(
            inner,
            table=table,
            limits=limits,
            cookies=jar,
            route=route,
            cache=shelf,
            memory=memory,
            confirm=confirm,
            allow_hop=allow_hop,
            prepare=prepare,
            fresh=fresh,
            observer=observer,
            clock=clock,
        )

    set_up: Any = client  # the transports are private to the client, and there is no other way
    # The first may raise for a wrong argument, before anything of the client is changed.
    default = policy(client._transport)
    mounts = {p: t if t is None else policy(t) for p, t in client._mounts.items()}
    set_up._transport, set_up._mounts = default, mounts
    hasten(client.cookies)
    set_up.send = _knowing(client, jar, default.plan.clock)
    return client


def unwrap(client: ClientT) -> ClientT:
    """Undo `wrap`; returns the same client.

    Raises TypeError for something that is no client, and ValueError for a client that isn't
    wrapped.
    """
    if not _is_wrapped(client):
        raise ValueError(f"{client!r} is not wrapped: there is nothing to undo.")
    from statuspolicy.network import remove

    from .jar import undo

    set_up: Any = client
    set_up._transport = set_up._transport._inner
    set_up._mounts = {p: t if t is None else t._inner for p, t in set_up._mounts.items()}
    for transport in (set_up._transport, *set_up._mounts.values()):
        remove(transport)
    del set_up.send
    undo(client.cookies)
    return client


def _is_wrapped(client: Client | AsyncClient) -> bool:
    if not isinstance(client, (Client, AsyncClient)):
        raise TypeError(f"{client!r} is no client: give an httpx.Client or httpx.AsyncClient.")
    return hasattr(vars(client).get("send"), "statuspolicy")


def _knowing(
    client: Client | AsyncClient, jar: Callable[[], Cookies], clock: Clock
) -> Callable[..., Any]:
    """The client's `send`, which every verb and `stream` pass, and what it was told handed down."""
    send: Any = client.send

    now = clock.monotonic

    @wraps(send)
    def sync_send(*args: Any, **options: Any) -> Any:
        follow = options.get("follow_redirects") is not False
        token = CALL.set((jar, follow, now(), True))
        try:
            return send(*args, **options)
        finally:
            CALL.reset(token)

    @wraps(send)
    async def async_send(*args: Any, **options: Any) -> Any:
        follow = options.get("follow_redirects") is not False
        token = CALL.set((jar, follow, now(), True))
        try:
            return await send(*args, **options)
        finally:
            CALL.reset(token)

    knowing: Any = async_send if isinstance(client, AsyncClient) else sync_send
    knowing.statuspolicy = True
    return knowing  # type: ignore[no-any-return]
