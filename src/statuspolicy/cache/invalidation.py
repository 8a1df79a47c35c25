"""Which stored responses a write invalidates (RFC 9111 §4.4)."""

from __future__ import annotations

from statuspolicy.cache.changes import Change, Drop
from statuspolicy.cache.entry import Entry
from statuspolicy.cache.request import CacheRequest, named, of_the_origin
from statuspolicy.fields.methods import SAFE

# A gateway does not say whether the server behind it acted on the request.
_UNKNOWN = frozenset({502, 504})
# RFC 9110 §13.1, RFC 4918 §10.4: the conditions of a write.
_CONDITIONS = frozenset({b"if", b"if-match", b"if-none-match", b"if-unmodified-since"})


def invalidated(request: CacheRequest, answer: Entry | None) -> list[Change]:
    """The invalidations after an unsafe request.

    §4.4: "A cache MUST invalidate the target URI […] when it receives a non-error status code
    in response to an unsafe request method", and MAY the URIs of Location and Content-Location.
    They are invalidated too where the server may have acted on the request without a response,
    and where an error says that a condition of the caller is out of date.

    answer: the response; None where none came.
    """
    if answer is None:
        return [] if request.method in SAFE else [*map(Drop, _targets(request))]
    if answer.status in (409, 412) and not request.names.isdisjoint(_CONDITIONS):
        return [*map(Drop, _targets(request))]
    if request.method in SAFE:
        return []
    if answer.status >= 400:
        return [*map(Drop, _targets(request))] if answer.status in _UNKNOWN else []
    urls = _targets(request)
    for name in ("location", "content-location"):
        location = answer.fields.one(name)
        url = None if location is None else of_the_origin(request.url, location)
        urls += [] if url is None else [url]
    return [*map(Drop, dict.fromkeys(urls))]


def _targets(request: CacheRequest) -> list[str]:
    """The URLs that a method changes: its target, and the Destination of COPY and MOVE."""
    destination = request.fields.one("destination") if request.method in ("COPY", "MOVE") else None
    try:
        return (
            [request.url] if destination is None else [request.url, named(request.url, destination)]
        )
    except ValueError:  # it is no URL
        return [request.url]
