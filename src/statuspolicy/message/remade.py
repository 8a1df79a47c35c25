"""`copy`: a copy of a request, with some parts changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from statuspolicy.wire.httpx_internals import CONTENT, extended
from statuspolicy.wire.library import ANY, LIBRARY_OF

if TYPE_CHECKING:
    from httpx import URL, AsyncByteStream, Headers, Request, SyncByteStream

FACTORY = "statuspolicy.body"  # in `extensions`: a callable that returns the body again

AnyStream: TypeAlias = "SyncByteStream | AsyncByteStream"


def copy(
    request: Request,
    *,
    method: str | None = None,
    url: URL | None = None,
    headers: Headers | None = None,
    stream: AnyStream | None = None,
    extensions: dict[str, Any] | None = None,
) -> Request:
    """A copy of a request, with some parts changed.

    Its header section and its extensions are copied, unless the caller gives others.
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
        inside[CONTENT] = b"".join(stream)  # as `read()` does, ten times faster
    inside["stream"] = stream
    new = object.__new__(LIBRARY_OF[type(request)].Request)
    new.__dict__ = inside
    return new
