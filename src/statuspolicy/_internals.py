"""What is read and made of the library's own objects past their public methods.

Those of header sections and URLs check, decode and parse anew each time. What comes from the
library was checked once, and here it is taken as the library keeps it. For a client's transports
there are no public methods.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from http.cookiejar import Cookie, CookieJar, CookiePolicy
from operator import attrgetter
from typing import Any, overload

from ._lib import URL, AsyncClient, Client, Headers, Request, Response

# The lines of a header section, to be read: name, name in lower case, value.
lines: Callable[[Headers], list[tuple[bytes, bytes, bytes]]] = attrgetter("_list")

# What a cookie jar of the standard library gives and takes; a policy of somebody's own too.
policy_of: Callable[[CookieJar], CookiePolicy] = attrgetter("_policy")

# Its cookies, by domain, path and name, and the lock that whoever reads them holds.
cookies_of: Callable[[CookieJar], dict[str, dict[str, dict[str, Cookie]]]] = attrgetter("_cookies")
cookies_lock: Callable[[CookieJar], AbstractContextManager[Any]] = attrgetter("_cookies_lock")

# The scheme, the host and port, and the path of a URL, as they are kept.
parts: Callable[[URL], tuple[str, str, str]] = attrgetter(
    "_uri_reference.scheme", "_uri_reference.netloc", "_uri_reference.path"
)


def beside(
    url: URL, path: str, query: str | None, place: tuple[str, str, int | None] | None = None
) -> URL:
    """The URL of something else; nothing in its parts has to be quoted.

    place: its scheme, host, and port if it isn't the usual one; None for those of `url`.

    To parse it would cost as much as all else that a redirect does.
    """
    parts, other = url._uri_reference, URL.__new__(URL)
    scheme, host, port = (parts.scheme, parts.host, parts.port) if place is None else place
    other._uri_reference = type(parts)(scheme, "", host, port, path, query, None)
    return other


def target(url: URL) -> str:
    """What is requested: the URL without fragment and userinfo."""
    scheme, _, host, port, path, query, _ = parts = url._uri_reference
    place = host if port is None and ":" not in host else parts.netloc
    asked = "" if query is None else f"?{query}"
    return f"{scheme}://{place}{path or '/'}{asked}"


def same_place(first: URL, second: URL) -> bool:
    """Whether two URLs have the same scheme, host and port."""
    one, other = first._uri_reference, second._uri_reference
    return one.host == other.host and one.port == other.port and one.scheme == other.scheme


def words(request: Request) -> tuple[object, ...]:
    """What a request says, but for its body; equal and hashed alike where two say the same."""
    return request.method, request.url._uri_reference, tuple(request.headers._list)


def names(headers: Headers) -> set[bytes]:
    """The names of the fields of a header section, in lower case."""
    return {name for _, name, _ in headers._list}


def extended(headers: Headers, more: Iterable[tuple[bytes, bytes]] = ()) -> Headers:
    """A copy of a header section, with more lines, which need no check.

    An encoding that somebody chose stays. "ascii" is what the library found to do for what is
    there by now, and would be too little for what is written into the copy.
    """
    encoding = headers._encoding
    new = Headers.__new__(Headers)  # its `__init__` looks long at what it is given
    new._encoding = None if encoding == "ascii" else encoding
    new._list = [*headers._list, *((name, name.lower(), value) for name, value in more)]
    return new


def written(lines: Iterable[tuple[bytes, bytes]], encoding: str | None = None) -> Headers:
    """A header section of lines that stood in one before, and need no check any more."""
    headers = Headers.__new__(Headers)
    headers._encoding = encoding
    headers._list = [(name, name.lower(), value) for name, value in lines]
    return headers


@overload
def alone(client: Client, request: Request) -> Response: ...
@overload
def alone(client: AsyncClient, request: Request) -> Awaitable[Response]: ...
def alone(client: Client | AsyncClient, request: Request) -> Response | Awaitable[Response]:
    """Send a request without the client's auth and event hooks, its body streaming.

    They are for the caller's requests. What a hook writes into each (a token) is not for one that
    leads to another origin.
    """
    if client.is_closed:
        raise RuntimeError("Cannot send a request, as the client has been closed.")
    return client._send_single_request(request)


def transports(client: Client | AsyncClient) -> dict[Any, Any]:
    """A client's transports, by the pattern of their mount; None for the default."""
    return {None: client._transport, **client._mounts}


def put_transports(client: Client | AsyncClient, transports: dict[Any, Any]) -> None:
    """Give a client other transports, as `transports` returned them."""
    changed: Any = client
    changed._mounts = {pattern: of for pattern, of in transports.items() if pattern is not None}
    changed._transport = transports[None]


def chosen(client: Client | AsyncClient, url: URL) -> Any:
    """The transport that a client chooses for a URL."""
    return client._transport_for_url(url)
