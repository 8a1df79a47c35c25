"""Whether a response is stored (RFC 9111 §3), and with which header fields (§3.1, §3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from statuspolicy.cache.control import Control
from statuspolicy.cache.entry import Entry, Headers
from statuspolicy.cache.flaws import NEVER
from statuspolicy.cache.freshness import HEURISTIC
from statuspolicy.cache.request import CacheRequest, of_the_origin
from statuspolicy.fields.dates import http_date
from statuspolicy.fields.ranges import flaw
from statuspolicy.fields.section import Fields, members

# §5.2.2.3: codes with "requirements […] for caching" that are understood: each registered one.
_UNDERSTOOD = frozenset(map(int, HTTPStatus))
# §3.1, and the fields of one connection (RFC 9110 §7.6.1).
_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info",
        "proxy-authorization", "proxy-connection", "te", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# §3.2: never updated. The stored body does not change, so the fields that describe it stay.
_OF_THE_BODY = frozenset({"content-length", "content-encoding", "content-range"})
_NOTHING_NEW = frozenset(name.encode() for name in _HOP_BY_HOP | _OF_THE_BODY)


def unstorable(request: CacheRequest, entry: Entry) -> str:
    """Why a response is not stored; "" where it is."""
    said = entry.control
    if request.method != "GET" and not _stands_for_get(request, entry):
        return f"the request's method is {request.method}"
    if request.method == "GET" and request.has_body:
        return "the request has a body"
    if entry.status < 200 or entry.status in NEVER:
        return f"a {entry.status} is never stored"
    if "must-understand" in said and entry.status not in _UNDERSTOOD:
        return "must-understand, and the status code is not known"
    if why := forbidden(request, entry):
        return why
    if entry.status == 206:
        flawed = flaw(entry.fields) if "range" in request.fields else "no range was requested"
        if flawed:
            return flawed
    if entry.etag is None and "*" in members(entry.fields.get("vary") or ""):
        return "Vary: * matches no request"
    if not (entry.explicit is not None or entry.status in HEURISTIC or _permitted(said)):
        return "nothing in it allows to store it"
    return _useless(entry)


def forbidden(request: CacheRequest, entry: Entry) -> str:
    """Why request and response forbid to store the response; "" where they allow it."""
    said = entry.control
    if request.elsewhere:
        return "the request has a target of its own"
    # §5.2.2.3: a cache that understands must-understand "SHOULD ignore the no-store directive".
    if "no-store" in request.control or ("no-store" in said and "must-understand" not in said):
        return "no-store"
    if request.anonymous and "private" in said:
        return "it is private, and its user is not known (user=)"
    return ""


def _permitted(said: Control) -> bool:
    return "public" in said or "private" in said


def _useless(entry: Entry) -> str:
    """Why a stored response could never be used; "" where it could."""
    if entry.confirmable and not entry.unnamed:
        return ""
    if entry.unchecked:
        return "no-cache without a validator"
    # A stale response with an explicit lifetime can still be used when the server is gone.
    usable = entry.lifetime > 0 or (entry.explicit is not None and not entry.bound)
    return "" if usable else "it has neither a freshness lifetime nor a validator"


def _stands_for_get(request: CacheRequest, entry: Entry) -> bool:
    """Whether a response to POST is a representation of its URL, and fresh (RFC 9110 §9.3.3)."""
    location = entry.fields.one("content-location")
    return (
        request.method == "POST"
        and entry.status == 200
        and bool(entry.explicit)
        and location is not None
        and of_the_origin(request.url, location) == request.url
    )


def storable_lines(headers: Iterable[tuple[bytes, bytes]], fields: Fields) -> Headers:
    """The fields of a header section that may be stored (§3.1)."""
    dropped = _HOP_BY_HOP | {name.lower() for name in members(fields.get("connection") or "")}
    if "transfer-encoding" in fields:
        # RFC 9112 §6.3: before it goes on, "MUST first remove the received Content-Length field".
        dropped |= {"content-length"}
    return tuple(line for line in headers if line[0].lower().decode("latin-1") not in dropped)


def only_the_time(
    old: Entry, new: Iterable[tuple[bytes, bytes]], response_time: float
) -> bytes | None:
    """The Date of a newer header section that differs from the stored one in Date alone.

    b"" where it has none; None where other fields differ, or the Date is not valid.
    """
    known, date = old.lines, b""
    if known is None:
        return None
    for line in new:
        if line not in known:
            name = line[0].lower()
            if name == b"date":
                if date or http_date(line[1].decode("latin-1"), response_time) is None:
                    return None
                date = line[1]
            elif name not in _NOTHING_NEW:
                return None
    return date


def updated(old: Headers, new: Iterable[tuple[bytes, bytes]], fields: Fields) -> Headers:
    """A stored header section, updated with the fields of a newer one (§3.2).

    "with the following exceptions": fields that may not be stored, and fields of the stored body.
    Age is valid for one answer alone: without a new one there is none.
    """
    lines = [
        line
        for line in storable_lines(new, fields)
        if line[0].lower().decode("latin-1") not in _OF_THE_BODY
    ]
    replaced = {line[0].lower() for line in lines} | {b"age"}
    return (*(line for line in old if line[0].lower() not in replaced), *lines)
