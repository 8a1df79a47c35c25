"""Conditions (RFC 9110 §13, RFC 9111 §4.3): those of the caller, and those of a validation."""

from __future__ import annotations

from collections.abc import Sequence

from statuspolicy.cache.entry import LONGEST_TAG, Entry, Line
from statuspolicy.cache.request import CacheRequest
from statuspolicy.fields.dates import http_date
from statuspolicy.fields.section import members

_TAGS = 10  # entity tags in one request


def known_already(request: CacheRequest, entry: Entry) -> bool:
    """Whether the caller has the stored response already, by the conditions (§4.3.2)."""
    tags = request.fields.get("if-none-match")
    if tags is not None:  # RFC 9110 §13.1.3: then If-Modified-Since is ignored
        known = members(tags)
        etag = entry.etag
        return "*" in known or (etag is not None and _opaque(etag) in map(_opaque, known))
    since = http_date(request.fields.one("if-modified-since"), entry.response_time)
    # §4.3.2: without Last-Modified "a cache SHOULD use the stored response's Date field value".
    changed = entry.date if entry.changed is None else entry.changed
    return since is not None and changed <= since


def validating(entries: Sequence[Entry]) -> tuple[list[Line], list[Entry]]:
    """The If-None-Match that validates several responses (§4.3.1), and the responses it names.

    entries: the newest first. A server refuses a line that is too long, so only some are named.
    """
    tags: set[bytes] = set()
    said, about = b"", []
    for entry in entries:
        tag = entry.tag
        if tag is not None and tag not in tags:
            longer = said + b", " + tag if said else tag
            if len(tags) == _TAGS or len(longer) > LONGEST_TAG:
                continue
            said = longer
            tags.add(tag)
        about += [] if tag is None else [entry]
    return ([(b"If-None-Match", said)] if said else []), about


def validated(entries: Sequence[Entry], answer: Entry, ours: bool) -> list[Entry]:
    """The stored responses that a 304 confirms (§4.3.4); entries: the newest first.

    ours: whether the cache set the condition; one of the caller may be about a response that
        only the caller has.
    """
    entries = [entry for entry in entries if entry.confirmable]
    etag = answer.etag
    if etag is not None and not etag.startswith("W/"):
        # "If none of the initial set contains at least one of the same strong validators, then
        # the cache MUST NOT use the new response to update any stored responses."
        return [entry for entry in entries if entry.etag == etag]
    # Of weak ones, "the most recent of those matching stored responses".
    if etag is not None:
        known = (entry for entry in entries if entry.etag)
        return [entry for entry in known if _opaque(entry.etag or "") == _opaque(etag)][:1]
    if answer.changed is not None:
        return [entry for entry in entries if entry.changed == answer.changed][:1]
    # Without any: "only one stored response […], and that stored response also lacks a
    # validator"; or the one that the cache asked about.
    if len(entries) > 1 or not (ours or all(entry.unnamed for entry in entries)):
        return []
    return entries


def _opaque(etag: str) -> str:
    """The entity tag without W/, for the weak comparison (RFC 9110 §8.8.3.2)."""
    return etag.removeprefix("W/")
