"""What can be joined of a body that came in parts (RFC 9110 §14, §15.3.7), by its fields alone."""

from __future__ import annotations

import re
import time
from math import inf

from statuspolicy.dates import http_date
from statuspolicy.fields import Fields, digits

SEVERAL = "it has several parts (multipart/byteranges)"


def content_range(fields: Fields) -> tuple[int, int, int | None] | None:
    """First, last and length of a part in bytes (RFC 9110 §14.4); the length may be unknown."""
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
    """What keeps a 206 from being joined with anything (RFC 9110 §14.4, §15.3.7), or ""."""
    if (fields.get("content-type") or "").lower().startswith("multipart/byteranges"):
        return SEVERAL
    part = content_range(fields)
    if part is None:
        return "its Content-Range is missing or not valid"
    fits = digits(fields.one("content-length")) in (None, part[1] - part[0] + 1)
    return "" if fits else "its Content-Length does not match its Content-Range"


def weakness(fields: Fields) -> str:
    """What keeps a response from having a strong validator (RFC 9110 §8.8), or ""."""
    etag = fields.get("etag")
    if etag is not None:
        if etag.startswith("W/"):
            return "its ETag is weak"
        # Other characters than ASCII are allowed, but don't come back as they were sent.
        return "" if re.fullmatch(r'"[!#-~]*"', etag) else "its ETag is not a quoted ASCII string"
    now = time.time()  # for the century of a two-digit year
    modified, sent = (http_date(fields.one(name), now) for name in ("last-modified", "date"))
    if modified is None:
        return "it has neither an ETag nor a usable Last-Modified"
    # §8.8.2.2: strong with "a Date value which is at least one second after the Last-Modified".
    strong = sent is not None and sent - modified >= 1
    return "" if strong else "its Last-Modified is not at least a second before its Date"


def changed(old: Fields, new: Fields) -> str:
    """What tells that two responses are not of the same bytes, or ""."""
    if new.get("etag") != old.get("etag"):
        return "the ETag changed"
    # §15.3.7 lets a 206 leave out Last-Modified beside an ETag; where both came, it counts.
    dates = [old.one("last-modified"), new.one("last-modified")]
    if dates[0] != dates[1] and ("etag" not in old or None not in dates):
        return "the Last-Modified changed"
    recoded = new.get("content-encoding") != old.get("content-encoding")
    return "the Content-Encoding changed" if recoded else ""


def extent(status: int, fields: Fields) -> tuple[int, float, float]:
    """A body's first byte, the one after its last, and the whole's length: infinite if unknown."""
    part = content_range(fields) if status == 206 else None
    if part is not None:
        return part[0], part[1] + 1, inf if part[2] is None else part[2]
    told = None if "transfer-encoding" in fields else digits(fields.one("content-length"))
    return (0, inf, inf) if told is None else (0, told, told)
