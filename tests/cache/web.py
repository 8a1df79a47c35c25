"""One client and what its server says, in the engine alone or through a whole client."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from statuspolicy.testing import FakeClock, replay
from tests.library import httpx, sp

URL = "http://a.example/x"


class Got:
    """What came of a request.

    response: read to its end; None where an error was raised.
    sent: the requests that reached the server.
    """

    def __init__(
        self,
        response: httpx.Response | None,
        error: Exception | None,
        sent: Sequence[httpx.Request],
    ) -> None:
        self.response = response
        self.error = error
        self.sent = sent

    @property
    def body(self) -> bytes:
        assert self.response is not None, self.error
        return self.response.content

    @property
    def status(self) -> int:
        assert self.response is not None, self.error
        return self.response.status_code

    @property
    def headers(self) -> httpx.Headers:
        assert self.response is not None, self.error
        return self.response.headers

    @property
    def asked(self) -> list[str | None]:
        """The condition or range that each request that was sent had."""
        names = ("if-none-match", "if-modified-since", "range")
        return [next((r.headers[n] for n in names if n in r.headers), None) for r in self.sent]

    @property
    def cache(self) -> str:
        """What the cache did, in the last step of the trace."""
        return sp.trace(self.response or self.error)[-1].cache


class Web:
    """A client with a cache, and a clock that stands still."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.kind = kind
        self.clock = FakeClock()
        self.memory = sp.Memory()
        cache = {"user": "me"} | options.pop("cache", {})
        self.storage = cache.setdefault("storage", sp.MemoryStorage())
        self.options = {"cache": sp.Cache(**cache), "memory": self.memory, "clock": self.clock}
        self.options |= options
        self.jar = httpx.Cookies()
        self._script: list[Any] = []
        self._sent: list[httpx.Request] = []
        if kind == "client":
            mock = httpx.MockTransport(self._answer)
            self.client = sp.wrap(httpx.Client(transport=mock, cookies=self.jar), **self.options)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self._sent.append(request)
        assert self._script, f"nothing answers {request!r}"
        return answer(self._script.pop(0), request)

    def request(
        self, method: str, *script: Any, url: str = URL, later: float = 0.0, **given: Any
    ) -> Got:
        """Send it, with these answers in turn, so many seconds later; all of them are used."""
        self.clock.now += later
        headers = {**given.pop("headers", {})}
        content = given.pop("content", None)
        if self.kind == "client":
            self._script, self._sent = [*script], []
            response, error = None, None
            try:
                response = self.client.request(
                    method, url, headers=headers, content=content, **given
                )
            except httpx.RequestError as raised:
                error = raised
            assert not self._script, "not all was asked for"
            return Got(response, error, self._sent)
        request = httpx.Request(method, url, headers=headers, content=content, cookies=self.jar)
        lines = [(lambda sent, line=line: answer(line, sent, whole=True)) for line in script]
        lines = [
            line if isinstance(line, httpx.TransportError) else make
            for line, make in zip(script, lines, strict=True)
        ]
        story = replay(request, lines, cookies=self.jar, **self.options, **given)
        assert len(story.sent) == len(script), "not all was asked for"
        assert (story.open_at_most, story.left_open) in ((0, 0), (1, 0))
        if story.response is not None:
            story.response.read()
        return Got(story.response, story.error, story.sent)

    def get(self, *script: Any, **given: Any) -> Got:
        return self.request("GET", *script, **given)


Line = int | tuple[int, Mapping[str, str] | Iterable[tuple[str, str]]] | tuple[int, Any, bytes]


def answer(line: Any, request: httpx.Request, whole: bool = False) -> httpx.Response:
    """A status code, (code, headers), (code, headers, body), an error, or what makes one.

    whole: its body is in memory; else it is read as it comes, as a network's is.
    """
    if isinstance(line, httpx.TransportError):
        raise line
    if isinstance(line, Callable):
        return answer(line(request), request, whole)
    if isinstance(line, httpx.Response):
        return line
    code, headers, body = (*((line,) if isinstance(line, int) else line), {}, b"")[:3]
    if isinstance(line, tuple) and len(line) == 2:
        body = b""
    given = [*headers.items()] if isinstance(headers, Mapping) else [*headers]
    stream = httpx.ByteStream(body) if whole else Parts(body)
    return httpx.Response(code, headers=given, stream=stream)


class Parts(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in three parts."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.closed = False

    def __iter__(self):
        third = len(self.body) // 3
        first, second = self.body[:third], self.body[third : 2 * third]
        yield from filter(None, (first, second, self.body[2 * third :]))

    async def __aiter__(self):
        for part in self:
            yield part

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True
