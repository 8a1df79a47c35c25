"""What the contenders wrap: transports that answer out of memory; and a wrapper around nothing."""

import httpx

URL = "http://example.org/"
FRESH = [("Cache-Control", "max-age=3600"), ("ETag", '"1"')]
BARE = [("Cache-Control", "max-age=0")]
STALE = [("Cache-Control", "no-cache"), ("ETag", '"1"')]


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
        return httpx.Response(200, content=b"ok")


class Hops(Inner):
    """/3 leads to /2, that to /1, and that to the 200 at /0."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        left = int(request.url.path[1:])
        if left:
            return httpx.Response(302, headers={"Location": f"/{left - 1}"}, content=b"moved")
        return httpx.Response(200, content=b"ok")


class Abroad(Inner):
    """Each origin leads to the next; the last one answers."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        left = int(request.url.path[1:])
        if left:
            location = f"http://{left - 1}.example.org/{left - 1}"
            return httpx.Response(302, headers={"Location": location}, content=b"moved")
        return httpx.Response(200, content=b"ok")


class Down(Inner):
    """So many 503, then a 200, over and over."""

    def __init__(self, failures: int, headers: dict[str, str] | None = None) -> None:
        self._failures, self._headers = failures, headers

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.sent % (self._failures + 1):
            return httpx.Response(503, headers=self._headers, content=b"busy")
        return httpx.Response(200, content=b"ok")


class Prepared(Inner):
    """One 503, then a 200, over and over, both made beforehand: what is timed is the wrapper."""

    busy = httpx.Response(503, headers={"Retry-After": "0"}, content=b"busy")
    fine = httpx.Response(200, content=b"ok")

    def answer(self, request: httpx.Request) -> httpx.Response:
        return self.busy if self.sent % 2 else self.fine


class Stored(Inner):
    """What a cache may keep: a 200 that is fresh, or one to be asked about, which is then a 304."""

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self._headers = headers

    def answer(self, request: httpx.Request) -> httpx.Response:
        if "if-none-match" in request.headers:
            return httpx.Response(304, headers=self._headers)
        return httpx.Response(200, headers=self._headers, content=b"ok")


class Moved(Inner):
    """/ has moved to /new for good."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/":
            headers = {"Location": "/new", "Cache-Control": "max-age=3600"}
            return httpx.Response(301, headers=headers)
        return httpx.Response(200, headers={"Cache-Control": "no-store"}, content=b"ok")
