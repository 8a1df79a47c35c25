"""Responses made of stored entries (RFC 9111 §4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from statuspolicy.cache import partial
from statuspolicy.cache.entry import Entry, Line, Span
from statuspolicy.cache.request import CacheRequest
from statuspolicy.message.cookies import without_cookies
from statuspolicy.message.response import stored_response
from statuspolicy.wire.httpx_internals import written
from statuspolicy.wire.library import ANY, Library

if TYPE_CHECKING:
    from httpx import Response

# RFC 9110 §15.4.5: the fields of a 304 that the response to a GET would have.
_OF_A_304 = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"last-modified", b"vary"}
)


def response_of(
    library: Library,
    asked: CacheRequest,
    entry: Entry,
    age: float,
    span: Span | None,
    validated: Entry | None = None,
    unmodified: bool = False,
) -> Response:
    """Make the response of a stored entry.

    span, unmodified: as of a `Serve`.
    validated: the 304 that confirmed it.
    """
    status, content = entry.status, entry.body
    lines = entry.served if validated is None else entry.validated_by(validated)
    if unmodified:
        status, content = 304, b""
        lines = [line for line in lines if line[0].lower() in _OF_A_304]
    elif asked.method == "HEAD":
        content = b""
    elif span is not None:
        ranged, content = partial.cut(entry, *span)
        status, lines = 206, [*ranged]
    # §4: "without validation, a cache MUST generate an Age". (Beyond reckoning, it is 2^31.)
    if validated is None or validated.aged:
        lines = [*lines, (b"Age", b"%d" % min(age, 2**31))]
    # The encoding is said where it is known, or the library looks for it.
    headers = written(library, lines, "ascii" if entry.ascii else None)
    if entry.has_cookies and not (validated is not None and validated.has_cookies):
        # The jar took these cookies when they came; it may have newer ones.
        headers = without_cookies(headers)
    return stored_response(status, headers, content, entry.encoded)


def validated_span(asked: CacheRequest, entry: Entry) -> Span | None:
    """The requested range of a response that was just validated."""
    if asked.plain or b"range" not in asked.names or not partial.if_range(asked.fields, entry):
        return None
    return partial.span(asked.fields, entry)


def completed(
    library: Library, response: Response, lines: Sequence[Line], encoded: bool
) -> Response:
    """The whole response, from a stored beginning and the rest that comes in `response`.

    lines, encoded: the header section of the whole, and whether it has a Content-Encoding.
    """
    if isinstance(response.stream, ANY.ByteStream):
        return stored_response(200, written(library, lines), b"".join(response.stream), encoded)
    # The open response itself, so that it can be closed.
    response.status_code, response.headers = 200, written(library, lines)
    return response
