"""Request bodies that know whether they can be sent again.

An exhausted iterator, a read-only file and a multipart part that can't seek are sent a
second time as an *empty* body by every HTTP library, and the server answers 200. So the
kinds are told apart before the first send, and what can't be started over is recorded
while it is sent.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import aclosing, suppress
from inspect import isasyncgen
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from zlib import crc32

from statuspolicy.httpx_internals import CONTENT, extended, files_of, source_of
from statuspolicy.library import ANY, LIBRARY_OF, Stream
from statuspolicy.limits import Limits
from statuspolicy.printable import given

if TYPE_CHECKING:
    from httpx import URL, AsyncByteStream, Headers, Request, SyncByteStream

FACTORY = "statuspolicy.body"  # in `extensions`: a callable that makes the body anew

AnyStream: TypeAlias = "SyncByteStream | AsyncByteStream"
Source = Iterable[bytes] | AsyncIterable[bytes]


class Body(Stream):
    """A request body that starts over by itself each time it is iterated.

    source: what to send first.
    again: makes what to send each further time; None where nothing can.
    keep: bytes that are recorded while they are sent, 0 for none.
    same: whether what `again` makes has to begin as what was sent before.

    `length` is the number of bytes, once it was sent to its end.
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
        self._before = _Sum(0, 0)  # the longest that was sent until now
        self._parts: AsyncGenerator[bytes] | None = None
        self.begun = False
        self.length: int | None = None

    @property
    def is_sync(self) -> bool:
        """Whether a thread can send it."""
        return isinstance(self._source, Iterable)

    @property
    def replayable(self) -> bool:
        """Whether it can be sent again, whole."""
        return not self.begun or self._again is not None or self.known is not None

    @property
    def known(self) -> bytes | None:
        """The whole body, where it was sent to its end and kept."""
        if self._kept is None or self._sent.length != self.length:
            return None
        return b"".join(self._kept)

    def _open(self) -> Source | None:
        """What to iterate this time; None where the kept copy is to be sent."""
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
        # Where the beginning that was sent before ends, it has to have been the same.
        if self._same and 0 < rest <= len(chunk) and self._sent.plus(chunk[:rest]) != self._before:
            raise _unsendable(_CHANGED)
        self._sent = self._sent.plus(chunk)
        if self._kept is not None:
            self._kept.append(chunk)
            if self._sent.length > self._keep:
                self._kept = None

    def _end(self) -> None:
        # An error here leaves the request unended, so the server can't take it for whole.
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
        """Close what was opened to send it: where an answer ends that, nobody else does."""
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
    from statuspolicy.errors import LocalProtocolError  # here, so that importing stays quick

    return LocalProtocolError(why)


class _Sum(NamedTuple):
    """How many bytes were sent, and their checksum."""

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


def carry(request: Request, limits: Limits) -> Request:
    """The request as it will be sent: a copy with a Body where its own stream is used up.

    The caller's request is never changed.
    """
    stream = request.stream
    if isinstance(stream, Body):
        return request
    factory = request.extensions.get(FACTORY)
    if factory is None and (isinstance(stream, ANY.ByteStream) or _rewinds(stream)):
        return request
    if factory is not None:
        if not callable(factory):
            raise TypeError(
                f'extensions["{FACTORY}"] is {given(factory)}: write a callable that returns the '
                "request's body, as bytes or as an iterable of bytes."
            )
        body = Body(stream, lambda: _chunks(factory()), 0, same=False)
    elif (sent_before := getattr(stream, _SENT, None)) is not None:
        body = sent_before
    else:
        again = _restart(stream)
        # What can be started over is recorded too, so that 411 learns its length; not
        # a file, whose length the library reads off before it is sent.
        body = Body(stream, again, 0 if again and _file(stream) else limits.replay_bytes)
        with suppress(AttributeError):  # a foreign stream may have no room for it
            setattr(stream, _SENT, body)
    return copy(request, stream=body)


# A client's own auth flow sends the caller's request again: its stream was used up by then,
# and what was recorded of it is found there. (A weak dictionary would never let go of either:
# a body holds its stream.)
_SENT = "_statuspolicy_body"


