"""The bytes of a file in a response, by its status and fields alone (RFC 9110 §14, §15.3.7)."""

from __future__ import annotations

import re
from math import inf

from statuspolicy.downloads.journal import Journal
from statuspolicy.downloads.multipart_byteranges import ByteRanges, Unreadable
from statuspolicy.downloads.spans import ENDLESS, Span
from statuspolicy.fields.ranges import SEVERAL, changed, extent, flaw
from statuspolicy.fields.section import Fields


class Anew(Exception):
    """The response can't be combined with the existing part, for this reason: begin again."""


class NoFile(Exception):
    """The response is not the file, for this reason; "" where its status says so."""


class Source:
    """The place of a response's bytes in the file.

    first, end: the positions of its first byte, and after its last; `ENDLESS` if unknown.
    anew: whether the part that is there is of no use.
    length: the length of the whole, if the response names it.
    """

    def __init__(self, first: int, end: int, anew: bool, length: int | None) -> None:
        self._at, self._end = first, end
        self.anew = anew
        self.length = length

    @property
    def goes_on(self) -> bool:
        """Whether more bytes are announced."""
        return self._at < self._end

    @property
    def closes(self) -> int | None:
        """The length of a whole without a Content-Length, once its body has ended; else None."""
        return self._at if self._end == ENDLESS else None

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The pieces of the data, each with its position. Raises Anew."""
        first = self._at
        self._at += len(data)
        if self._at > self._end:
            raise Anew("the server sent more bytes than it announced")
        return [(first, data)]


class Nothing(Source):
    """A response without bytes of the file, which is complete."""

    def __init__(self, length: int) -> None:
        super().__init__(0, 1, False, length)  # more bytes are announced, but not wanted

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:  # noqa: ARG002 - as a Source's
        """No pieces."""
        return []


class Several(Source):
    """The parts of a multipart/byteranges."""

    def __init__(self, fields: Fields, length: int | None) -> None:
        super().__init__(0, 0, False, length)
        self._parts = ByteRanges(fields.get("content-type") or "", length)

    @property
    def goes_on(self) -> bool:
        return not self._parts.ended

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        try:
            return self._parts.feed(data)
        except Unreadable as why:
            raise Anew(f"its multipart/byteranges can't be parsed: {why}") from None


def judge(
    status: int, fields: Fields, came_from: str, known: Journal | None, requested: Span | None
) -> Source:
    """The place of a response's bytes in the file.

    known: the journal of the part that is there, if any. requested: the requested span.

    Raises Anew or NoFile.
    """
    if status == 200:
        return _whole(fields, came_from, known)
    if known is None or requested is None or status not in (206, 416):
        raise NoFile
    if came_from != known.came_from:
        raise Anew("the answer came from another URL")  # a validator is one resource's own
    return _part(fields, known, requested) if status == 206 else _end(fields, known, requested)


def _whole(fields: Fields, came_from: str, known: Journal | None) -> Source:
    _, end, whole = extent(200, fields)
    length = None if whole == inf else int(whole)
    same = (
        known is not None
        and known.joinable
        and came_from == known.came_from
        and not changed(known.fields, fields)
        and (length is None or known.length in (None, length))
    )
    # A server without ranges, or with a changed file, sends the whole file. A server that is down,
    # or a network that wants a login, sends a page.
    if known is not None and not same and (types := _media_types(known.fields, fields)):
        raise NoFile(f"the media type was {types[0]} and is {types[1]} now")
    return Source(0, ENDLESS if end == inf else int(end), not same, length)


def _media_types(old: Fields, new: Fields) -> tuple[str, str] | None:
    """The media types of both, if they differ."""
    before, now = (
        (fields.get("content-type") or "").partition(";")[0].strip().lower()[:80] or "none"
        for fields in (old, new)
    )
    return None if before == now else (before, now)


def _part(fields: Fields, known: Journal, requested: Span) -> Source:
    if why := changed(known.fields, fields):
        raise Anew(why)
    spoilt = flaw(fields)
    if spoilt == SEVERAL:
        try:
            return Several(fields, known.length)
        except Unreadable as why:
            raise Anew(f"its multipart/byteranges can't be parsed: {why}") from None
    if spoilt:
        raise Anew(spoilt)
    first, end, whole = extent(206, fields)
    length = None if whole == inf else int(whole)
    if None not in (length, known.length) and length != known.length:
        raise Anew("the length changed")
    # §15.3.7.2: a response to a request for one range has all of that range.
    if first != requested[0] or end > requested[1]:
        raise Anew(
            f"bytes {requested[0]}-{requested[1] - 1} were requested and {first}-{end - 1} came"
        )
    return Source(int(first), int(end), False, length)


def _end(fields: Fields, known: Journal, requested: Span) -> Source:
    """The source of a 416, which has a Content-Range with "the current length" (§15.5.17)."""
    found = re.fullmatch(r"bytes \*/(\d{1,18})", fields.one("content-range") or "", re.ASCII)
    length = int(found[1]) if found else -1
    same = known.length in (None, length) and fields.get("etag") in (None, known.fields.get("etag"))
    if same and length == requested[0]:
        return Nothing(length)
    raise Anew("the server no longer has the requested bytes")
