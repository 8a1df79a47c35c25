"""As `statuspolicy._lib`, for httpx2, the other library of the same shape.

The files beside this one are links to those above: the same source, bound to this library by
its relative imports. What knows no library (limits, memory, clock, traces) exists once.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from operator import attrgetter
from typing import TypeAlias

try:
    from httpx2 import (
        URL,
        AsyncBaseTransport,
        AsyncByteStream,
        AsyncClient,
        AsyncHTTPTransport,
        Auth,
        BaseTransport,
        ByteStream,
        Client,
        ConnectError,
        ConnectTimeout,
        Cookies,
        DecodingError,
        DigestAuth,
        Headers,
        HTTPStatusError,
        HTTPTransport,
        InvalidURL,
        LocalProtocolError,
        PoolTimeout,
        ProxyError,
        ReadError,
        ReadTimeout,
        RemoteProtocolError,
        Request,
        RequestError,
        Response,
        SyncByteStream,
        TimeoutException,
        TooManyRedirects,
        TransportError,
        UnsupportedProtocol,
        WriteError,
        WriteTimeout,
    )
except ImportError as missing:
    raise ImportError(
        "statuspolicy.httpx2 wraps clients of httpx2, which is not installed: "
        "pip install 'statuspolicy[httpx2]'."
    ) from missing

AsyncParts: TypeAlias = AsyncGenerator[bytes, None]
Encoding: TypeAlias = str | Callable[[bytes], str | None]


def beside(url: URL, path: str, query: str | None) -> URL:
    """The URL of something else on the same origin; nothing in its parts has to be quoted.

    To parse it would cost as much as all else that a redirect does.
    """
    other = URL.__new__(URL)
    other._uri_reference = url._uri_reference._replace(
        userinfo="", path=path, query=query, fragment=None
    )
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


# The lines of a header section, to be read: name, name in lower case, value.
lines: Callable[[Headers], list[tuple[bytes, bytes, bytes]]] = attrgetter("_list")


def names(headers: Headers) -> set[bytes]:
    """The names of the fields of a header section, in lower case."""
    return {name for _, name, _ in headers._list}


def extended(headers: Headers, lines: Iterable[tuple[bytes, bytes]] = ()) -> Headers:
    """A copy of a header section, with more lines, which need no check.

    Its encoding is the same, so that the library doesn't look for that in each copy.
    """
    new = Headers(encoding=headers.encoding)
    new._list = kept = headers._list.copy()
    for name, value in lines:
        kept.append((name, name.lower(), value))
        if not value.isascii():
            new._encoding = None
    return new


def written(lines: Iterable[tuple[bytes, bytes]], encoding: str | None = None) -> Headers:
    """A header section of lines that stood in one before, and need no check any more."""
    headers = Headers(encoding=encoding)
    headers._list = [(name, name.lower(), value) for name, value in lines]
    return headers


__all__ = [
    "URL",
    "AsyncBaseTransport",
    "AsyncByteStream",
    "AsyncClient",
    "AsyncHTTPTransport",
    "AsyncParts",
    "Auth",
    "BaseTransport",
    "ByteStream",
    "Client",
    "ConnectError",
    "ConnectTimeout",
    "Cookies",
    "DecodingError",
    "DigestAuth",
    "Encoding",
    "HTTPStatusError",
    "HTTPTransport",
    "Headers",
    "InvalidURL",
    "LocalProtocolError",
    "PoolTimeout",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "RequestError",
    "Response",
    "SyncByteStream",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
    "beside",
    "extended",
    "lines",
    "names",
    "same_place",
    "target",
    "words",
    "written",
]
