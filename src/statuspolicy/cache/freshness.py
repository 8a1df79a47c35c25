"""The freshness lifetime of a response, and its age when it came (RFC 9111 §4.2)."""

from __future__ import annotations

from statuspolicy.cache.control import Control, seconds
from statuspolicy.fields.dates import http_date
from statuspolicy.fields.section import Fields, digits, members

# RFC 9110 §15.1; 451: RFC 7725 §3.
HEURISTIC = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 451, 501})

# RFC 9111 §4.2.2: "a typical setting of this fraction might be 10%". A week at most, as the
# browsers have it.
_FRACTION, _MOST = 0.1, 7 * 86_400.0


def explicit(said: Control, fields: Fields, date: float, response_time: float) -> float | None:
    """The explicit freshness lifetime of a response, in seconds; None if it has none (§4.2.1).

    said, fields: its Cache-Control and its header section.
    date, response_time: when it was made and when it came, in seconds since the epoch.
    """
    age = seconds(said, "max-age")
    if age is not None:
        return age
    expires = fields.all("expires")
    if not expires:
        return None
    # §5.3: "invalid date formats, especially including the value "0", as representing a
    # time in the past".
    until = http_date(expires[0], response_time)
    return 0.0 if until is None else max(0.0, until - date)


def heuristic(status: int, said: Control, date: float, changed: float | None) -> float:
    """The freshness lifetime of a response without an explicit one, in seconds (§4.2.2).

    changed: its Last-Modified, in seconds since the epoch.
    """
    # Those "defined as heuristically cacheable", or "marked as explicitly cacheable".
    may = status in HEURISTIC or "public" in said or "private" in said
    if not may or changed is None:
        return 0.0
    return min(_MOST, max(0.0, (date - changed) * _FRACTION))


def initial_age(date: float, request_time: float, response_time: float, said: str | None) -> float:
    """§4.2.3: corrected_initial_age.

    said: its Age field.
    """
    apparent_age, response_delay = response_time - date, response_time - request_time
    if said is None:
        return max(0.0, apparent_age, response_delay)
    # §5.1: of a list "use the first member"; a value that is not a number is ignored.
    values = members(said) or [""]
    age_value = digits(values[0]) or 0.0
    return max(0.0, apparent_age, age_value + max(0.0, response_delay))
