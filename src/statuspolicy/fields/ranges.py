"""Whether parts of a representation can be combined, by their header fields (RFC 9110 §15.3.7)."""

from __future__ import annotations

import re
import time
from math import inf

from statuspolicy.fields.dates import http_date
from statuspolicy.fields.section import Fields, digits

SEVERAL = "it has several parts (multipart/byteranges)"


def content_range(fields: Fields) -> tuple[int, int, int | None] | None:
    """The first and last byte, and the length of the whole or None (RFC 9110 §14.4)."""
    value = fields.one("content-range") or ""
    pattern = r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)"
    found = re.fullmatch(pattern, value, re.IGNORECASE | re.ASCII)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    length = None if found[3] == "*" else int(found[3])
    # §14.4: invalid where "last-pos [is] less than its first-pos value, or […] complete-length
    # [is] less than or equal to its last-pos value".
    return (
        None if last < first or (length is not None and length <= last) else (first, last, length)
    )


def flaw(fields: Fields) -> str:
    """Why a 206 can't be combined with other parts (RFC 9110 §15.3.7), or ""."""
    if (fields.get("content-type") or "").lower().startswith("multipart/byteranges"):
        return SEVERAL
    part = content_range(fields)
    if part is None:
        return "its Content-Range is missing or not valid"
    fits = digits(fields.one("content-length")) in (None, part[1] - part[0] + 1)
    return "" if fits else "its Content-Length does not match its Content-Range"


def weakness(fields: Fields) -> str:
    """Why a response has no strong validator (RFC 9110 §8.8), or ""."""
    etag = fields.get("etag")
    if etag is not None:
        if etag.startswith("W/"):
            return "its ETag is weak"
        # Characters outside ASCII are allowed, but would not be sent back unchanged.
        return "" if re.fullmatch(r'"[!#-~]*"', etag) else "its ETag is not a quoted ASCII string"
    now = time.time()  # for the century of a two-digit year
    modified, sent = (http_date(fields.one(name), now) for name in ("last-modified", "date"))
    if modified is None:
        return "it has neither an ETag nor a usable Last-Modified"
    # §8.8.2.2: strong with "a Date value which is at least one second after the Last-Modified".
    strong = sent is not None and sent - modified >= 1
    return "" if strong else "its Last-Modified is not at least a second before its Date"


def changed(old: Fields, new: Fields) -> str:
    """Why two responses are not of the same representation, or ""."""
    if new.get("etag") != old.get("etag"):
        return "the ETag changed"
    # §15.3.7: a 206 may omit Last-Modified beside an ETag; if both have it, it counts.
    dates = [old.one("last-modified"), new.one("last-modified")]
    if dates[0] != dates[1] and ("etag" not in old or None not in dates):
        return "the Last-Modified changed"
    recoded = new.get("content-encoding") != old.get("content-encoding")
    return "the Content-Encoding changed" if recoded else ""


def extent(status: int, fields: Fields) -> tuple[int, float, float]:
    """The positions of a body's first byte and after its last, and the whole length (or inf)."""
    part = content_range(fields) if status == 206 else None
    if part is not None:
        return part[0], part[1] + 1, inf if part[2] is None else part[2]
    length = None if "transfer-encoding" in fields else digits(fields.one("content-length"))
    return (0, inf, inf) if length is None else (0, length, length)
