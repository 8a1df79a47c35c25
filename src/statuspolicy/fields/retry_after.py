"""The time that a server asks to wait: `Retry-After`, and the fields of rate limits."""

from __future__ import annotations

from statuspolicy.fields.dates import http_date
from statuspolicy.fields.section import Fields, digits


def retry_after(fields: Fields, now: float) -> float | None:
    """The seconds that `Retry-After` asks to wait (RFC 9110 §10.2.3), or None.

    A date is compared with the response's own Date, so that a wrong clock doesn't matter.
    `retry-after-ms`, which some vendors send beside it, is more exact.
    """
    seconds = _retry_after(fields, now)
    finer = digits(fields.one("retry-after-ms"))
    if finer is None:
        return seconds
    finer /= 1000
    # If the two contradict each other, the later one counts.
    return finer if seconds is None or finer > seconds - 1 else seconds


def _retry_after(fields: Fields, now: float) -> float | None:
    value = fields.one("retry-after")
    seconds = digits(value)
    if value is None or seconds is not None:
        return seconds
    until = http_date(value, now)
    return None if until is None else max(0.0, until - _sent(fields, now))


def _sent(fields: Fields, now: float) -> float:
    """The time when a response was made: its Date, else now."""
    sent = http_date(fields.one("date"), now)
    return now if sent is None else sent


def seconds_to_wait(status: int | None, fields: Fields, now: float) -> float | None:
    """The seconds that a response asks to wait, by the fields that count for its status code."""
    if status not in (429, 503) and not {"retry-after", "retry-after-ms"} & fields._lines.keys():
        return None
    wait = retry_after(fields, now)
    if wait is None and status in (429, 503) and "retry-after" not in fields:
        return rate_limit_reset(fields, now)
    return wait


def rate_limit_reset(fields: Fields, now: float) -> float | None:
    """Seconds until an exhausted rate limit is renewed, or None.

    The fields are `RateLimit` (its `t`), `RateLimit-Reset` and `X-RateLimit-Reset`. They count only
    where they say that no request is left, since servers send them with other responses too.
    """
    waits = [_item_reset(item) for item in (fields.get("ratelimit") or "").split(",")]
    seconds = max((wait for wait in waits if wait is not None), default=None)
    if seconds is not None:
        return seconds
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
