"""Changes of a storage: `Save` stores a response, `Drop` deletes some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from statuspolicy._value import Record
from statuspolicy.cache.entry import Entry


class Save(Record):
    """Store an entry in place of the one with its id. same: its body is stored already."""

    url: str
    entry: Entry
    same: bool = False


class Drop(Record):
    """Delete the entries of a URL with these ids; None for all entries of all users."""

    url: str
    ids: Sequence[str] | None = None


Change: TypeAlias = Save | Drop
