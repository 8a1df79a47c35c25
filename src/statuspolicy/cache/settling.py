"""After an answer came: what becomes of it, and of what is stored (RFC 9111 §3, §4.3, §4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from math import inf

from statuspolicy._value import Record
from statuspolicy.cache import parts
from statuspolicy.cache.asked import Asked
from statuspolicy.cache.changes import Change, Drop, Save
from statuspolicy.cache.conditions import validated
from statuspolicy.cache.course import Forward
from statuspolicy.cache.entry import Entry, Headers, Line
from statuspolicy.cache.keeping import (
    forbidden,
    named,
    of_the_origin,
    only_the_time,
    storable_lines,
    unstorable,
    updated,
)
from statuspolicy.cache.vary import selecting, selects
from statuspolicy.dates import http_date
from statuspolicy.fields import digits
from statuspolicy.methods import SAFE
from statuspolicy.ranges import content_range, flaw

# Gateways: what became of the request behind them they don't say.
_UNKNOWN = frozenset({502, 504})
# RFC 9110 §13.1, RFC 4918 §10.4: conditions of what is to be changed.
_CONDITIONS = frozenset({b"if", b"if-match", b"if-none-match", b"if-unmodified-since"})


class Settled(Record):
    """What becomes of an answer.

    changes: what of the storage changes at once.
    serve: a stored response to hand over in its place.
    keep: what the answer is stored as, once its body was read.
    begun: the stored beginning that comes before its body.
    unusable: it answers nothing that was asked: the request is to be sent as it came.
    why: why it isn't stored, in words.
    """

    changes: Sequence[Change] = ()
    serve: Entry | None = None
    keep: Entry | None = None
    begun: Entry | None = None
    unusable: bool = False
    why: str = ""


def confirmed(forward: Forward, lines: Iterable[Line], asked: float, heard: float) -> Entry | None:
    """The stored response that a 304 says is right, where it tells nothing else but the time.

    Most are like that, and for them this does what `settle` would. None for all others.

    lines: its header section.
    """
    if forward.why == "partial" or len(forward.entries) != 1 or not forward.selected:
        return None
    if not forward.lines:
        return None  # nobody asked for a 304
    old = forward.entries[0]
    date = only_the_time(old, lines, heard)
    return None if date is None else old.at(asked, heard, date or _written(int(heard)))


def settle(asked: Asked, forward: Forward, answer: Entry) -> Settled:
    """What becomes of an answer, given what its request was forwarded for.

    answer: as it came, its body not read yet.
    """
    if forward.why == "partial" and forward.lines and answer.status in (206, 304, 416):
        return _rest(asked, forward, answer)
    if answer.status == 304 and asked.method in ("GET", "HEAD"):
        return _not_modified(asked, forward, answer)
    if asked.method == "HEAD":
        return Settled(_head(asked, forward, answer))
    changes = invalidated(asked, answer)
    ids = [entry.id for entry in forward.selected]
    if answer.status == 410:  # RFC 9110 §15.5.11: what refers to it is dropped
        changes = [*changes, Drop(asked.url)]
    why = unstorable(asked, answer)
    if why:
        # What it says instead of them holds; an error says nothing of them, nor does a part.
        says = answer.status in (404, 410) or (answer.status < 400 and answer.status != 206)
        if ids and says:
            changes = [*changes, Drop(asked.url, ids)]
        return Settled(changes, why=why)
    vary = selecting(answer.fields, asked.fields)
    part = content_range(answer.fields) if answer.status == 206 else None
    return Settled(changes, keep=_kept(answer)._replace(vary=vary, part=part))


def complete(
    asked: Asked, forward: Forward, keep: Entry, body: bytes, most: float = inf
) -> list[Change]:
    """What of the storage changes now that a body was read to its end.

    most: bytes; parts that would be longer together are not joined.
    """
    entry = keep._replace(body=body)
    told = digits(keep.fields.one("content-length"))
    if told is None and keep.part is not None:
        told = keep.part[1] - keep.part[0] + 1
    if told is not None and told != len(body):
        return []  # §3.3: "incomplete" where it has fewer (or more) bytes than were announced
    if keep.part is not None:
        wholes = (parts.joined(old, entry) for old in forward.selected)
        fits = (whole for whole in wholes if whole is not None and len(whole.body) <= most)
        entry = next(fits, entry)
    replaced = [old.id for old in forward.selected if old.id != entry.id]
    return [*([Drop(asked.url, replaced)] if replaced else []), Save(asked.url, entry)]


def _kept(answer: Entry) -> Entry:
    """An answer as it is stored: no field that may not be, and a Date.

    RFC 9110 §6.6.1: without one, "append a corresponding Date header field […] if it is cached".
    """
    return answer._replace(headers=_dated(storable_lines(answer.headers, answer.fields), answer))


def _dated(headers: Headers, answer: Entry) -> Headers:
    """A header section with the Date of the answer that it is of."""
    if http_date(answer.fields.one("date"), answer.heard) is not None:
        return headers
    lines = (line for line in headers if line[0].lower() != b"date")
    return (*lines, (b"Date", _date(answer)))


def _date(answer: Entry) -> bytes:
    return _written(int(answer.heard))


@lru_cache(maxsize=16)
def _written(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


# ── a validation ───────────────────────────────────────────────────────────────────────


def _not_modified(asked: Asked, forward: Forward, answer: Entry) -> Settled:
    """304: freshen what it speaks of, and hand that over; the caller's own 304 is his."""
    ours = bool(forward.lines)
    picked = validated(forward.entries if ours else forward.selected, answer, ours)
    if ours and not picked:
        # It is disregarded, and what it should have been about is out of date: the row of 304
        # asks once more, and finds nothing to ask about.
        return Settled([Drop(asked.url, [entry.id for entry in forward.entries])])
    if ours:
        del picked[1:]  # of variants with the same tag, the newest
    fresh = [_freshened(asked, old, answer) for old in picked]
    changes: list[Change] = []
    for old, new in zip(picked, fresh, strict=True):
        changes += _stored(asked, old, new)
    return Settled(changes, fresh[0] if ours else None)


