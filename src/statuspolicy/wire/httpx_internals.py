"""All private names of httpx and httpx2 that this package uses.

The public methods of header sections and URLs check, decode and parse at each call. The library has
already checked its own objects once, so their stored values are used here as they are. And for a
client's transports, and for the content of a request before it is encoded, there is no public name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from operator import attrgetter
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import TYPE_CHECKING, Any, overload
from weakref import WeakSet

from statuspolicy.wire.library import LIBRARY_OF, NAMES, Library, known, named
from statuspolicy.wire.supported import SOCKETS, Name, require

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Client, Headers, Request, RequestError, Response

# The lines of a header section, not to be changed: name, name in lower case, value.
lines: Callable[[Headers], list[tuple[bytes, bytes, bytes]]] = attrgetter("_list")

# `vars(response)` has its request and, once it was read, its decoded body under these names;
# `vars(request)` has its body under the second. (The public attributes raise where there is none.)
REQUEST, CONTENT = "_request", "_content"

# The request of a response or of an error; None where it has none.
request_of: Callable[[Response | RequestError], Request | None] = attrgetter(REQUEST)

POOL = "_pool"  # of a transport: its connections


# The scheme, the host and port, and the path of a URL, as the library stores them.
parts: Callable[[URL], tuple[str, str, str]] = attrgetter(
    "_uri_reference.scheme", "_uri_reference.netloc", "_uri_reference.path"
)


def url_of_parts(
    url: URL, path: str, query: str | None, place: tuple[str, str, int | None] | None = None
) -> URL:
    """A URL made of parts, in which nothing has to be quoted; it is not parsed.

    place: its scheme, host, and port (None for the default port); None for those of `url`.

    Parsing it would take as long as everything else that is done for a redirect.
    """
    parts, other = url._uri_reference, object.__new__(type(url))
    scheme, host, port = (parts.scheme, parts.host, parts.port) if place is None else place
    other._uri_reference = type(parts)(scheme, "", host, port, path, query, None)
    return other


def target(url: URL) -> str:
    """The URL without fragment and userinfo, as text."""
    scheme, _, host, port, path, query, _ = parts = url._uri_reference
    place = host if port is None and ":" not in host else parts.netloc
    tail = "" if query is None else f"?{query}"
    return f"{scheme}://{place}{path or '/'}{tail}"


def origin(url: URL) -> str:
    """The origin of a URL as text: scheme, host, and port if it is not the default one."""
    parts = url._uri_reference
    plain = parts.port is None and ":" not in parts.host
    return f"{parts.scheme}://{parts.host if plain else parts.netloc}"


def same_place(first: URL, second: URL) -> bool:
    """Whether two URLs have the same scheme, host and port."""
    one, other = first._uri_reference, second._uri_reference
    return one.host == other.host and one.port == other.port and one.scheme == other.scheme


def words(request: Request) -> tuple[object, ...]:
    """The method, URL and header lines of a request, as a hashable value, to compare requests."""
    return request.method, request.url._uri_reference, tuple(request.headers._list)


def field_names(headers: Headers) -> set[bytes]:
    """The names of the fields of a header section, in lower case."""
    return {name for _, name, _ in headers._list}


def extended(headers: Headers, more: Iterable[tuple[bytes, bytes]] = ()) -> Headers:
    """A copy of a header section, with more lines, which are not checked.

    An encoding that the application chose is copied. "ascii" is not: the library detected it for
    the lines that are there, and lines that are added later may need another one.
    """
    encoding = headers._encoding
    # Without `__init__`, which would check and convert each line again.
    new = object.__new__(LIBRARY_OF[type(headers)].Headers)
    new._encoding = None if encoding == "ascii" else encoding
    new._list = [*headers._list]
    for name, value in more:
        new._list.append((name, name.lower(), value))
    return new


def written(
    library: Library, lines: Iterable[tuple[bytes, bytes]], encoding: str | None = None
) -> Headers:
    """A header section made of lines from another one, which are not checked again."""
    headers = object.__new__(library.Headers)
    headers._encoding = encoding
    headers._list = [(name, name.lower(), value) for name, value in lines]
    return headers


@overload
def send_without_hooks(client: Client, request: Request) -> Response: ...
@overload
def send_without_hooks(client: AsyncClient, request: Request) -> Awaitable[Response]: ...
def send_without_hooks(
    client: Client | AsyncClient, request: Request
) -> Response | Awaitable[Response]:
    """Send a request without the client's auth and event hooks; its response is streamed.

    Auth and hooks are for the caller's own requests: a token that a hook writes into each request
    must not go to another origin.
    """
    if client.is_closed:
        raise RuntimeError("Cannot send a request, as the client has been closed.")
    return client._send_single_request(request)


def transports(client: Client | AsyncClient) -> dict[Any, Any]:
    """A client's transports, by the pattern of their mount; None for the default."""
    return {None: client._transport, **client._mounts}


