"""Storing a response, or updating what is stored, after it came (RFC 9111 §3, §4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from math import inf

from statuspolicy._value import Record
from statuspolicy.cache import partial
from statuspolicy.cache.changes import Change, Drop, Save
from statuspolicy.cache.decision import Forward
from statuspolicy.cache.entry import Entry, Headers, Line
from statuspolicy.cache.invalidation import invalidated
from statuspolicy.cache.request import CacheRequest
from statuspolicy.cache.storing import (
    forbidden,
    only_the_time,
    storable_lines,
    unstorable,
    updated,
)
from statuspolicy.cache.validation import validated
from statuspolicy.cache.vary import selecting, selects
from statuspolicy.fields.dates import http_date
from statuspolicy.fields.ranges import content_range, flaw
from statuspolicy.fields.section import digits


class Update(Record):
    """The changes of the cache after a response, and the response to hand over.

    changes: the changes of the storage that are made at once.
    serve: a stored response to hand over in its place.
    keep: the entry to store, once the body was read.
    begun: the stored beginning that comes before its body.
    unusable: whether it answers only the cache's own conditions, so that the request is sent
        again without them.
    why: why it isn't stored, in words.
    """

    changes: Sequence[Change] = ()
    serve: Entry | None = None
    keep: Entry | None = None
    begun: Entry | None = None
    unusable: bool = False
    why: str = ""


def confirmed(
    forward: Forward, lines: Iterable[Line], request_time: float, response_time: float
) -> Entry | None:
    """The stored response that a 304 confirms, where the 304 differs in its Date alone.

    Most are like that; for them this does the same as `receive`, faster. None for all others.

    lines: the header section of the 304.
    """
    if forward.why == "partial" or len(forward.entries) != 1 or not forward.selected:
        return None
    if not forward.lines:
        return None  # no condition was sent
    old = forward.entries[0]
    date = only_the_time(old, lines, response_time)
    return (
        None
        if date is None
        else old.at(request_time, response_time, date or _date_line(int(response_time)))
    )


def receive(request: CacheRequest, forward: Forward, answer: Entry) -> Update:
    """Decide what the cache does with a response, by the reason for which its request was sent.

    answer: the response, its body not read yet.
    """
    if forward.why == "partial" and forward.lines and answer.status in (206, 304, 416):
        return _rest(request, forward, answer)
    if answer.status == 304 and request.method in ("GET", "HEAD"):
        return _not_modified(request, forward, answer)
    if request.method == "HEAD":
        return Update(_head(request, forward, answer))
    changes = invalidated(request, answer)
    ids = [entry.id for entry in forward.selected]
    if answer.status == 410:  # RFC 9110 §15.5.11: redirects to it are deleted
        changes = [*changes, Drop(request.url)]
    why = unstorable(request, answer)
    if why:
        # It replaces them; an error or a part does not.
        says = answer.status in (404, 410) or (answer.status < 400 and answer.status != 206)
        if ids and says:
            changes = [*changes, Drop(request.url, ids)]
        return Update(changes, why=why)
    vary = selecting(answer.fields, request.fields)
    part = content_range(answer.fields) if answer.status == 206 else None
    return Update(changes, keep=_kept(answer)._replace(vary=vary, part=part))


def complete(
    request: CacheRequest, forward: Forward, keep: Entry, body: bytes, most: float = inf
) -> list[Change]:
    """The changes of the storage once a body was read to its end.

    most: bytes; parts that would be longer together are not combined.
    """
    entry = keep._replace(body=body)
    announced = digits(keep.fields.one("content-length"))
    if announced is None and keep.part is not None:
        announced = keep.part[1] - keep.part[0] + 1
    if announced is not None and announced != len(body):
        return []  # §3.3: "incomplete" where it has fewer (or more) bytes than were announced
    if keep.part is not None:
        wholes = (partial.joined(old, entry) for old in forward.selected)
        fits = (whole for whole in wholes if whole is not None and len(whole.body) <= most)
        entry = next(fits, entry)
    replaced = [old.id for old in forward.selected if old.id != entry.id]
    return [*([Drop(request.url, replaced)] if replaced else []), Save(request.url, entry)]


def _kept(answer: Entry) -> Entry:
    """The entry of a response: without fields that may not be stored, and with a Date.

    RFC 9110 §6.6.1: without one, "append a corresponding Date header field […] if it is cached".
    """
    return answer._replace(headers=_dated(storable_lines(answer.headers, answer.fields), answer))


def _dated(headers: Headers, answer: Entry) -> Headers:
    """A header section with the Date of the response."""
    if http_date(answer.fields.one("date"), answer.response_time) is not None:
        return headers
    lines = (line for line in headers if line[0].lower() != b"date")
    return (*lines, (b"Date", _date(answer)))


def _date(answer: Entry) -> bytes:
    return _date_line(int(answer.response_time))


@lru_cache(maxsize=16)
def _date_line(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


# ── a validation ───────────────────────────────────────────────────────────────────────


def _not_modified(request: CacheRequest, forward: Forward, answer: Entry) -> Update:
    """A 304 freshens a stored response; a 304 to a condition of the caller is handed over."""
    ours = bool(forward.lines)
    picked = validated(forward.entries if ours else forward.selected, answer, ours)
    if ours and not picked:
        # The 304 confirms no stored response, so those are out of date: the row of 304 repeats
        # the request, then without conditions.
        return Update([Drop(request.url, [entry.id for entry in forward.entries])])
    if ours:
        del picked[1:]  # the newest of the variants with the same entity tag
    fresh = [_freshened(request, old, answer) for old in picked]
    changes: list[Change] = []
    for old, new in zip(picked, fresh, strict=True):
        changes += _stored(request, old, new)
    return Update(changes, fresh[0] if ours else None)


def _freshened(request: CacheRequest, old: Entry, answer: Entry) -> Entry:
    """A stored response, updated by a newer header section (§3.2, §4.3.4)."""
    headers = _dated(updated(old.headers, answer.headers, answer.fields), answer)
    entry = old._replace(
        headers=headers, request_time=answer.request_time, response_time=answer.response_time
    )
    return entry._replace(vary=selecting(entry.fields, request.fields))


def _stored(request: CacheRequest, old: Entry, new: Entry) -> list[Change]:
    """The entries that replace a response that was freshened."""
    if forbidden(request, new):
        return [Drop(request.url, [old.id])]
    if new.id == old.id:
        return [Save(request.url, new, same=True)]
    # This request doesn't select the entry; its entity tag matched. Whether it is still right for
    # the requests that select it, the 304 doesn't say: §4.3.4 updates those "that could have been
    # chosen".
    gone = [Drop(request.url, [old.id])] if selects(old.vary, request.fields) else []
    return [*gone, Save(request.url, new)]


def _head(request: CacheRequest, forward: Forward, answer: Entry) -> list[Change]:
    """Update or invalidate stored responses by a response to HEAD (§4.3.5)."""
    selected = [entry for entry in forward.selected if entry.part is None]
    if answer.status in (404, 410):
        return [Drop(request.url, [entry.id for entry in selected])] if selected else []
    if answer.status != 200:
        return []
    changes: list[Change] = []
    for entry in selected:
        length = digits(answer.fields.one("content-length"))
        alike = (
            entry.status == answer.status
            and answer.etag in (None, entry.etag)
            and answer.changed in (None, entry.changed)
            and length in (None, len(entry.body))
        )
        fresh = _stored(request, entry, _freshened(request, entry, answer))
        changes += fresh if alike else [Drop(request.url, [entry.id])]
    return changes


def _rest(request: CacheRequest, forward: Forward, answer: Entry) -> Update:
    """A response to the Range request of the cache: the missing part, or another response."""
    old = forward.entries[0]
    part = content_range(answer.fields)
    begun = old.part[1] + 1 if old.part is not None else 0
    new = _kept(answer)._replace(vary=old.vary, part=part)
    spoilt = answer.status != 206 or flaw(answer.fields) or forbidden(request, answer)
    fits = part is not None and part[0] == begun and part[2] == part[1] + 1
    if spoilt or not fits or not partial.continues(old, new):
        return Update([Drop(request.url, [old.id])], unusable=True)
    return Update(keep=new, begun=old)
