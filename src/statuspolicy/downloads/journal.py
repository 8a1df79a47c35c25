"""The journal beside a part of a file, so that a download can be resumed after a crash."""

from __future__ import annotations

import json
import re
from math import inf
from typing import Any

from statuspolicy._value import Record
from statuspolicy.downloads import digests
from statuspolicy.downloads.spans import ENDLESS, Span, with_span
from statuspolicy.fields.ranges import extent, weakness
from statuspolicy.fields.section import Fields, digits

MOST = 64 * 1024  # bytes
# The fields that are kept of the response that the part began with.
_KEPT = (
    "etag", "last-modified", "date", "content-type", "content-encoding", "content-length",
    "accept-ranges", *digests.NAMES,
)  # fmt: skip


class Journal(Record):
    """The description of a part of a file.

    url: a digest of the requested URL. (The URL may hold secrets, and this is a file.)
    came_from: a digest of the URL that answered, without its query, which may be signed.
    lines: the fields of the response that the part began with.
    length: the length of the whole; None where it is not known.
    there: the spans of bytes that are there.
    """

    url: str
    came_from: str
    lines: tuple[tuple[str, str], ...]
    length: int | None
    there: tuple[Span, ...] = ()

    @property
    def fields(self) -> Fields:
        """The header section of the response that the part began with."""
        return Fields((name.encode(), value.encode()) for name, value in self.lines)

    @property
    def joinable(self) -> bool:
        """Whether more bytes of the representation can be requested (RFC 9110 §13.1.5, §14.3)."""
        fields = self.fields
        return not weakness(fields) and (fields.get("accept-ranges") or "").lower() != "none"

    @property
    def count(self) -> int:
        """How many bytes are there."""
        return sum(end - first for first, end in self.there)


def begun(url: str, came_from: str, fields: Fields) -> Journal:
    """The journal of a file without bytes yet; `fields` are of a 200."""
    lines = tuple((name, value) for name in _KEPT for value in fields.all(name))
    end = extent(200, fields)[1]
    return Journal(url, came_from, lines, None if end == inf else int(end))


def dumped(journal: Journal) -> bytes:
    """The journal as a checksum and a line of JSON; b"" where the part can't be resumed."""
    if not (journal.there and journal.joinable):
        return b""
    whole = _line(journal)
    return whole if len(whole) <= MOST else b""


def dumped_blank(url: str) -> bytes:
    """A journal that only marks a part as one of ours."""
    return _line(Journal(url, "", (), None))


def _line(journal: Journal) -> bytes:
    from zlib import crc32

    line = json.dumps({"version": 1, **vars(journal)}).encode()
    return b"%08x %b\n" % (crc32(line), line)


def is_one(data: bytes) -> bool:
    """Whether data is a journal, damaged or not."""
    return re.match(rb'[0-9a-f]{8} \{"version": ', data) is not None


def read(data: bytes, url: str, size: int) -> Journal | None:
    """The journal of a part of `size` bytes; None where it is damaged, or of another URL."""
    from zlib import crc32

    checksum, _, line = data.rstrip(b"\n").partition(b" ")
    if len(data) > MOST or checksum != b"%08x" % crc32(line):
        return None
    try:
        values: Any = json.loads(line)
        if values.pop("version") != 1:
            return None
        values["lines"] = tuple((str(name), str(value)) for name, value in values["lines"])
        values["there"] = tuple((int(first), int(end)) for first, end in values["there"])
        journal = Journal(**values)
        sound = journal.url == url and _sound(journal, size)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None  # the checksum is right, but another program wrote it
    return journal if sound and journal.there and journal.joinable else None


def _sound(journal: Journal, size: int) -> bool:
    """Whether a part of that size can have these spans."""
    length = ENDLESS if journal.length is None else journal.length
    merged: list[Span] = []
    for span in journal.there:
        merged = with_span(merged, span)
    fits = type(length) is int and all(
        0 <= first < end <= min(size, length) for first, end in journal.there
    )
    announced = digits(journal.fields.one("content-length"))
    return fits and tuple(merged) == journal.there and announced in (None, journal.length)
