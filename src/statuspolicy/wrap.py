"""`wrap` and `unwrap`: give a client policy transports that know the client.

The client's own choice of transport (proxies, mounts) holds on every hop, its cookie jar is
shared, and the `follow_redirects=` of a call counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from statuspolicy.clock import Clock
from statuspolicy.limits import Limits
from statuspolicy.memory import Memory
from statuspolicy.naming import of_the_other
from statuspolicy.printable import given

from ._lib import AsyncClient, Client
from .calls import hear, over, unhear
from .configured import shelf_of
from .httpx_internals import put_transports, transports
from .plan import AllowHop, Confirm, Observer, Prepare
from .routing import OfClient, Wrapping, note, wrapping
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

    `follow_redirects=` on a call counts: with True, a redirect that the table hands over is
    followed too, as its row of STANDARD says. On the client, False is the default and so has no
    meaning (write `table=STANDARD | {"3xx": surface}`), and True changes nothing.

    A transport that is put above the client's own later sees the requests of the client, but not
    hops and repeats. A mount that is added later is plain httpx, but hops may lead there.

    Raises TypeError for an object that is not a client, and ValueError for a client that is
    wrapped already, or has a PolicyTransport.
    """
    if _is_wrapped(client):
        raise ValueError("This client is wrapped already: call statuspolicy.unwrap(client) first.")
    before = transports(client)
    if any(isinstance(t, (PolicyTransport, AsyncPolicyTransport)) for t in before.values()):
        raise ValueError(
            "This client has a PolicyTransport already: give wrap a client without one."
        )
    from .jar import hasten  # here, where there is a client

    kind: Any = PolicyTransport if isinstance(client, Client) else AsyncPolicyTransport
    memory = Memory() if memory is None else memory
    shelf: Any = None if cache is None else shelf_of(cache, limits)
    of = OfClient(client)

    def policy(place: Any, inner: Any) -> Any:
        return kind(
            inner,
            table=table,
            limits=limits,
            cookies=of,
            route=partial(of.route, place, inner),
            cache=shelf,
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
    done = Wrapping(of, policies[None].plan.clock, policies)
    changed: Any = client
    put_transports(client, before | policies)
    hear(client)
    hasten(client.cookies)
    if "send" in vars(client):
        send = vars(client)["send"]
        changed.send = heard = over(client, done, send)
        done.send = (send, heard)
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
    from statuspolicy.network import remove

    from .jar import undo

    done, changed = wrapping(client), cast("Any", client)
    assert done is not None
    hidden = {id(policy): policy for policy in done.policies.values()}
    found = transports(client)
    for place, transport in found.items():
        policy = hidden.pop(id(transport), None)
        if policy is not None:
            found[place] = policy._inner
    for policy in hidden.values():
        policy.retire()  # another transport was put above it
    put_transports(client, found)
    for transport in found.values():
        remove(transport)
    if done.send is not None and vars(client).get("send") is done.send[1]:
        changed.send = done.send[0]
    note(client, None)
    unhear(client)
    undo(client.cookies)
    return client


def _is_wrapped(client: Client | AsyncClient) -> bool:
    if not isinstance(client, (Client, AsyncClient)):
        other = of_the_other(client, Client)
        instead = other or "it is not a client: give an httpx.Client or httpx.AsyncClient."
        raise TypeError(f"{given(client)}: {instead}")
    return wrapping(client) is not None
