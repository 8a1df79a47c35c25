"""`Expect: 100-continue`: a request's body is held back until the server asks for it.

RFC 9110 §10.1.1: the client lets the server "make a decision on the request, based on its
header section, before" the content is sent, and "MUST NOT wait for an indefinite period".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from statuspolicy.library import Stream
from statuspolicy.methods import WITHOUT_CONTENT
from statuspolicy.replayable import Body
from statuspolicy.wire import Seen

if TYPE_CHECKING:
    from httpx import Request


def expects(request: Request) -> bool:
    """Whether a request asks for a 100 before its content, and has some."""
    headers = request.headers
    return (
        "expect" in headers
        and headers["expect"].strip().lower() == "100-continue"
        and request.method not in WITHOUT_CONTENT
        and (headers.get("content-length", "0") != "0" or "transfer-encoding" in headers)
    )


class Held(Stream):
    """A body that isn't begun before its connection says so.

    seen: knows the connection, once the header section went over it.
    seconds: how long a 100 is waited for.
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
        """As Body's."""
        if self._parts is not None:
            await self._parts.aclose()
        if isinstance(self._stream, Body):
            await self._stream.leave()


def expect_continue(above: int = 1_000_000) -> Callable[[Request], Awaitable[None]]:
    """A request hook for a client: large bodies get `Expect: 100-continue` by themselves.

    `httpx.Client(event_hooks={"request": [statuspolicy.expect_continue()]})`, and the same with
    an AsyncClient. A server that wants no such body then says so before it is sent; one that
    says nothing gets it after `Limits.expect_wait`.

    above: bytes; a body of unknown length counts as longer. GET, HEAD, OPTIONS and TRACE are
        left as they are, and so is a request that has the field.

    Raises ValueError for a number that is no length.
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
    """For an AsyncClient, which awaits what its hooks answer. A Client doesn't look at it."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()
