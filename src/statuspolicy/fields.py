"""Header fields: what a server wrote -> a value or None, and never an exception."""

from __future__ import annotations

import re
from calendar import monthrange, timegm
from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import inf


class Fields:
    """The header section of one response, read once: names in lower case, values as text."""

    __slots__ = ("_lines",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._lines: dict[str, list[bytes]] = {}
        for name, value in raw:
            self._lines.setdefault(name.lower().decode("latin-1"), []).append(value)

    def all(self, name: str) -> list[str]:
        """Each line of the field `name` (lower case), without the white space around it."""
        return [_text(value) for value in self._lines.get(name, ())]

    def get(self, name: str) -> str | None:
        """The lines of the field `name` as one list value (RFC 9110 §5.3), or None."""
        lines = self._lines.get(name)
        return None if lines is None else ", ".join(map(_text, lines))

    def one(self, name: str) -> str | None:
        """The value of a field that may stand once: None where two lines differ."""
        lines = self._lines.get(name)
        if lines is None or len(lines) == 1:
            return None if lines is None else _text(lines[0])
        values = set(map(_text, lines))
        return values.pop() if len(values) == 1 else None

    def raw(self, name: str) -> bytes:
        """The first line of a field that is there, as it was written."""
        return self._lines[name][0].strip(b" \t")

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)


NO_FIELDS = Fields(())


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip(" \t")
    except UnicodeDecodeError:
        return value.decode("latin-1").strip(" \t")


def members(value: str) -> list[str]:
    """The members of a list, without the white space around them (RFC 9110 §5.6.1).

    A comma inside a quoted string is no border; of a quote that nothing ends, it is one.
    """
    parts = value.split(",")
    if '"' in value:
        whole, begin, quoted, escaped = [], 0, False, False
        for at, char in enumerate(value):
            if escaped:
                escaped = False
            elif char == '"':
                quoted = not quoted
            elif quoted:
                escaped = char == "\\"
            elif char == ",":
                whole.append(value[begin:at])
                begin = at + 1
        parts = parts if quoted else [*whole, value[begin:]]
    return [member for part in parts if (member := part.strip(" \t"))]


def digits(value: str | None) -> float | None:
    """A string of ASCII digits, of any length, as a number (too long for one: infinity)."""
    if value is None or not (value.isascii() and value.isdigit()):
        return None
    significant = value.lstrip("0") or "0"
    return float(significant) if len(significant) < 300 else inf


# RFC 9110 §5.6.7: "A recipient that parses a timestamp value in an HTTP field MUST accept
# all three HTTP-date formats." RFC 9111 §4.2: they are matched "case-insensitively". What else
# looks like a date is none.
_CLOCK = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_LONGEST_DATE = 40
_DATES = (
    rf"{_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} GMT",
    rf"{_LONG_DAY}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_CLOCK} GMT",
    rf"{_DAY} {_MONTH} (?P<day>\d\d| \d) {_CLOCK} (?P<year>\d{{4}})",
)


