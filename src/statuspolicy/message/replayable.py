"""A request body that starts over by itself each time it is iterated, where it can.

A second send has to begin with the same bytes as the first, and to have the same length.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from inspect import isasyncgen
from typing import NamedTuple
from zlib import crc32

from statuspolicy.message.remade import FACTORY
from statuspolicy.printable import given
from statuspolicy.wire.httpx_internals import source_of
from statuspolicy.wire.library import Stream

Source = Iterable[bytes] | AsyncIterable[bytes]


class Body(Stream):
    """A request body that starts again each time it is iterated.

    source: the body for the first send.
    again: returns the body for each further send; None if that is not possible.
    keep: how many bytes are recorded while they are sent, 0 for none.
    same: whether the body of `again` has to begin like the one before.

    `length` is the number of bytes, once the body was sent to its end.
    """

    def __init__(
        self, source: Source, again: Callable[[], Source] | None, keep: int, same: bool = True
    ) -> None:
        self._source = source
        self._again = again
        self._keep = keep
        self._same = same
        self._kept: list[bytes] | None = None
        self._sent = _Sum(0, 0)
        self._before = _Sum(0, 0)  # of the longest send so far
        self._parts: AsyncGenerator[bytes] | None = None
        self.begun = False
        self.length: int | None = None

    @property
    def is_sync(self) -> bool:
        """Whether a thread can send it."""
        return isinstance(self._source, Iterable)

    @property
    def replayable(self) -> bool:
        """Whether the whole body can be sent again."""
        return not self.begun or self._again is not None or self.known is not None

    @property
    def known(self) -> bytes | None:
        """The whole body, if it was sent to its end and recorded."""
        if self._kept is None or self._sent.length != self.length:
            return None
        return b"".join(self._kept)

    def _open(self) -> Source | None:
        """The source for this send; None if the recorded copy is to be sent."""
        first, self.begun = not self.begun, True
        if self.known is not None:
            return None
        if not first and self._again is None:
            raise _unsendable(_USED_UP)
        self._before, self._sent = max(self._before, self._sent), _Sum(0, 0)
        self._kept = [] if self._keep else None
        if first or self._again is None:
            return self._source
        before, self._source = self._source, self._again()
        once = isinstance(self._source, (Iterator, AsyncIterator))
        if (
            once
            and not hasattr(self._source, "seek")
            and self._source in (before, source_of(before))
        ):
            raise _unsendable(_SAME)
        return self._source

    def _record(self, chunk: bytes) -> None:
        rest = self._before.length - self._sent.length
        # Where the earlier send ended, the checksums have to be equal.
        if self._same and 0 < rest <= len(chunk) and self._sent.plus(chunk[:rest]) != self._before:
            raise _unsendable(_CHANGED)
        self._sent = self._sent.plus(chunk)
        if self._kept is not None:
            self._kept.append(chunk)
            if self._sent.length > self._keep:
                self._kept = None

    def _end(self) -> None:
        # An error here leaves the request incomplete, so the server can't take it for complete.
        now, before = self._sent.length, self._before.length
        if now < before or self.length not in (None, now):
            raise _unsendable(
                f"The request's body had {before} bytes and has {now} bytes when it is sent again: "
                f'give a factory in extensions={{"{FACTORY}": ...}}.'
            )
        self.length = now

    def __iter__(self) -> Iterator[bytes]:
        source = self._open()
        if source is None:
            yield self.known or b""
            return
        if not isinstance(source, Iterable):
            raise TypeError(
                f'The callable in extensions["{FACTORY}"] returned {given(source)}, which only an '
                "AsyncClient can send: return bytes or an iterable of bytes."
            )
        for chunk in source:
            self._record(chunk)
            yield chunk
        self._end()

    def __aiter__(self) -> AsyncGenerator[bytes]:
        self._parts = parts = self._iterated()
        return parts

    async def leave(self) -> None:
        """Close the iterator of a send that an early response ended: the library does not."""
        if self._parts is not None:
            await self._parts.aclose()

    async def _iterated(self) -> AsyncGenerator[bytes]:
        source = self._open()
        if source is None:
            yield self.known or b""
            return
        if isinstance(source, AsyncIterable):
            parts = aiter(source)
            try:
                async for chunk in parts:
                    self._record(chunk)
                    yield chunk
            finally:
                for opened in (parts, source_of(source)):
                    if isasyncgen(opened):
                        await opened.aclose()
        else:
            for chunk in source:
                self._record(chunk)
                yield chunk
        self._end()


def _unsendable(why: str) -> Exception:
    from statuspolicy.message.errors import (
        LocalProtocolError,  # here, so that importing stays quick
    )

    return LocalProtocolError(why)


class _Sum(NamedTuple):
    """The number of bytes that were sent, and their checksum."""

    length: int
    crc: int

    def plus(self, chunk: bytes) -> _Sum:
        return _Sum(self.length + len(chunk), crc32(chunk, self.crc))


_USED_UP = (
    "The request's body was used up by an earlier send and can't be sent again: "
    f'give bytes, or a factory in extensions={{"{FACTORY}": ...}}.'
)

_CHANGED = (
    "The request's body begins differently when it is sent again: "
    f'give a factory in extensions={{"{FACTORY}": ...}}.'
)

_SAME = (
    f'The callable in extensions["{FACTORY}"] returned the same iterator again, which is used '
    "up: return a new one each time."
)
