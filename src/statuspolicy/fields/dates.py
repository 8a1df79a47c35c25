"""HTTP-dates (RFC 9110 §5.6.7)."""

from __future__ import annotations

import re
from calendar import monthrange, timegm
from functools import lru_cache

# "A recipient that parses a timestamp value in an HTTP field MUST accept
# all three HTTP-date formats." RFC 9111 §4.2: they are matched "case-insensitively". Other
# formats are not accepted.
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


@lru_cache(maxsize=256)  # the dates of a stored response are read again at each use
def _date(value: str) -> float | tuple[int, int, int, int, int, int] | None:
    """The parts of a date; as seconds since the epoch if the year has four digits."""
    # `re` compiles the patterns at the first date, not at import.
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
