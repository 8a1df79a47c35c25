"""Reuse of stored responses, before a request is sent (RFC 9111 §4)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from statuspolicy.cache import partial
from statuspolicy.cache.control import Control, seconds
from statuspolicy.cache.decision import Decision, Forward, Missing, Serve
from statuspolicy.cache.entry import Entry
from statuspolicy.cache.request import CacheRequest
from statuspolicy.cache.validation import known_already, validating
from statuspolicy.cache.vary import selects
from statuspolicy.fields.methods import SAFE

# The server has to evaluate these; a stored response can't answer them.
_FOR_THE_SERVER = frozenset({b"if-match", b"if-unmodified-since"})


def reuse(
    request: CacheRequest,
    stored: Sequence[Entry],
    now: float,
    validate: bool = False,
    since: float = inf,
) -> Decision:
    """How a request is answered: by a stored response, after a validation, or by the server.

    validate: whether to validate even a fresh response.
    since: a response that another request validated after this time counts as validated for
        this request too (§4: "collapse requests").
    """
    decision = _reuse(request, stored, now, validate, since)
    if request.plain:
        return decision
    only = isinstance(decision, Forward) and "only-if-cached" in request.control
    # §5.2.1.7; but §4: "MUST write through requests with methods that are unsafe".
    return Missing() if only and request.method in SAFE else decision


def _reuse(
    request: CacheRequest, stored: Sequence[Entry], now: float, validate: bool, since: float
) -> Decision:
    if request.method not in ("GET", "HEAD"):
        return Forward("method")
    wanted = request.control
    if not request.plain and (
        request.elsewhere
        or "no-store" in wanted
        or request.has_body
        or request.names & _FOR_THE_SERVER
    ):
        return Forward("bypass")
    if not stored:
        return Forward("uri-miss")
    if len(stored) == 1 and not stored[0].vary:
        selected = stored
    else:
        selected = [e for e in stored if not e.vary or selects(e.vary, request.fields)]
    if not selected:
        # §4.3.1: entity tags of "all stored responses", of which a 304 picks one.
        others = [e for e in stored if e.etag and e.part is None and e.confirmable]
        if b"range" in request.names or not _may_validate(request):
            return Forward("vary-miss")
        others.sort(key=_preference, reverse=True)
        return Forward("vary-miss", *validating(others))
    if len(selected) > 1:
        selected = sorted(selected, key=_preference, reverse=True)
    entry = selected[0]
    serve = _serve(request, entry)
    if serve is None:
        return _complete(request, entry, selected)
    age = entry.age(now)
    if entry.request_time > since:
        return serve
    if not validate:
        if _fresh(wanted, entry, age) or (wanted and _welcome_stale(wanted, entry, age)):
            return serve
        if "stale-while-revalidate" in entry.control and _in_the_window(wanted, entry, age):
            return serve._replace(revalidate="only-if-cached" not in wanted)
    spare = None if entry.bound or _refuses_age(wanted, age) else serve
    ours = request.plain or _may_validate(request)
    return Forward(
        "stale" if age >= entry.lifetime else "request",
        entry.conditions if ours else (),
        [entry] if ours else (),
        selected,
        spare,
        spare is not None and _stale_if_error(wanted, entry, age),
    )


def _preference(entry: Entry) -> tuple[bool, float, float]:
    """The most recent of several responses, "as determined by the Date header field" (§4).

    One with "a valid Vary field value" goes before one that "omits the Vary header field" (§4.1).
    """
    return bool(entry.vary), entry.date, entry.response_time


def _serve(request: CacheRequest, entry: Entry) -> Serve | None:
    """How a stored response would answer a request; None where it can't."""
    if request.plain:
        return Serve(entry) if entry.part is None else None
    if entry.status not in (200, 206):
        return Serve(entry)  # RFC 9110 §13.2.1, §14.2: conditions and ranges are for a 200
    serve = _ranged(request, entry)
    # RFC 9110 §13.2.2: first the condition is evaluated; the range counts if it is false.
    fits = entry.part is None or serve is not None
    if fits and request.conditional and known_already(request, entry):
        return Serve(entry, unmodified=True)
    return serve


def _ranged(request: CacheRequest, entry: Entry) -> Serve | None:
    """The range of a stored response that a GET asks for (RFC 9110 §14.2)."""
    ranged = request.method == "GET" and b"range" in request.names
    if not ranged or not partial.if_range(request.fields, entry):
        return Serve(entry) if entry.part is None else None
    span = partial.span(request.fields, entry)
    return None if span is None else Serve(entry, span)


def _fresh(wanted: Control, entry: Entry, age: float) -> bool:
    """Whether a response is fresh (§4.2), and fresh enough for the request (§5.2.1)."""
    if entry.unchecked or age >= entry.lifetime or "no-cache" in wanted:
        return False
    # RFC 8246 §2: an immutable response is not validated while it is fresh, as "upon a reload".
    if not wanted or "immutable" in entry.control:
        return True
    ahead = seconds(wanted, "min-fresh") or 0.0
    return not _refuses_age(wanted, age) and entry.lifetime - age >= ahead


def _refuses_age(wanted: Control, age: float) -> bool:
    """Whether a response is older than the max-age of the request."""
    most = seconds(wanted, "max-age") if wanted else None
    return "no-cache" in wanted or (most is not None and age > most)


def _welcome_stale(wanted: Control, entry: Entry, age: float) -> bool:
    """Whether max-stale allows a stale response (§5.2.1.2); never one older than max-age."""
    if "max-stale" not in wanted or "min-fresh" in wanted:
        return False
    most = inf if wanted["max-stale"] is None else seconds(wanted, "max-stale") or 0.0
    return not (entry.bound or _refuses_age(wanted, age)) and age - entry.lifetime <= most


def _in_the_window(wanted: Control, entry: Entry, age: float) -> bool:
    """Whether stale-while-revalidate allows a stale response (RFC 5861 §3)."""
    window = seconds(entry.control, "stale-while-revalidate") or 0.0
    if entry.bound or wanted.keys() & {"no-cache", "max-age", "min-fresh"}:
        return False
    return age - entry.lifetime <= window


def _stale_if_error(wanted: Control, entry: Entry, age: float) -> bool:
    """Whether stale-if-error allows a stale response (RFC 5861 §4)."""
    for said in (entry.control, wanted):
        window = seconds(said, "stale-if-error")
        if window is not None and age - entry.lifetime <= window:
            return True
    return False


def _may_validate(request: CacheRequest) -> bool:
    """Whether the cache may set conditions.

    Conditions that the caller set are sent as they are, and a 304 to them is handed over. A HEAD
    is sent without conditions (§4.3.5).
    """
    return request.method == "GET" and not request.conditional


def _complete(request: CacheRequest, entry: Entry, selected: Sequence[Entry]) -> Forward:
    """The Range request for the bytes after a stored beginning (§3.4), with If-Range."""
    begin = partial.missing(entry)
    if begin is None or not _may_validate(request) or b"range" in request.names:
        return Forward("partial", selected=selected)
    validator = (entry.tag or b"") if entry.etag else (entry.modified or "").encode()
    if not validator:
        return Forward("partial", selected=selected)
    lines = [(b"Range", b"bytes=%d-" % begin), (b"If-Range", validator)]
    return Forward("partial", lines, [entry], selected)
