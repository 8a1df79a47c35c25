"""Response bodies with an owner, a time limit, or a beginning that was read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from statuspolicy.wire.context import WIRE, during, sooner
from statuspolicy.wire.library import ANY, Stream, several

if TYPE_CHECKING:
    from httpx import TransportError

    from statuspolicy.message.protocols import AnyResponse


ONE_READ = 256 * 1024  # bytes, more than a transport reads at once


class Owned(Stream):
    """A body that closes its transport, which was made for this response alone."""

    def __init__(self, stream: Any, transport: Any) -> None:
        self._stream = stream
        self._transport = transport

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._transport.close()

    async def aclose(self) -> None:
        import anyio

        with anyio.CancelScope(shield=True):  # a cancelled task must still close both
            try:
                await self._stream.aclose()
            finally:
                await self._transport.aclose()


class Bounded(Stream):
    """A response body that has to be read in time, however slowly it comes.

    left: returns the remaining seconds. late: returns the error that is raised after that.
    """

    def __init__(
        self, stream: Any, left: Callable[[], float], late: Callable[[], TransportError]
    ) -> None:
        self.inner = stream
        self.left = left
        self._late = late

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(self.inner)
        part: bytes | None
        while self.left() > 0:
            try:
                part = during(WIRE, sooner(self.left), next, parts, None)
            except ANY.TransportError as error:
                if self.left() > 0:
                    raise
                raise self._late() from error
            if part is None:
                return
            yield part
        raise self._late()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        import anyio

        parts = aiter(self.inner)
        while self.left() > 0:
            part = None
            with anyio.move_on_after(self.left()) as scope:
                part = await anext(parts, None)
            if scope.cancelled_caught:
                break
            if part is None:
                return
            yield part
        await end(parts)
        raise self._late()

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        await self.inner.aclose()


async def end(parts: AsyncIterator[bytes]) -> None:
    """End the iterator of a body.

    Its inner generators would stay open: the next read is cancelled, which ends them all.
    """
    import anyio

    with suppress(Exception), anyio.CancelScope() as scope:
        scope.cancel()
        room = ONE_READ
        async for part in parts:
            room -= len(part)
            if room < 0:
                break


class Parts(Stream):
    """A body of which a part was read: first that part, then the rest, or the error."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._length = 0
        self.read: list[bytes] = []
        self.rest: Any = None
        self.error: Exception | None = None

    def add(self, part: bytes) -> int:
        self.read.append(part)
        self._length += len(part)
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        yield from self.read
        if self.error is not None:
            raise self.error
        yield from self.rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.read:
            yield part
        if self.error is not None:
            raise self.error
        async for part in self.rest:
            yield part

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        import anyio

        with anyio.CancelScope(shield=True):
            await end(self.rest)
            await self._stream.aclose()


def content_of(response: AnyResponse) -> bytes | None:
    """The content of a response; None where it was not read or can't be decoded."""
    try:
        return response.content
    except several(RuntimeError, ANY.DecodingError):  # not read, or not decodable
        return None
