"""What may become of a request, given what is stored: it is answered, or it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from statuspolicy._value import Record
from statuspolicy.cache.entry import Entry, Line, Span
from statuspolicy.cache.status import Forwarded


class Serve(Record):
    """A stored response answers.

    span: the first and last byte of it that were asked for.
    unmodified: the caller has it already: a 304 says so.
    behind: it is stale, and is validated behind the caller's back.
    """

    entry: Entry
    span: Span | None = None
    unmodified: bool = False
    behind: bool = False


class Forward(Record):
    """The request goes on.

    why: as Cache-Status says it.
    lines: conditions and a range to send with it, which the caller didn't ask for.
    entries: the stored responses that those are about; a 304 speaks of one of them.
    selected: the stored responses that the request selects.
    spare: how one of them may stand in where the server is gone (§4.2.4).
    forgives: it may also where the server answers 500, 502, 503 or 504.
    """

    why: Forwarded
    lines: Sequence[Line] = ()
    entries: Sequence[Entry] = ()
    selected: Sequence[Entry] = ()
    spare: Serve | None = None
    forgives: bool = False


class Missing(Record):
    """Nothing usable is stored, and the caller wants nothing else (`only-if-cached`)."""


DownloadState: TypeAlias = Serve | Forward | Missing
