"""`poll_token` and `resume_poll`: continue a poll after a restart, or on another machine."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

from statuspolicy.client.async_transport import AsyncPolicyTransport
from statuspolicy.client.transport import PolicyTransport
from statuspolicy.engine.config import OVERRIDE, Resumed
from statuspolicy.message.redirected import Unusable, resolve, same_origin
from statuspolicy.message.redirected import origin as of
from statuspolicy.policy.duties.polling.poll import poll
from statuspolicy.policy.duties.polling.token import read_token, token_of
from statuspolicy.policy.exchange import Exchange
from statuspolicy.printable import given, quoted
from statuspolicy.wire.httpx_internals import request_of, send_without_hooks, transport_for, written
from statuspolicy.wire.library import ANY, LIBRARY_OF, meet, several

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Client, Response

_PLAIN = poll()


def poll_token(response: Response, how: poll = _PLAIN) -> str:
    """Return the token with which `resume_poll` continues the poll of a 202: a short string.

    response: a 202; its body must be read if `how` finds the monitor there.
    how: the poll with the `monitor` that finds it.

    The token has URLs as the server wrote them, and no header fields. `Progress.token` is the same
    token, during a poll.

    Raises ValueError for a response that names no status monitor.
    """
    meet(response)
    if not isinstance(response, ANY.Response):
        raise TypeError(f"poll_token({given(response)}): give an httpx.Response.")
    if request_of(response) is None:
        raise ValueError(
            f"{quoted(response)} has no request: give a response that a client returned."
        )
    looks_inside = callable(how.monitor) or (how.monitor or "").startswith("/")
    content = response.content if looks_inside else None
    found = token_of(how.monitor, response.request, response, content)
    if isinstance(found, str):
        raise ValueError(f"{quoted(response)} starts no poll: {found}.")  # noqa: TRY004 - a value says why
    return found.text


@overload
def resume_poll(
    client: Client,
    token: str,
    how: poll = ...,
    *,
    headers: Mapping[str, str] | None = None,
    origin: URL | str | None = None,
) -> Response: ...
@overload
def resume_poll(
    client: AsyncClient,
    token: str,
    how: poll = ...,
    *,
    headers: Mapping[str, str] | None = None,
    origin: URL | str | None = None,
) -> Awaitable[Response]: ...
def resume_poll(
    client: Client | AsyncClient,
    token: str,
    how: poll = _PLAIN,
    *,
    headers: Mapping[str, str] | None = None,
    origin: URL | str | None = None,
) -> Response | Awaitable[Response]:
    """Continue a poll: its monitor is asked at once, and then as before.

    client: wrapped by `statuspolicy.wrap`; with an AsyncClient the result is an awaitable.
    token: the string from `poll_token` or `Progress.token`.
    how: the poll, as it was in the row.
    headers: header fields of the request that was accepted, such as Authorization; they are sent
        where the client's own are. That request itself is not sent again.
    origin: the origin of that request, before any redirect, such as "https://api.example.org";
        None for that of the client's `base_url`.

    A token may have been changed by somebody, so it can't decide where credentials are sent: those
    of the client (auth, cookies, header fields) and of `headers` are sent to `origin` alone.
    Without an origin, or if the token is of another one, they are not sent, and the client's event
    hooks are not called; the trace says so.

    Returns the response that the row would have handed over: the result, a failure, or a 202 from
    which the poll can be resumed once more.

    Raises ValueError for a token or an origin that is not valid, TypeError for a client that is
    not wrapped.
    """
    meet(client)
    if not isinstance(client, (ANY.Client, ANY.AsyncClient)):
        raise TypeError(f"{client!r}: give statuspolicy.wrap(client).")
    library = LIBRARY_OF[type(client)]
    home, found = _home(client, origin), read_token(token)
    transport: Any = transport_for(client, library.URL(found.url))
    if not isinstance(transport, (PolicyTransport, AsyncPolicyTransport)):
        raise TypeError("This client is not wrapped: call statuspolicy.wrap(client) first.")
    why = ""
    if home is None:
        why = "credentials are not sent: name their origin, resume_poll(..., origin=...)"
    elif not same_origin(home, library.URL(found.url)):
        why = f"credentials are not sent: they are for {of(home)}, the token is for another"

    def at_once(exchange: Exchange) -> Any:
        return how.at(found, exchange, 0.0)._replace(why=why)

    fields = {"Operation-Location" if found.states else "Location": found.monitor}
    fields |= {"Location": found.location} if found.states and found.location else {}
    table, limits = transport.config.table | {202: at_once}, transport.config.limits
    before = Resumed(table=table, answered=library.Response(202, headers=fields), abroad=bool(why))
    request = client.build_request(
        found.method, found.url, headers=headers, extensions={OVERRIDE: before}
    )
    if not why:
        answer: Any = client.send(request)
        return answer  # type: ignore[no-any-return]
    request.headers = written(
        library,
        [
            (name, value)
            for name, value in request.headers.raw
            if not limits.sensitive(name.decode("latin-1").lower())
        ],
    )
    if isinstance(client, ANY.AsyncClient):
        return _aread(send_without_hooks(client, request))
    return _read(send_without_hooks(client, request))


def _read(response: Response) -> Response:
    try:
        response.read()
    except BaseException:
        response.close()
        raise
    return response


async def _aread(coming: Awaitable[Response]) -> Response:
    response = await coming
    try:
        await response.aread()
    except BaseException:
        import anyio  # here, so that a program without async never loads it

        with anyio.CancelScope(shield=True):
            await response.aclose()
        raise
    return response


def _home(client: Client | AsyncClient, origin: URL | str | None) -> URL | None:
    """The origin of the credentials; None if it is not known."""
    if origin is None:
        return client.base_url if client.base_url.host else None
    with suppress(*several(ANY.InvalidURL), TypeError, Unusable):
        return resolve(LIBRARY_OF[type(client)].URL(origin), origin)
    raise ValueError(
        f'resume_poll(origin={quoted(origin)}): write scheme and host, such as "https://api.example.org".'
    )
