"""The token of a poll: what is needed to resume it, even after a restart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from statuspolicy._value import Record
from statuspolicy.fields import json_pointer
from statuspolicy.fields.links import WORD
from statuspolicy.message import redirected
from statuspolicy.printable import given
from statuspolicy.wire.library import ANY, either, several

if TYPE_CHECKING:
    from httpx import URL, Request, Response

# RFC 9110 §15.3.3: a 202's representation "ought to […] point to (or embed) a status monitor".
# The first two are those of Microsoft's REST API guidelines and of Azure's resource manager.
_OPERATIONS = ("operation-location", "azure-asyncoperation")


class PollToken(Record):
    """The data of a poll that has begun.

    method, url: of the accepted request.
    monitor: the URL of the status monitor.
    states: whether the body of the monitor's responses has a "status".
    location: the `Location` of the 202, beside the monitor; "" for none.
    """

    method: str
    url: str
    monitor: str
    states: bool
    location: str

    @property
    def text(self) -> str:
        """The data as a short string."""
        from base64 import urlsafe_b64encode
        from json import dumps

        return urlsafe_b64encode(dumps([*vars(self).values()]).encode()).decode().rstrip("=")


class Progress(Record):
    """The progress of a poll, before its next wait.

    looks: how often the monitor was asked.
    elapsed: seconds since the 202.
    after: seconds until it is asked again.
    response: the last response, at first the 202; its body can be read.
    token: the string with which `resume_poll` continues the poll, even after a restart.
    """

    __module__ = "statuspolicy"

    looks: int
    elapsed: float
    after: float
    response: Response
    token: str


def token_of(
    monitor: Any, request: Request, response: Response, content: bytes | None
) -> PollToken | str:
    """The token of the poll that a 202 starts, or the reason why it starts none."""
    headers, base = response.headers, request.url
    named = next((name for name in (*_OPERATIONS, "location") if name in headers), "location")
    found = led_to(named if monitor is None else monitor, response, content)
    location = headers.get("location", "")
    if not found:
        return "the response names no status monitor"
    try:
        url = redirected.resolve(base, found)
        location = str(redirected.resolve(base, location)) if location else ""
    except redirected.Unusable as why:
        return f"the status monitor has no usable URL: {why}"
    states = monitor is None and named in _OPERATIONS
    return PollToken(request.method, redirected.target(base), str(url), states, location)


def read_token(token: str) -> PollToken:
    """Parse a token. Raises ValueError where it is not valid."""
    from base64 import urlsafe_b64decode

    try:
        values = json_pointer.document(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        kinds = [type(value) for value in values]
        if kinds == [str, str, str, bool, str]:
            read = PollToken(*values)
            urls = [
                either().URL(url) for url in (read.url, read.monitor, read.location or read.url)
            ]
            for url in urls:
                redirected.resolve(url, url)
            if not any(url.userinfo for url in urls) and re.fullmatch(WORD, read.method):
                return read
    except several(ValueError, TypeError, ANY.InvalidURL, redirected.Unusable):
        pass
    raise ValueError(
        f"{given(token)} is not a poll token: give what statuspolicy.poll_token returned."
    )


def led_to(where: Any, response: Response, content: bytes | None) -> URL | str | None:
    """The URL that a field, a JSON Pointer or a callable gets from a response."""
    if not isinstance(where, str):
        leads_to: URL | str | None = where(response)
        return leads_to
    if where.startswith("/"):
        return json_pointer.text(json_pointer.document(content), where)
    named: str | None = response.headers.get(where)
    return named
