"""The decision about a request: a stored response answers it, or it is sent to the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from statuspolicy._value import Record
from statuspolicy.cache.entry import Entry, Line, Span
from statuspolicy.cache.status import Forwarded


class Serve(Record):
    """A stored response answers the request.

    span: the first and last byte of the requested range.
    unmodified: whether the caller has the response already, so that a 304 is handed over.
    revalidate: whether it is stale, and is validated in the background.
    """

    entry: Entry
    span: Span | None = None
    unmodified: bool = False
    revalidate: bool = False


class Forward(Record):
    """The request is sent to the server.

    why: the reason, as in Cache-Status.
    lines: conditions and a range of the cache's own, to be sent with it.
    entries: the stored responses to which the conditions belong; a 304 confirms one of them.
    selected: the stored responses that the request selects.
    spare: how one of them answers the request if the server can't be reached (§4.2.4).
    forgives: whether it does so also if the server answers 500, 502, 503 or 504.
    """

    why: Forwarded
    lines: Sequence[Line] = ()
    entries: Sequence[Entry] = ()
    selected: Sequence[Entry] = ()
    spare: Serve | None = None
    forgives: bool = False


class Missing(Record):
    """No usable response is stored, and the request must not be sent (`only-if-cached`)."""


Decision: TypeAlias = Serve | Forward | Missing
