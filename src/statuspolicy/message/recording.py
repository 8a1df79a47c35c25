"""A response body that is stored, once the caller has read it to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from statuspolicy.cache.changes import Change
from statuspolicy.cache.invalidation_log import Sent
from statuspolicy.cache.storage.access import achange, change
from statuspolicy.cache.storage.memory import Storage
from statuspolicy.wire.library import Stream


class Recording(Stream):
    """A body on its way to the caller.

    begun: the stored beginning, which comes first.
    most: bytes; a longer body isn't stored.
    whole: returns the changes of the storage for the whole body.
    sent: the moment when its request was sent, to find invalidations after that.
    """

    def __init__(
        self,
        stream: Any,
        begun: bytes,
        most: int,
        whole: Callable[[bytes], Sequence[Change]],
        storage: Storage,
        sent: Sent,
    ) -> None:
        self._stream = stream
        self._begun = begun
        self._room = most
        self._whole = whole
        self._storage = storage
        self._sent = sent
        self._parts: list[bytes] = []

    def _record(self, part: bytes) -> None:
        if self._room >= 0:
            self._room -= len(part)
            self._parts.append(part)
            if self._room < 0:
                self._parts.clear()

    def _changes(self) -> Sequence[Change]:
        """The changes at the end of the body: one that broke or was abandoned isn't stored."""
        return self._whole(b"".join(self._parts)) if self._room >= 0 else ()

    def __iter__(self) -> Iterator[bytes]:
        if self._begun:
            yield self._begun
        for part in self._stream:
            self._record(part)
            yield part
        change(self._storage, self._changes(), self._sent)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:
            yield self._begun
        async for part in self._stream:
            self._record(part)
            yield part
        await achange(self._storage, self._changes(), self._sent)

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()