def put_transports(client: Client | AsyncClient, transports: dict[Any, Any]) -> None:
    """Set a client's transports, in the form in which `transports` returns them."""
    changed: Any = client
    changed._mounts = {pattern: of for pattern, of in transports.items() if pattern is not None}
    changed._transport = transports[None]


def transport_for(client: Client | AsyncClient, url: URL) -> Any:
    """The transport that a client chooses for a URL."""
    return client._transport_for_url(url)


def source_of(stream: object) -> Any:
    """The object that the caller passed as content; None where the stream doesn't keep it."""
    return getattr(stream, "_stream", None)


def files_of(stream: object) -> list[Any] | None:
    """The files (or text, or bytes) in the parts of a multipart body; None for any other body."""
    parts = getattr(stream, "fields", None)
    return None if parts is None else [part.file for part in parts if hasattr(part, "file")]


# ── the checks ────────────────────────────────────────────────────────────────────────────


def check() -> None:
    """Raise UnsupportedVersion if a known library lacks a name; checks once for each library."""
    for library in known():
        _check(library)


@cache
def _check(library: Library) -> None:
    require(library.name, names(library))


_checked: WeakSet[type] = WeakSet()


def check_transport(kind: type) -> None:
    """Raise UnsupportedVersion if the transports of a library no longer have a pool.

    kind: the class of a transport. Only the library's own classes are checked: a subclass may have
        no pool, and so may any other transport.
    """
    if kind in _checked:
        return
    for base in kind.__mro__:
        library = base.__module__.partition(".")[0]
        if library in NAMES and base.__name__ in ("HTTPTransport", "AsyncHTTPTransport"):
            _check_pools(named(library))
    _checked.add(kind)


@cache
def _check_pools(library: Library) -> None:
    require(library.name, pools(library))


def pools(lib: Any) -> tuple[Name, ...]:
    """The private names of the transports that open connections, each with a check."""

    def has_pool(kind: str) -> bool:
        context = SSLContext(PROTOCOL_TLS_CLIENT)  # empty, since loading certificates is slow
        return hasattr(getattr(lib, kind)(verify=context, trust_env=False), POOL)

    return (
        Name(f"HTTPTransport.{POOL}", SOCKETS, lambda: has_pool("HTTPTransport")),
        Name(f"AsyncHTTPTransport.{POOL}", SOCKETS, lambda: has_pool("AsyncHTTPTransport")),
    )


def names(lib: Any) -> tuple[Name, ...]:
    """Each private name that this package uses, except for pools, with a check that it exists.

    lib: the library, as an object that has its classes as attributes.
    """
    url, nowhere = "http://me@a.example:81/b?c#d", lib.BaseTransport()
    hops, copies, again = "redirects", "copies of a message", "bodies that are sent again"

    def clients(name: str) -> list[Any]:
        kinds = (lib.Client, lib.AsyncClient)
        return [getattr(kind(transport=nowhere, trust_env=False), name) for kind in kinds]

    def request(**content: Any) -> Any:
        return lib.Request("PUT", url, **content)

    def split() -> bool:
        kept = lib.URL(url)._uri_reference
        return (*kept, *parts(lib.URL(url))) == _SPLIT and type(kept)(*kept) == kept

    return (
        Name("Headers._list", hops, lambda: lib.Headers({"A": "b"})._list == [(b"A", b"a", b"b")]),
        Name("Headers._encoding", hops, lambda: lib.Headers(encoding="ascii")._encoding),
        Name("URL._uri_reference", hops, split),
        Name("Request.__dict__", copies, lambda: vars(request()).keys() >= _OF_REQUESTS),
        Name("Request._content", copies, lambda: vars(request(content=b"x"))[CONTENT]),
        Name("Response.__dict__", copies, lambda: vars(lib.Response(200)).keys() >= _OF_RESPONSES),
        Name("Response._request", copies, lambda: request_of(lib.Response(200)) is None),
        Name("Response._content", copies, lambda: vars(lib.Response(200, content=b"x"))[CONTENT]),
        Name("RequestError._request", "errors", lambda: vars(lib.ReadError(""))[REQUEST] is None),
        Name("Client._transport", "wrap", lambda: clients("_transport") == [nowhere] * 2),
        Name("Client._mounts", "wrap", lambda: clients("_mounts") == [{}, {}]),
        Name("Client._transport_for_url", hops, lambda: clients("_transport_for_url")),
        Name("Client._send_single_request", "polls", lambda: clients("_send_single_request")),
        Name(
            "IteratorByteStream._stream",
            again,
            lambda: source_of(request(content=iter(())).stream) is not None,
        ),
        Name(
            "MultipartStream.fields",
            again,
            lambda: files_of(request(files={"a": ("b", b"x", "c/d")}).stream),
        ),
    )


_SPLIT = ("http", "me", "a.example", 81, "/b", "c", "d", "http", "a.example:81", "/b")
_OF_REQUESTS = {"method", "url", "headers", "stream", "extensions"}
_OF_RESPONSES = {
    *("status_code", "headers", "stream", "extensions", "history", "default_encoding"),
    *("is_closed", "is_stream_consumed"),
}