def http_date(value: str | None, now: float) -> float | None:
    """An HTTP-date as seconds since the epoch; `now` places a two-digit year."""
    if value is None or len(value) > _LONGEST_DATE:
        return None
    found = _date(value)
    if not isinstance(found, tuple):
        return found
    year, *rest = found
    # RFC 9110 §5.6.7: a two-digit year "that appears to be more than 50 years in the future"
    # is "the most recent year in the past that had the same last two digits".
    this_year = 1970 + int(now // 31_556_952)
    year += this_year // 100 * 100
    year -= 100 if year > this_year + 50 else 0
    return _seconds(year, *rest)


@lru_cache(maxsize=256)  # what is stored is asked for its dates again and again
def _date(value: str) -> float | tuple[int, int, int, int, int, int] | None:
    """A date, in seconds where it has a whole year."""
    # `re` compiles each pattern when the first date comes, not when this is imported.
    matches = (re.fullmatch(date, value, re.ASCII | re.IGNORECASE) for date in _DATES)
    found = next((match for match in matches if match), None)
    if found is None:
        return None
    year, day = int(found["year"]), int(found["day"])
    month = _MONTHS.index(found["month"].title()) + 1
    clock = (int(found["hour"]), int(found["minute"]), int(found["second"]))
    if len(found["year"]) == 2:
        return year, month, day, *clock
    return _seconds(year, month, day, *clock)


def _seconds(year: int, month: int, day: int, *clock: int) -> float | None:
    if year < 1 or not 1 <= day <= monthrange(year, month)[1]:
        return None
    return float(timegm((year, month, day, *clock)))


def retry_after(fields: Fields, now: float) -> float | None:
    """Seconds that `Retry-After` asks to wait (RFC 9110 §10.2.3), or None.

    A date is read against the response's own Date, so a skewed clock doesn't matter.
    `retry-after-ms`, which some vendors send beside it, says the same more finely.
    """
    told = _retry_after(fields, now)
    finer = digits(fields.one("retry-after-ms"))
    if finer is None:
        return told
    finer /= 1000
    # Where the two contradict each other, nobody comes back before the later one.
    return finer if told is None or finer > told - 1 else told


def _retry_after(fields: Fields, now: float) -> float | None:
    value = fields.one("retry-after")
    seconds = digits(value)
    if value is None or seconds is not None:
        return seconds
    until = http_date(value, now)
    return None if until is None else max(0.0, until - _sent(fields, now))


def _sent(fields: Fields, now: float) -> float:
    """When a response was made, by its server's own clock where that is told."""
    sent = http_date(fields.one("date"), now)
    return now if sent is None else sent


def told(status: int | None, fields: Fields, now: float) -> float | None:
    """Seconds that a response asks to wait, by whichever field may say so for its status."""
    if status not in (429, 503) and not {"retry-after", "retry-after-ms"} & fields._lines.keys():
        return None
    wait = retry_after(fields, now)
    if wait is None and status in (429, 503) and "retry-after" not in fields:
        return rate_limit_reset(fields, now)
    return wait


def rate_limit_reset(fields: Fields, now: float) -> float | None:
    """Seconds until a rate limit that is used up is renewed, or None.

    Read only where the same fields say that nothing is left, since servers send them on
    ordinary answers too: `RateLimit` (its `t`), `RateLimit-Reset`, `X-RateLimit-Reset`.
    """
    waits = [_item_reset(item) for item in (fields.get("ratelimit") or "").split(",")]
    told = max((wait for wait in waits if wait is not None), default=None)
    if told is not None:
        return told
    for prefix in ("ratelimit-", "x-ratelimit-"):
        if digits(fields.one(prefix + "remaining")) == 0:
            reset = digits(fields.one(prefix + "reset"))
            if reset is not None:
                epoch = prefix.startswith("x-") and reset >= 1_000_000_000
                return max(0.0, reset - _sent(fields, now)) if epoch else reset
    return None


def _item_reset(item: str) -> float | None:
    """`"name";r=0;t=30` -> 30."""
    parameters: dict[str, str] = {}
    for part in item.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        parameters[name] = value
    return digits(parameters.get("t")) if digits(parameters.get("r")) == 0 else None


def content_range(fields: Fields) -> tuple[int, int, int | None] | None:
    """First, last and length of a part in bytes (RFC 9110 §14.4); the length may be unknown."""
    value = fields.one("content-range") or ""
    pattern = r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)"
    found = re.fullmatch(pattern, value, re.IGNORECASE | re.ASCII)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    length = None if found[3] == "*" else int(found[3])
    # §14.4: invalid where "last-pos [is] less than its first-pos value, or […] complete-length
    # [is] less than or equal to its last-pos value".
    return (
        None if last < first or (length is not None and length <= last) else (first, last, length)
    )
