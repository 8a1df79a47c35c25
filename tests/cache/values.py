"""What the tests of the cache's rules share: requests, stored responses and answers, as values."""

from email.utils import formatdate

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.request import CacheRequest
from statuspolicy.cache.vary import selecting
from statuspolicy.fields.section import Fields

NOW = 1_000_000_000.0
URL = "http://a.example/x"


def date(seconds=0.0):
    """An HTTP-date, so many seconds after NOW."""
    return formatdate(NOW + seconds, usegmt=True)


def pairs(headers):
    """A header section of a dict or of pairs of strings."""
    given = headers.items() if isinstance(headers, dict) else headers
    return tuple((name.encode(), value.encode("latin-1")) for name, value in given)


def asked(headers=(), method="GET", url=URL, **more):
    return CacheRequest(method, url, pairs(headers), **more)


def entry(headers=(), status=200, body=b"0123456789", at=NOW, dated=True, **more):
    """A response that came at once, at `at`, with a Date of then."""
    lines = pairs(headers)
    if dated and not any(name == b"Date" for name, _ in lines):
        lines += ((b"Date", formatdate(at, usegmt=True).encode()),)
    return Entry(status, lines, body, at, at, **more)


def answer(headers=(), status=200, at=NOW, **more):
    """An answer whose body isn't read yet."""
    return entry(headers, status, b"", at, **more)


def fields(of):
    """A header section's fields, as a dict; each line of one that stands several times."""
    section = Fields(of.headers if isinstance(of, Entry) else of)
    return {name: section.get(name) for name in section}


def selected(**said):
    """What of a request selects a response that varies on these fields; None is no such field."""
    vary = Fields(pairs({"Vary": ", ".join(said)}))
    given = {name: value for name, value in said.items() if value is not None}
    return selecting(vary, Fields(pairs(given)))
