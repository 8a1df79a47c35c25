"""A poll that goes on in another life: after a restart, on another machine."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any, overload

from ._lib import URL, AsyncClient, Client, Response
from .duties.poll import poll
from .duties.ticket import read_ticket, ticket
from .exchange import Exchange
from .plan import OVERRIDE, Resumed
from .transport import AsyncPolicyTransport, PolicyTransport

_PLAIN = poll()


def poll_token(response: Response, how: poll = _PLAIN) -> str:
    """What `resume_poll` takes to go on with the poll that a 202 begins: a short string.

    response: a 202, its body read where `how` finds the monitor there.
    how: the poll whose `monitor` finds it.

    It holds URLs as the server wrote them and no header fields. `Progress.token` is the same,
    while the poll is under way.

    Raises ValueError for a response that names no status monitor.
    """
    if not isinstance(response, Response):
        raise TypeError(f"poll_token({response!r}): give an httpx.Response.")
    if response._request is None:
        raise ValueError(f"{response!r} has no request: give a response that a client returned.")
    looks_inside = callable(how.monitor) or (how.monitor or "").startswith("/")
    content = response.content if looks_inside else None
    found = ticket(how.monitor, response.request, response, content)
    if isinstance(found, str):
        raise ValueError(f"{response!r} begins no poll: {found}.")  # noqa: TRY004 - a value says why
    return found.token


@overload
def resume_poll(
    client: Client, token: str, how: poll = ..., *, headers: Mapping[str, str] | None = None
) -> Response: ...
@overload
def resume_poll(
    client: AsyncClient, token: str, how: poll = ..., *, headers: Mapping[str, str] | None = None
) -> Awaitable[Response]: ...
def resume_poll(
    client: Client | AsyncClient,
    token: str,
    how: poll = _PLAIN,
    *,
    headers: Mapping[str, str] | None = None,
) -> Response | Awaitable[Response]:
    """Go on with a poll: its monitor is asked at once, and then as ever.

    client: wrapped by `statuspolicy.wrap`; with an AsyncClient the answer is to be awaited.
    token: what `poll_token` returned, or `Progress.token`.
    how: the poll, as it stood in the row.
    headers: of the request that was accepted, such as its Authorization; they are sent where
        the client's own are. That request itself is not sent again.

    Returns what the row would have handed over: the result, its failure, or a 202 from which it
    can be resumed once more.

    Raises ValueError for a token that is none, TypeError for a client that is not wrapped.
    """
    found = read_ticket(token)
    transport: Any = client._transport_for_url(URL(found.url))
    if not isinstance(transport, (PolicyTransport, AsyncPolicyTransport)):
        raise TypeError(f"{client!r} is not wrapped: give statuspolicy.wrap(client).")

    def at_once(exchange: Exchange) -> Any:
        return how.at(found, exchange, 0.0)

    fields = {"Operation-Location" if found.states else "Location": found.monitor}
    fields |= {"Location": found.location} if found.states and found.location else {}
    table = transport.plan.table | {202: at_once}
    before = Resumed(table=table, answered=Response(202, headers=fields))
    request = client.build_request(
        found.method, found.url, headers=headers, extensions={OVERRIDE: before}
    )
    send: Any = partial(client.send, request)
    answer: Response | Awaitable[Response] = send()
    return answer
