"""The content of a response, decoded in small pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from statuspolicy.message.streams import end
from statuspolicy.wire.decoding import Decoding, Undecodable
from statuspolicy.wire.httpx_internals import CONTENT, request_of
from statuspolicy.wire.library import LIBRARY_OF

if TYPE_CHECKING:
    from httpx import DecodingError, Response


def raw(response: Response) -> Any:
    """The raw body of a response that was already read, as a mock's may be; else None."""
    return response.stream if response.is_stream_consumed else None


def pieces(response: Response) -> Iterator[bytes]:
    """The content of a response, as it comes. Raises DecodingError."""
    if CONTENT in vars(response):
        yield response.content
        return
    try:
        decoding = Decoding(response.headers.get("content-encoding"))
        for data in raw(response) or response.iter_raw():
            yield from decoding.feed(data)
        decoding.end()
    except Undecodable as why:
        raise _undecodable(response, why) from None


async def apieces(response: Response) -> AsyncIterator[bytes]:
    """As `pieces`, of an AsyncClient's."""
    if CONTENT in vars(response):
        yield response.content
        return
    chunks = aiter(raw(response) or response.aiter_raw())
    try:
        decoding = Decoding(response.headers.get("content-encoding"))
        async for data in chunks:
            for piece in decoding.feed(data):
                yield piece
        decoding.end()
    except Undecodable as why:
        raise _undecodable(response, why) from None
    finally:
        await end(chunks)


def _undecodable(response: Response, why: Undecodable) -> DecodingError:
    message = f"The body of the {response.status_code} can't be read: {why}."
    return LIBRARY_OF[type(response)].DecodingError(message, request=request_of(response))
