"""Response bodies with something behind them: a transport, or a beginning that was read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from ._lib import AsyncByteStream, SyncByteStream

ONE_READ = 256 * 1024  # bytes, more than a transport takes from its socket at once


class Owned(SyncByteStream, AsyncByteStream):
    """The body of a response whose transport was made for it alone, and ends with it."""

    def __init__(self, stream: Any, transport: Any) -> None:
        self._stream = stream
        self._transport = transport

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    def close(self) -> None:
        self._stream.close()
        self._transport.close()

    async def aclose(self) -> None:
        await self._stream.aclose()
        await self._transport.aclose()


class Parts(SyncByteStream, AsyncByteStream):
    """A body of which the beginning was read: that, then the rest, or what broke it."""

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

        # To leave the rest would leave generators behind that nobody closes: its next read
        # is cancelled, which ends them all.
        with suppress(Exception), anyio.CancelScope() as scope:
            scope.cancel()
            left = ONE_READ
            async for part in self.rest:
                left -= len(part)
                if left < 0:
                    break
        await self._stream.aclose()
