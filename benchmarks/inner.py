"""What the contenders wrap: transports that answer out of memory; and a wrapper around nothing.

Their answers come as a server's do over httpcore: a stream that is open until it is read or closed,
a header section of some length, and the extensions of HTTP/1.1. An answer that is read already
(`httpx.Response(200, content=...)`) would flatter whoever has to drain it.
"""

from collections.abc import AsyncIterator, Iterator, Mapping

import httpx

URL = "http://example.org/"
FRESH = [("Cache-Control", "max-age=3600"), ("ETag", '"1"')]
BARE = [("Cache-Control", "max-age=0")]
STALE = [("Cache-Control", "no-cache"), ("ETag", '"1"')]


# What a server says besides.
USUAL = [
    (b"Server", b"nginx"),
    (b"Date", b"Mon, 30 Nov 2026 20:00:00 GMT"),
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"Connection", b"keep-alive"),
    (b"X-Request-Id", b"b5a4c1de-8f0e-4a8e-9a63-0c7d3c2f3a11"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Strict-Transport-Security", b"max-age=63072000"),
]


class Open(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is there to be read."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


def opened(
    status: int,
    body: bytes = b"ok",
    headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
) -> httpx.Response:
    """An answer as httpx's own transport returns one."""
    more = headers.items() if isinstance(headers, Mapping) else headers or ()
    length = (b"Content-Length", str(len(body)).encode())
    said = [(name.encode(), value.encode()) for name, value in more]
    return httpx.Response(
        status,
        headers=[*USUAL, length, *said],
        stream=Open(body),
        extensions={"http_version": b"HTTP/1.1", "reason_phrase": PHRASES[status]},
    )


PHRASES = {
    code: httpx.codes.get_reason_phrase(code).encode()
    for code in (200, 301, 302, 303, 304, 307, 308, 503)
}


class Inner(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers at once, a request after the other. `sent` counts what reached it."""

    sent = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        raise NotImplementedError

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        return self.answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        return self.answer(request)


class Prebuilt(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The least that a transport can do: the same 200 each time."""

    response = httpx.Response(200)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.response


class Nothing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A wrapper that does nothing: the floor."""

    def __init__(self, inner: httpx.BaseTransport | httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)


class Fine(Inner):
    """A new 200 each time, as a client needs it."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        return opened(200)


class Hops(Inner):
    """/3 leads to /2, that to /1, and that to the 200 at /0."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        left = int(request.url.path[1:])
        if left:
            return opened(302, b"moved", {"Location": f"/{left - 1}"})
        return opened(200)


class Abroad(Inner):
    """Each origin leads to the next; the last one answers."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        left = int(request.url.path[1:])
        if left:
            location = f"http://{left - 1}.example.org/{left - 1}"
            return opened(302, b"moved", {"Location": location})
        return opened(200)


class Down(Inner):
    """So many 503, then a 200, over and over."""

    def __init__(self, failures: int, headers: dict[str, str] | None = None) -> None:
        self._failures, self._headers = failures, headers

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.sent % (self._failures + 1):
            return opened(503, b"busy", self._headers)
        return opened(200)


class Shape(Inner):
    """One redirect, of one shape: /a leads elsewhere, and whatever that is answers 200."""

    def __init__(
        self, status: int, location: str, said: dict[str, str], at_last: dict[str, str]
    ) -> None:
        self._status, self._said = status, {"Location": location, **said}
        self._at_last = at_last

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/a":
            return opened(self._status, b"moved", self._said)
        return opened(200, b"ok", self._at_last)


class Stored(Inner):
    """What a cache may keep: a 200 that is fresh, or one to be asked about, which is then a 304."""

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self._headers = headers

    def answer(self, request: httpx.Request) -> httpx.Response:
        if "if-none-match" in request.headers:
            return opened(304, b"", self._headers)
        return opened(200, b"ok", self._headers)


class Moved(Inner):
    """/ has moved to /new for good."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/":
            headers = {"Location": "/new", "Cache-Control": "max-age=3600"}
            return opened(301, b"moved", headers)
        return opened(200, b"ok", {"Cache-Control": "no-store"})
