"""The one place that names the HTTP library.

Everything else imports these names from here, so another library of the same
shape needs another of these files and nothing else.
"""

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from httpx import (
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

# Where the two libraries declare the same thing in their own words.
AsyncParts: TypeAlias = AsyncIterator[bytes]
Encoding: TypeAlias = str | Callable[[bytes], str]

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
