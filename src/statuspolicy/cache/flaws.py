"""Checks of a stored response, so that no invalid one reaches a caller."""

from __future__ import annotations

import re
from typing import Any

from statuspolicy.fields.section import Fields, digits
from statuspolicy.wire.decoding import Decoding, Undecodable

# RFC 3229 §10.4.1 (226), RFC 6585 §3–6: never stored. A 304 is about a stored response,
# a 416 about one range, and a 412 about one condition.
NEVER = frozenset({226, 304, 412, 416, 428, 429, 431, 511})
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_BREAKS = re.compile(rb"[\r\n]").search
_MOST = 256 * 1024 * 1024  # bytes of a decoded body: a few coded bytes may become far more
_DECODED = 4096  # bodies that were decoded once without an error
_LAST = 253_402_300_799  # the end of the year 9999: no later date can be written


def flaw(
    status: Any,
    headers: Any,
    body: Any,
    request_time: Any,
    response_time: Any,
    who: Any,
    vary: Any,
    part: Any,
) -> str:
    """Why the values of a stored response are not valid; "" where they are.

    The parameters are those of an `Entry`.
    """
    if type(status) is not int or not 200 <= status <= 999 or status in NEVER:
        return "its status code is never stored"
    if type(body) is not bytes:
        return "its body is not of type bytes"
    for moment in (request_time, response_time):
        if type(moment) not in (int, float) or not 0 <= moment <= _LAST:
            return "its times are not valid"
    if type(who) is not str or not _selects(vary):
        return "its user or its selecting fields are not valid"
    if type(headers) is not tuple or not all(map(_is_line, headers)):
        return "its header section is not valid"
    if not _is_part(part, body) if part is not None else status == 206:
        return "its range does not match its body"
    announced = digits(Fields(headers).one("content-length"))
    return "" if announced in (None, len(body)) else "its body is not as long as its Content-Length"


def undecodable(codings: str | None, body: bytes, digest: bytes = b"") -> str:
    """Why a body can't be decoded; "" where it can.

    codings: its Content-Encoding (RFC 9110 §8.4).
    digest: of the body, where it is known; a body with a known digest is decoded once.
    """
    known = digest and (codings, digest)
    if known in _decoded:
        return ""
    try:
        decoding = Decoding(codings, _MOST)
        for _ in decoding.feed(body):
            pass
        decoding.end(strict=True)
    except Undecodable as why:
        return f"its body can't be decoded: {why}"
    if known:
        if len(_decoded) >= _DECODED:
            _decoded.clear()
        _decoded.add(known)
    return ""


_decoded: set[object] = set()


def _is_line(line: Any) -> bool:
    if type(line) is not tuple or len(line) != 2:
        return False
    name, value = line
    return type(name) is type(value) is bytes and bool(_NAME(name) and not _BREAKS(value))


def _selects(vary: Any) -> bool:
    return type(vary) is tuple and all(
        type(one) is tuple
        and len(one) == 2
        and type(one[0]) is str
        and (one[1] is None or type(one[1]) is str)
        for one in vary
    )


def _is_part(part: Any, body: bytes) -> bool:
    if type(part) is not tuple or len(part) != 3:
        return False
    first, last, length = part
    if type(first) is not int or type(last) is not int:
        return False
    fits = length is None or (type(length) is int and last < length)
    return fits and first >= 0 and last - first + 1 == len(body)
