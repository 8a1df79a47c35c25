"""`Expect: 100-continue`: the body of a request waits until the server asks for it.

RFC 9110 §10.1.1: the client lets the server "make a decision on the request, based on its
header section, before" the content is sent, and "MUST NOT wait for an indefinite period".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from statuspolicy.fields.methods import WITHOUT_CONTENT
from statuspolicy.message.replayable import Body
from statuspolicy.wire.context import Seen
from statuspolicy.wire.library import Stream

if TYPE_CHECKING:
    from httpx import Request


def expects(request: Request) -> bool:
    """Whether a request has content, and asks for a 100 before it."""
    headers = request.headers
    return (
        "expect" in headers
        and headers["expect"].strip().lower() == "100-continue"
        and request.method not in WITHOUT_CONTENT
        and (headers.get("content-length", "0") != "0" or "transfer-encoding" in headers)
    )


class Held(Stream):
    """A body that waits for a 100 before its first byte is sent.

    seen: has the connection, once the header section was sent.
    seconds: how long to wait for a 100.
    """

    def __init__(self, stream: Any, seen: Seen, seconds: float) -> None:
        self._stream = stream
        self._seen = seen
        self._seconds = seconds
        self._parts: AsyncGenerator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        if self._seen.connection is not None:
            self._seen.connection.hold(self._seconds)
        yield from self._stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._parts = parts = self._iterated()
        return parts

    async def _iterated(self) -> AsyncGenerator[bytes]:
        if self._seen.connection is not None:
            await self._seen.connection.hold(self._seconds)
        async for part in self._stream:
            yield part

    async def leave(self) -> None:
        """As `Body.leave`."""
        if self._parts is not None:
            await self._parts.aclose()
        if isinstance(self._stream, Body):
            await self._stream.leave()


def expect_continue(above: int = 1_000_000) -> Callable[[Request], Awaitable[None]]:
    """A request hook for a client: sets `Expect: 100-continue` on requests with a large body.

    `httpx.Client(event_hooks={"request": [statuspolicy.expect_continue()]})`, and the same with
    an AsyncClient. Then a server can refuse the body before it is sent; without an answer the body
    is sent after `Limits.expect_wait`.

    above: bytes; a body of unknown length counts as longer. GET, HEAD, OPTIONS, TRACE and
        requests that have the field don't change.

    Raises ValueError for a negative number.
    """
    if not isinstance(above, int) or isinstance(above, bool) or above < 0:
        raise ValueError(
            f"expect_continue(above={above!r}): write a number of bytes, such as 1_000_000."
        )

    def hook(request: Request) -> _Done:
        headers = request.headers
        length = headers.get("content-length", "")
        large = int(length) > above if length.isdecimal() else "transfer-encoding" in headers
        if large and "expect" not in headers and request.method not in WITHOUT_CONTENT:
            headers["Expect"] = "100-continue"
        return _Done()

    return hook


class _Done(Awaitable[None]):
    """The result of the hook: an AsyncClient awaits it, a Client ignores it."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()
