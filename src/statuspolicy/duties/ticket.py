"""What has to be known to go on with a poll, in this life or the next."""

from __future__ import annotations

import re
from typing import Any

from statuspolicy import documents
from statuspolicy._value import Record
from statuspolicy.links import WORD
from statuspolicy.printable import given

from .. import hop
from .._lib import URL, InvalidURL, Request, Response

# RFC 9110 §15.3.3: a 202's representation "ought to […] point to (or embed) a status monitor".
# The first two are those of Microsoft's REST API guidelines and of Azure's resource manager.
_OPERATIONS = ("operation-location", "azure-asyncoperation")


class Ticket(Record):
    """A poll that has begun.

    method, url: what was accepted.
    monitor: where to ask.
    states: whether the monitor's body names a state.
    location: what `Location` named besides; "" for nothing.
    """

    method: str
    url: str
    monitor: str
    states: bool
    location: str

    @property
    def token(self) -> str:
        """The same as a short string."""
        from base64 import urlsafe_b64encode
        from json import dumps

        return urlsafe_b64encode(dumps([*vars(self).values()]).encode()).decode().rstrip("=")


class Progress(Record):
    """Where a poll stands, before its next wait.

    looks: how often its monitor was asked.
    elapsed: seconds since the 202.
    after: seconds until it is asked again.
    response: what was answered last, the 202 first; its body can be read.
    token: `resume_poll` goes on with the poll from it, after a restart too.
    """

    looks: int
    elapsed: float
    after: float
    response: Response
    token: str


def ticket(
    monitor: Any, request: Request, response: Response, content: bytes | None
) -> Ticket | str:
    """The poll that a 202 begins, or why it begins none."""
    headers, base = response.headers, request.url
    named = next((name for name in (*_OPERATIONS, "location") if name in headers), "location")
    found = led_to(named if monitor is None else monitor, response, content)
    location = headers.get("location", "")
    if not found:
        return "the response names no status monitor"
    try:
        url = hop.resolve(base, found)
        location = str(hop.resolve(base, location)) if location else ""
    except hop.Unusable as why:
        return f"the status monitor has no usable URL: {why}"
    states = monitor is None and named in _OPERATIONS
    return Ticket(request.method, hop.target(base), str(url), states, location)


def read_ticket(token: str) -> Ticket:
    """The ticket that a token stands for. Raises ValueError where it is none."""
    from base64 import urlsafe_b64decode

    try:
        values = documents.document(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        kinds = [type(value) for value in values]
        if kinds == [str, str, str, bool, str]:
            read = Ticket(*values)
            urls = [URL(url) for url in (read.url, read.monitor, read.location or read.url)]
            for url in urls:
                hop.resolve(url, url)
            if not any(url.userinfo for url in urls) and re.fullmatch(WORD, read.method):
                return read
    except (ValueError, TypeError, InvalidURL, hop.Unusable):
        pass
    raise ValueError(
        f"{given(token)} is not a poll token: give what statuspolicy.poll_token returned."
    )


def led_to(where: Any, response: Response, content: bytes | None) -> URL | str | None:
    """What a field's name, a JSON Pointer or a callable makes of a response."""
    if not isinstance(where, str):
        leads_to: URL | str | None = where(response)
        return leads_to
    if where.startswith("/"):
        return documents.text(documents.document(content), where)
    named: str | None = response.headers.get(where)
    return named
