"""Ranges of stored responses, and how parts are combined (RFC 9111 §3.3, §3.4)."""

from __future__ import annotations

import re
from math import inf

from statuspolicy.cache.entry import Entry, Headers, Span
from statuspolicy.cache.storing import updated
from statuspolicy.fields.dates import http_date
from statuspolicy.fields.ranges import changed, weakness
from statuspolicy.fields.section import Fields

_OF_A_PART = frozenset({b"content-range", b"content-length"})


def span(request: Fields, entry: Entry) -> Span | None:
    """The first and last byte of the range that a request asks for.

    None where the stored response doesn't have them, or the request asks for several ranges.
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.get("range") or "", re.IGNORECASE)
    if found is None or not (found[1] or found[2]):
        return None
    length = entry.length
    if not found[1]:  # a suffix: the last n bytes
        first, last = max(0.0, length - int(found[2])), length - 1
    else:
        first, last = float(found[1]), min(float(found[2] or inf), length - 1)
    begin, end = _held(entry)
    return (int(first), int(last)) if begin <= first <= last <= end else None


def if_range(request: Fields, entry: Entry) -> bool:
    """Whether If-Range allows a 206 (RFC 9110 §13.1.5); True without If-Range."""
    if "if-range" not in request:
        return True
    condition = request.one("if-range")
    if condition is None or weakness(entry.fields):
        return False
    if http_date(condition, entry.response_time) is None:
        return condition == entry.etag
    return condition == entry.modified


def cut(entry: Entry, first: int, last: int) -> tuple[Headers, bytes]:
    """The header section and body of a 206 for a stored range."""
    length = "*" if entry.length == inf else f"{entry.length:.0f}"
    begin, _ = _held(entry)
    lines = (line for line in entry.served if line[0].lower() not in _OF_A_PART)
    ranged = (b"Content-Range", f"bytes {first}-{last}/{length}".encode())
    sized = (b"Content-Length", b"%d" % (last - first + 1))
    return (*lines, ranged, sized), entry.body[first - begin : last - begin + 1]


def missing(entry: Entry) -> int | None:
    """The first byte that is missing after a stored beginning; None where it can't be completed."""
    if entry.part is None or entry.part[0] != 0 or weakness(entry.fields):
        return None
    return entry.part[1] + 1


def joined(old: Entry, new: Entry) -> Entry | None:
    """Two parts combined, if they are of the same representation and leave no gap; else None.

    §3.4: only where both "share the same strong validator".
    """
    if not continues(old, new):
        return None
    first, last = _held(new)
    begin, end = _held(old)
    body = old.body[: max(0, first - begin)] + new.body + old.body[max(0, last - begin + 1) :]
    begin, end = min(begin, first), max(end, last)
    length = min(old.length, new.length)
    lines, is_whole = _lines(old, new), begin == 0 and end + 1 == length
    if not is_whole:
        size = "*" if length == inf else f"{length:.0f}"
        lines = (*lines, (b"Content-Range", f"bytes {begin}-{end}/{size}".encode()))
    return new._replace(
        status=200 if is_whole else 206,
        headers=(*lines, (b"Content-Length", b"%d" % len(body))),
        body=body,
        part=None if is_whole else (begin, end, None if length == inf else int(length)),
    )


def continues(old: Entry, new: Entry) -> bool:
    """Whether a new part can be combined with the stored one without a gap."""
    resized = inf not in (old.length, new.length) and old.length != new.length
    if new.part is None or resized or not _same(old, new):
        return False
    (first, last), (begin, end) = _held(new), _held(old)
    return first <= end + 1 and last >= begin - 1


def whole(old: Entry, new: Entry) -> Headers:
    """The header section of a 200 made of a stored beginning and the rest that comes."""
    return (*_lines(old, new), (b"Content-Length", b"%d" % (_held(new)[1] + 1)))


def _held(entry: Entry) -> Span:
    """The first and last byte of the body of an entry."""
    return (0, len(entry.body) - 1) if entry.part is None else entry.part[:2]


def _lines(old: Entry, new: Entry) -> Headers:
    """The updated header section of a combined response.

    §3.4: "a cache MUST update the stored response header fields using the header fields
    provided in the new response".
    """
    lines = updated(old.headers, new.headers, new.fields)
    return tuple(line for line in lines if line[0].lower() not in _OF_A_PART)


def _same(old: Entry, new: Entry) -> bool:
    """Whether two entries have the same strong validator."""
    return not (weakness(old.fields) or weakness(new.fields) or changed(old.fields, new.fields))
