"""Notes for the trace: problem details, Deprecation and Sunset, in words."""

from __future__ import annotations

from itertools import islice

from statuspolicy.fields import json_pointer
from statuspolicy.fields.dates import http_date
from statuspolicy.fields.links import links
from statuspolicy.fields.section import Fields, digits
from statuspolicy.printable import PART, printable

_SUCCESSOR = "successor-version"
_MOST = 3  # successors that are named


def notes(status: int, fields: Fields, content: bytes | None, now: float) -> str:
    """The problem details of a 4xx or 5xx, and the Deprecation and Sunset of a resource."""
    problem = _problem(fields, content) if status >= 400 else ""
    return joined(problem, farewell(fields, now))


def joined(*said: str) -> str:
    """Several reasons, joined to one text."""
    return "; ".join(filter(None, said))


def _problem(fields: Fields, content: bytes | None) -> str:
    """RFC 9457 §3.1: title and detail are for humans."""
    kind = (fields.one("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/problem+json" or not content:
        return ""
    said = json_pointer.document(content)
    title, detail = (
        printable(json_pointer.text(said, f"/{name}"), PART) for name in ("title", "detail")
    )
    return ": ".join(filter(None, (title, detail)))


def farewell(fields: Fields, now: float) -> str:
    """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the successor (RFC 5829)."""
    if "deprecation" not in fields and "sunset" not in fields:
        return ""
    deprecated, sunset = fields.one("deprecation"), http_date(fields.one("sunset"), now)
    said = []
    if deprecated is not None:
        # RFC 9745 §2.1: an item that "MUST be a Date" (@1688169599); drafts before it had "true".
        since = digits(deprecated.partition(";")[0].removeprefix("@"))
        since = http_date(deprecated, now) if since is None else since
        said.append(f"deprecated since {_day(since)}" if since is not None else "deprecated")
    if sunset is not None:
        said.append(f"will be removed on {_day(sunset)}")
    successors = (one.target for one in links(fields.get("link") or "") if one.is_(_SUCCESSOR))
    said += [f"its successor is {printable(target, PART)}" for target in islice(successors, _MOST)]
    return ", ".join(said)


def _day(seconds: float) -> str:
    from time import gmtime, strftime

    try:
        return strftime("%Y-%m-%d", gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "an unknown day"
