"""As `statuspolicy._lib`, for httpx2, the other library of the same shape.

The files beside this one are links to those above: the same source, bound to this library by
its relative imports. What knows no library (limits, memory, clock, traces) exists once.
"""

from collections.abc import AsyncGenerator, Callable
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
]
