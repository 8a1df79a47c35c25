"""Before a request is sent: whether a stored response answers it (RFC 9111 §4)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TypeAlias

from statuspolicy._value import Record
from statuspolicy.cache import parts
from statuspolicy.cache.asked import Asked
from statuspolicy.cache.conditions import Line, known_already, validating
from statuspolicy.cache.control import seconds
from statuspolicy.cache.entry import Entry
from statuspolicy.cache.status import Forwarded
from statuspolicy.cache.vary import selects


class Serve(Record):
    """A stored response answers.

    span: the first and last byte of it that were asked for.
    unmodified: the caller has it already: a 304 says so.
    behind: it is stale, and is validated behind the caller's back.
    """

    entry: Entry
    span: parts.Span | None = None
    unmodified: bool = False
    behind: bool = False


class Forward(Record):
    """The request goes on.

    why: as Cache-Status says it.
    lines: conditions and a range to send with it, which the caller didn't ask for.
    entries: the stored responses that those are about; a 304 speaks of one of them.
    selected: the stored responses that the request selects.
    spare: how one of them may stand in where the server is gone (§4.2.4).
    forgives: it may also where the server answers 500, 502, 503 or 504.
    """

    why: Forwarded
    lines: Sequence[Line] = ()
    entries: Sequence[Entry] = ()
    selected: Sequence[Entry] = ()
    spare: Serve | None = None
    forgives: bool = False


class Missing(Record):
    """Nothing usable is stored, and the caller wants nothing else (`only-if-cached`)."""


Course: TypeAlias = Serve | Forward | Missing

# The server is to judge these, and what comes of it is no answer to another request.
_FOR_THE_SERVER = ("if-match", "if-unmodified-since")


def plan(asked: Asked, stored: Sequence[Entry], now: float, validate: bool = False) -> Course:
    """What becomes of a request, given what is stored for its URL.

    validate: ask the server even where the stored response is fresh.
    """
    course = _plan(asked, stored, now, validate)
    if isinstance(course, Forward) and "only-if-cached" in asked.control:
        return Missing()  # §5.2.1.7
    return course


def _plan(asked: Asked, stored: Sequence[Entry], now: float, validate: bool) -> Course:
    if asked.method not in ("GET", "HEAD"):
        return Forward("method")
    if "no-store" in asked.control or any(name in asked.fields for name in _FOR_THE_SERVER):
        return Forward("bypass")
    if not stored:
        return Forward("uri-miss")
    selected = [entry for entry in stored if selects(entry.vary, asked.fields)]
    if not selected:
        # §4.3.1: entity tags of "all stored responses", of which a 304 picks one.
        others = [entry for entry in stored if entry.etag and entry.part is None]
        return _validate("vary-miss", asked, others, selected)
    # §4.1: of several, "the most recent one (as determined by the Date header field)".
    selected.sort(key=lambda entry: (entry.date, entry.heard), reverse=True)
    entry = selected[0]
    serve = _serve(asked, entry)
    if serve is not None and not validate:
        if _fresh(asked, entry, now) or _welcome_stale(asked, entry, now):
            return serve
        if _stale_while_validated(asked, entry, now):
            return serve._replace(behind=True)
    if serve is None:
        return _complete(asked, entry, selected)
    why: Forwarded = "stale" if entry.age(now) >= entry.lifetime else "request"
    forward = _validate(why, asked, [entry], selected)
    if entry.bound or _refuses_age(asked, entry, now):
        return forward
    return forward._replace(spare=serve, forgives=_stale_if_error(asked, entry, now))


def _serve(asked: Asked, entry: Entry) -> Serve | None:
    """How a stored response would answer a request; None where it can't."""
    if asked.method == "HEAD":
        return Serve(entry) if entry.part is None else None
    if entry.status not in (200, 206):
        return Serve(entry)  # RFC 9110 §13.2.1, §14.2: conditions and ranges are for a 200
    if asked.conditional and entry.part is None and known_already(asked, entry):
        return Serve(entry, unmodified=True)
    if "range" not in asked.fields or not parts.if_range(asked.fields, entry):
        return Serve(entry) if entry.part is None else None
    span = parts.span(asked.fields, entry)
    return None if span is None else Serve(entry, span)


def _fresh(asked: Asked, entry: Entry, now: float) -> bool:
    """§4.2: response_is_fresh, and fresh enough for who asks (§5.2.1)."""
    age, wanted = entry.age(now), asked.control
    if entry.unchecked or "no-cache" in wanted or age >= entry.lifetime:
        return False
    # RFC 8246 §2: an immutable response is not validated while it is fresh, as "upon a reload".
    if "immutable" in entry.control:
        return True
    ahead = seconds(wanted, "min-fresh") or 0.0
    return not _refuses_age(asked, entry, now) and entry.lifetime - age >= ahead


def _refuses_age(asked: Asked, entry: Entry, now: float) -> bool:
    """Whether a response is older than the caller has it, stale or not."""
    most = seconds(asked.control, "max-age")
    return "no-cache" in asked.control or (most is not None and entry.age(now) > most)


def _welcome_stale(asked: Asked, entry: Entry, now: float) -> bool:
    """§5.2.1.2: max-stale, of any age or by so many seconds."""
    wanted = asked.control
    if "max-stale" not in wanted or "no-cache" in wanted or entry.bound:
        return False
    most = inf if wanted["max-stale"] is None else seconds(wanted, "max-stale") or 0.0
    limit = seconds(wanted, "max-age")
    return entry.age(now) - min(entry.lifetime, inf if limit is None else limit) <= most


def _stale_while_validated(asked: Asked, entry: Entry, now: float) -> bool:
    """RFC 5861 §3."""
    window = seconds(entry.control, "stale-while-revalidate")
    if window is None or entry.bound or asked.control.keys() & {"no-cache", "max-age", "min-fresh"}:
        return False
    return entry.age(now) - entry.lifetime <= window


def _stale_if_error(asked: Asked, entry: Entry, now: float) -> bool:
    """RFC 5861 §4, in the response or the request."""
    windows = [seconds(said, "stale-if-error") for said in (entry.control, asked.control)]
    most = max((window for window in windows if window is not None), default=-inf)
    return entry.age(now) - entry.lifetime <= most


def _validate(
    why: Forwarded, asked: Asked, entries: Sequence[Entry], selected: Sequence[Entry]
) -> Forward:
    """Ask the server whether one of these is still right.

    A caller's own conditions go on as they are: their 304 is his. HEAD asks by itself (§4.3.5).
    """
    if asked.conditional or asked.method == "HEAD" or (not selected and "range" in asked.fields):
        return Forward(why, selected=selected)
    return Forward(why, validating(entries), entries, selected)


def _complete(asked: Asked, entry: Entry, selected: Sequence[Entry]) -> Forward:
    """§3.4: ask for what a stored beginning lacks, if it is still the beginning."""
    begin = parts.missing(entry)
    if begin is None or asked.method != "GET" or asked.conditional or "range" in asked.fields:
        return Forward("partial", selected=selected)
    validator = entry.etag or entry.modified or ""
    lines = [(b"Range", b"bytes=%d-" % begin), (b"If-Range", validator.encode())]
    return Forward("partial", lines, [entry], selected)
