"""`wrap` and `unwrap`: give a client policy transports that know the client.

The client's own choice of transport (proxies, mounts) holds on every hop, its cookie jar is
shared, and the `follow_redirects=` of a call counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from statuspolicy.client.async_transport import AsyncPolicyTransport
from statuspolicy.client.base_transport import client_cache_of
from statuspolicy.client.transport import PolicyTransport
from statuspolicy.client.wrapped_class import use_own_class, use_wrapped_class, wrap_send
from statuspolicy.client.wrapping import ClientReference, Wrapping, note, wrapping
from statuspolicy.engine.clock import Clock
from statuspolicy.engine.config import Observer
from statuspolicy.memory.memory import Memory
from statuspolicy.policy.limits import Limits
from statuspolicy.policy.standard import STANDARD
from statuspolicy.policy.table import Table
from statuspolicy.printable import given
from statuspolicy.wire.httpx_internals import put_transports, transports
from statuspolicy.wire.library import ANY, LIBRARY_OF, meet, of_another

if TYPE_CHECKING:
    from statuspolicy.cache.config import Cache
    from statuspolicy.message.protocols import AnyClient, AnyRequest, AnyResponse

# Not a union of both libraries' clients: where one isn't installed, a checker takes it for Any.
ClientT = TypeVar("ClientT", bound="AnyClient")
RequestT = TypeVar("RequestT", bound="AnyRequest")
ResponseT = TypeVar("ResponseT", bound="AnyResponse")


def wrap(
    client: ClientT,
    *,
    table: Table = STANDARD,
    limits: Limits = Limits(),
    cache: Cache | None = None,
    memory: Memory | None = None,
    confirm: Callable[[RequestT, RequestT, ResponseT], bool | Awaitable[bool]] | None = None,
    allow_hop: Callable[[RequestT, RequestT], bool | Awaitable[bool]] | None = None,
    prepare: Callable[[RequestT, int], RequestT | Awaitable[RequestT | None] | None] | None = None,
    fresh: Callable[[], Any] | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
) -> ClientT:
    """Make a client handle each response as its status code asks; returns the same client.

    client: a Client or AsyncClient of httpx or httpx2, or of a subclass of theirs.
    The other parameters are those of `statuspolicy.PolicyTransport`; the cookie jar and the
    route of each hop are the client's own.

    `follow_redirects=` on a call counts: with True, a redirect that the table hands over is
    followed too, as its row of STANDARD says. On the client, False is the default and so has no
    meaning (write `table=STANDARD | {"3xx": surface}`), and True changes nothing.

    A transport that is put above the client's own later sees the requests of the client, but not
    hops and repeats. A mount that is added later is plain httpx, but hops may lead there.

    Raises TypeError for an object that is not a client, or a client with a transport of the other
    library, and ValueError for a client that is wrapped already, or has a PolicyTransport.
    """
    if _is_wrapped(client):
        raise ValueError("This client is wrapped already: call statuspolicy.unwrap(client) first.")
    changed: Any = client
    before = transports(changed)
    if any(isinstance(t, (PolicyTransport, AsyncPolicyTransport)) for t in before.values()):
        raise ValueError(
            "This client has a PolicyTransport already: give wrap a client without one."
        )
    library = LIBRARY_OF[type(changed)]
    for transport in before.values():
        other = of_another(transport, library)
        if other is not None:
            raise TypeError(
                f"This client of {library} has a transport of {other}, {given(transport)}: "
                f"give it one of {library}."
            )
    from statuspolicy.message.cookies import hasten  # here, where there is a client

    kind: Any = PolicyTransport if isinstance(client, ANY.Client) else AsyncPolicyTransport
    memory = Memory() if memory is None else memory
    client_cache: Any = None if cache is None else client_cache_of(cache, limits)
    of = ClientReference(changed)

    def policy(place: Any, inner: Any) -> Any:
        return kind(
            inner,
            table=table,
            limits=limits,
            cookies=of,
            route=partial(of.route, place, inner),
            cache=client_cache,
            memory=memory,
            confirm=confirm,
            allow_hop=allow_hop,
            prepare=prepare,
            fresh=fresh,
            observer=observer,
            clock=clock,
        )

    # This may raise for a wrong argument, before anything of the client is changed.
    policies = {p: policy(p, t) for p, t in before.items() if t is not None}
    done = Wrapping(of, policies[None].config.clock, policies)
    put_transports(changed, before | policies)
    use_wrapped_class(client)
    hasten(changed.cookies)
    if "send" in vars(client):
        send = vars(client)["send"]
        changed.send = wrapper = wrap_send(client, done, send)
        done.send = (send, wrapper)
    note(client, done)
    return client


def unwrap(client: ClientT) -> ClientT:
    """Undo `wrap`; returns the same client.

    A transport or a `send` that was put above since then stays; its requests are no longer
    handled.

    Raises TypeError for an object that is not a client, and ValueError for a client that isn't
    wrapped.
    """
    if not _is_wrapped(client):
        raise ValueError("This client is not wrapped: there is nothing to undo.")
    from statuspolicy.message.cookies import undo
    from statuspolicy.wire.backend import remove

    done, changed = wrapping(client), cast("Any", client)
    assert done is not None
    hidden = {id(policy): policy for policy in done.policies.values()}
    found = transports(changed)
    for place, transport in found.items():
        policy = hidden.pop(id(transport), None)
        if policy is not None:
            found[place] = policy._inner
    for policy in hidden.values():
        policy.retire()  # another transport was put above it
    put_transports(changed, found)
    for transport in found.values():
        remove(transport)
    if done.send is not None and vars(client).get("send") is done.send[1]:
        changed.send = done.send[0]
    note(client, None)
    use_own_class(client)
    undo(changed.cookies)
    return client


def _is_wrapped(client: AnyClient) -> bool:
    meet(client)
    if not isinstance(client, (ANY.Client, ANY.AsyncClient)):
        raise TypeError(
            f"{given(client)}: it is not a client: give a Client or AsyncClient of httpx or httpx2."
        )
    return wrapping(client) is not None
