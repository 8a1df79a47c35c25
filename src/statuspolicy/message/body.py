"""`Body`: a request body that can be sent again, or knows that it can't.

HTTP libraries send an exhausted iterator, or a file that can't seek, a second time as an *empty*
body, and the server answers 200. So the kinds of bodies are told apart before the first send, and
a body that can't be started again is recorded while it is sent.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import aclosing, suppress
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any

from statuspolicy.message.remade import FACTORY as FACTORY  # noqa: PLC0414 - it is found here too
from statuspolicy.message.remade import AnyStream
from statuspolicy.message.remade import copy as copy  # noqa: PLC0414 - as that
from statuspolicy.message.replayable import Body, Source
from statuspolicy.printable import given
from statuspolicy.wire.httpx_internals import files_of, source_of
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Request


def carry(request: Request, replay_bytes: int) -> Request:
    """The request as it will be sent: a copy with a Body if its stream can be read only once.

    The caller's request is never changed.

    replay_bytes: how many bytes of a one-shot body are kept for sending it again.
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
        # A body that can be started again is recorded too, so that row 411 knows its length. Not a
        # file: the library finds its length before it is sent.
        body = Body(stream, again, 0 if again and _file(stream) else replay_bytes)
        with suppress(AttributeError):  # a stream of another class may have slots
            setattr(stream, _SENT, body)
    return copy(request, stream=body)


# An auth flow of the client sends the caller's request again, after its stream was used up: the
# recorded body is found here. (A weak dictionary would keep both alive: a body holds its stream.)
_SENT = "_statuspolicy_body"


def replayable(request: Request) -> bool:
    """Whether a request from `carry` can be sent again."""
    return not isinstance(request.stream, Body) or request.stream.replayable


def known(request: Request) -> bytes | None:
    """The whole body of a request, if it is in memory."""
    stream = request.stream
    if isinstance(stream, ANY.ByteStream):
        return b"".join(stream)
    return stream.known if isinstance(stream, Body) else None


def length(request: Request) -> int | None:
    """The length of a body that can be sent again, if it was sent to its end."""
    stream = request.stream
    if isinstance(stream, ANY.ByteStream):
        return len(b"".join(stream))
    return stream.length if isinstance(stream, Body) and stream.replayable else None


def read(request: Request, most: int) -> bytes | Awaitable[bytes | None] | None:
    """Read the whole body of a request from `carry` again; returns it or an awaitable of it.

    None if it is longer than `most` bytes, or can't be sent again.
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
    """Whether a multipart body has only text, bytes and files that the library can rewind."""
    files = files_of(stream)
    if files is None:
        return False
    return all(isinstance(file, (str, bytes)) or _seekable(file) for file in files)


def _restart(stream: AnyStream) -> Callable[[], Source] | None:
    """A function that starts a stream again; None if it can be read only once."""
    content = source_of(stream)
    if hasattr(content, "read"):
        if not _seekable(content):
            return None
        start = content.tell()

        def rewind() -> Source:
            content.seek(start)
            return stream

        return rewind
    # An iterable returns a new iterator each time; an iterator returns itself. (An iterable that
    # returns the same iterator again is noticed at the second send.)
    fresh_sync = isinstance(content, Iterable) and iter(content) is not iter(content)
    fresh_async = isinstance(content, AsyncIterable) and aiter(content) is not aiter(content)
    return (lambda: stream) if fresh_sync or fresh_async else None


def _chunks(body: Any) -> Source:
    if isinstance(body, bytes):
        return [body]
    # Text, bytearrays and memoryviews are iterable too, but not of bytes.
    odd = isinstance(body, (str, bytearray, memoryview))
    if isinstance(body, (Iterable, AsyncIterable)) and not odd:
        return body
    raise TypeError(
        f'The callable in extensions["{FACTORY}"] returned {given(body)}: '
        "return bytes or an iterable of bytes."
    )
