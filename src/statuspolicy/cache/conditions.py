"""Conditions (RFC 9110 §13, RFC 9111 §4.3): the caller's own, and those of a validation."""

from __future__ import annotations

from collections.abc import Sequence

from statuspolicy.cache.asked import Asked
from statuspolicy.cache.entry import LONGEST_TAG, Entry, Line
from statuspolicy.dates import http_date
from statuspolicy.fields import members

_TAGS = 10  # that one request asks about


def known_already(asked: Asked, entry: Entry) -> bool:
    """Whether a stored response is what the caller's own conditions say that he has (§4.3.2)."""
    tags = asked.fields.get("if-none-match")
    if tags is not None:  # RFC 9110 §13.1.3: then If-Modified-Since is ignored
        known = members(tags)
        etag = entry.etag
        return "*" in known or (etag is not None and _opaque(etag) in map(_opaque, known))
    since = http_date(asked.fields.one("if-modified-since"), entry.heard)
    # §4.3.2: without Last-Modified "a cache SHOULD use the stored response's Date field value".
    changed = entry.date if entry.changed is None else entry.changed
    return since is not None and changed <= since


def validating(entries: Sequence[Entry]) -> tuple[list[Line], list[Entry]]:
    """What asks which of several is right, by their entity tags (§4.3.1); and of which it asks.

    entries: the newest first. Of many only some are asked about, or the server would refuse the
        line for its length.
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
    """Which of these, the newest first, a 304 speaks of (§4.3.4).

    ours: whether the cache set the condition; a caller's may be about what only he has.
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
    """RFC 9110 §8.8.3.2: the weak comparison leaves out the W/."""
    return etag.removeprefix("W/")