def _freshened(asked: Asked, old: Entry, answer: Entry) -> Entry:
    """A stored response with all that a newer header section says (§3.2, §4.3.4)."""
    headers = _dated(updated(old.headers, answer.headers, answer.fields), answer)
    entry = old._replace(headers=headers, asked=answer.asked, heard=answer.heard)
    return entry._replace(vary=selecting(entry.fields, asked.fields))


def _stored(asked: Asked, old: Entry, new: Entry) -> list[Change]:
    """What is stored in an old response's place once it was freshened."""
    if forbidden(asked, new):
        return [Drop(asked.url, [old.id])]
    if new.id == old.id:
        return [Save(asked.url, new, same=True)]
    # One that this request doesn't select was picked for it by its tag. Whether it is still right
    # for those that do, the 304 doesn't say: §4.3.4 updates those "that could have been chosen".
    gone = [Drop(asked.url, [old.id])] if selects(old.vary, asked.fields) else []
    return [*gone, Save(asked.url, new)]


def _head(asked: Asked, forward: Forward, answer: Entry) -> list[Change]:
    """§4.3.5: "a HEAD response can be used to invalidate or update a cached GET response"."""
    selected = [entry for entry in forward.selected if entry.part is None]
    if answer.status in (404, 410):
        return [Drop(asked.url, [entry.id for entry in selected])] if selected else []
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
        fresh = _stored(asked, entry, _freshened(asked, entry, answer))
        changes += fresh if alike else [Drop(asked.url, [entry.id])]
    return changes


def _rest(asked: Asked, forward: Forward, answer: Entry) -> Settled:
    """What a stored beginning lacked, or something else that nobody asked for."""
    old = forward.entries[0]
    part = content_range(answer.fields)
    begun = old.part[1] + 1 if old.part is not None else 0
    new = _kept(answer)._replace(vary=old.vary, part=part)
    spoilt = answer.status != 206 or flaw(answer.fields) or forbidden(asked, answer)
    fits = part is not None and part[0] == begun and part[2] == part[1] + 1
    if spoilt or not fits or not parts.continues(old, new):
        return Settled([Drop(asked.url, [old.id])], unusable=True)
    return Settled(keep=new, begun=old)


# ── invalidation ───────────────────────────────────────────────────────────────────────


def invalidated(asked: Asked, answer: Entry | None) -> list[Change]:
    """§4.4: "A cache MUST invalidate the target URI […] when it receives a non-error status code
    in response to an unsafe request method", and MAY what Location and Content-Location name.

    Besides: where nobody knows whether it was acted on, and where an error says that what the
    caller knows, which may be what is stored, is out of date.

    answer: None where none came to what may have been sent.
    """
    if answer is None:
        return [] if asked.method in SAFE else [*map(Drop, _targets(asked))]
    if answer.status in (409, 412) and not asked.names.isdisjoint(_CONDITIONS):
        return [*map(Drop, _targets(asked))]
    if asked.method in SAFE:
        return []
    if answer.status >= 400:
        return [*map(Drop, _targets(asked))] if answer.status in _UNKNOWN else []
    urls = _targets(asked)
    for name in ("location", "content-location"):
        location = answer.fields.one(name)
        url = None if location is None else of_the_origin(asked.url, location)
        urls += [] if url is None else [url]
    return [*map(Drop, dict.fromkeys(urls))]


def _targets(asked: Asked) -> list[str]:
    """What a method changes: its target, and what COPY and MOVE write to (RFC 4918 §10.3)."""
    destination = asked.fields.one("destination") if asked.method in ("COPY", "MOVE") else None
    try:
        return [asked.url] if destination is None else [asked.url, named(asked.url, destination)]
    except ValueError:  # it is no URL
        return [asked.url]