def copy(
    request: Request,
    *,
    method: str | None = None,
    url: URL | None = None,
    headers: Headers | None = None,
    stream: AnyStream | None = None,
    extensions: dict[str, Any] | None = None,
) -> Request:
    """The same request, but for what is given; readable where the first one was.

    Its header section and its extensions are its own; those that are given are taken as they are.
    """
    inside = vars(request).copy()
    inside["headers"] = extended(request.headers) if headers is None else headers
    inside["extensions"] = dict(request.extensions) if extensions is None else extensions
    if method is not None:
        inside["method"] = method.upper()
    if url is not None:
        inside["url"] = url
    if stream is None:
        stream = request.stream
    if not isinstance(stream, ANY.ByteStream):
        inside.pop(CONTENT, None)
    elif stream is not request.stream or CONTENT not in inside:
        inside[CONTENT] = b"".join(stream)  # as `read()` does, in a tenth of its time
    inside["stream"] = stream
    new = object.__new__(LIBRARY_OF[type(request)].Request)
    new.__dict__ = inside
    return new


def replayable(request: Request) -> bool:
    """Whether a request that was carried can be sent again."""
    return not isinstance(request.stream, Body) or request.stream.replayable


def known(request: Request) -> bytes | None:
    """The whole body of a request, where it is in memory."""
    stream = request.stream
    if isinstance(stream, ANY.ByteStream):
        return b"".join(stream)
    return stream.known if isinstance(stream, Body) else None


def length(request: Request) -> int | None:
    """The length of a body that can be sent again, where it was sent to its end."""
    stream = request.stream
    if isinstance(stream, ANY.ByteStream):
        return len(b"".join(stream))
    return stream.length if isinstance(stream, Body) and stream.replayable else None


def read(request: Request, most: int) -> bytes | Awaitable[bytes | None] | None:
    """The whole body of a request that was carried, read once more; something to await for it.

    None where it is longer than `most` bytes, or can't be sent again.
    """
    stream = request.stream
    if not isinstance(stream, Body) or not stream.replayable:
        return None
    return _read(stream, most) if stream.is_sync else _aread(stream, most)


def _read(stream: Body, most: int) -> bytes | None:
    parts: list[bytes] = []
    for chunk in stream:
        parts.append(chunk)
        if (most := most - len(chunk)) < 0:
            return None
    return b"".join(parts)


async def _aread(stream: Body, most: int) -> bytes | None:
    parts: list[bytes] = []
    async with aclosing(stream.__aiter__()) as chunks:
        async for chunk in chunks:
            parts.append(chunk)
            if (most := most - len(chunk)) < 0:
                return None
    return b"".join(parts)


def _file(stream: AnyStream) -> bool:
    return hasattr(source_of(stream), "read")


def _seekable(file: Any) -> bool:
    try:
        file.seek(file.tell())
    except (AttributeError, OSError, ValueError, UnsupportedOperation):
        return False
    return True


def _rewinds(stream: AnyStream) -> bool:
    """Multipart whose every part is text, bytes or a file that the library rewinds itself."""
    files = files_of(stream)
    if files is None:
        return False
    return all(isinstance(file, (str, bytes)) or _seekable(file) for file in files)


def _restart(stream: AnyStream) -> Callable[[], Source] | None:
    """What starts a stream over; None where it is used up by being sent."""
    content = source_of(stream)
    if hasattr(content, "read"):
        if not _seekable(content):
            return None
        start = content.tell()

        def rewind() -> Source:
            content.seek(start)
            return stream

        return rewind
    # An iterable gives a fresh iterator each time; an iterator gives itself, and some things
    # the same one. (What only looks fresh is caught where it is sent again.)
    fresh_sync = isinstance(content, Iterable) and iter(content) is not iter(content)
    fresh_async = isinstance(content, AsyncIterable) and aiter(content) is not aiter(content)
    return (lambda: stream) if fresh_sync or fresh_async else None


def _chunks(body: Any) -> Source:
    if isinstance(body, bytes):
        return [body]
    # Text, bytearrays and memoryviews iterate too, but not into bytes.
    odd = isinstance(body, (str, bytearray, memoryview))
    if isinstance(body, (Iterable, AsyncIterable)) and not odd:
        return body
    raise TypeError(
        f'The callable in extensions["{FACTORY}"] returned {given(body)}: '
        "return bytes or an iterable of bytes."
    )
