"""Storages of responses: the protocol, and the storage in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Protocol

from statuspolicy.cache.entry import Entry
from statuspolicy.memory.locks import synchronized

VARIANTS = 32  # responses of a URL for one user; if there are more, the oldest is deleted
_USUAL = 300  # characters of a URL and a user's name, which the size of an entry includes


class Storage(Protocol):
    """The protocol of a storage of responses. Threads and tasks use it at the same time.

    shared: whether other processes or programs use it too.

    The methods that begin with `a` do the same without blocking an event loop. An exception of a
    storage is logged, and the request goes on without it.
    """

    shared: bool

    def load(self, url: str, who: str) -> Sequence[Entry]:
        """The stored responses of a URL for a user."""
        ...

    def save(self, url: str, entry: Entry, same: bool) -> None:
        """Store an entry in place of the one with its id. same: its body is stored already."""
        ...

    def drop(self, url: str, ids: Sequence[str] | None) -> None:
        """Delete the entries of a URL with these ids; None for all entries of all users."""
        ...

    def close(self) -> None:
        """Close files and connections; the next use opens them again."""
        ...

    async def aload(self, url: str, who: str) -> Sequence[Entry]:
        """As `load`."""
        ...

    async def asave(self, url: str, entry: Entry, same: bool) -> None:
        """As `save`."""
        ...

    async def adrop(self, url: str, ids: Sequence[str] | None) -> None:
        """As `drop`."""
        ...

    async def aclose(self) -> None:
        """As `close`."""
        ...


Storage.__module__ = "statuspolicy"


class MemoryStorage(Storage):
    """A storage in the memory of this process: the least recently used response is deleted first.

    max_bytes: its size in bytes at most, with header sections, URLs and the overhead of Python.
    """

    __module__ = "statuspolicy"

    shared = False

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise ValueError(
                f"MemoryStorage(max_bytes={max_bytes!r}): write a number of bytes, 1 or more."
            )
        self._most = max_bytes
        self._size = 0
        self._lock = Lock()
        # The entries by URL and user, and by id; and the users of each URL.
        self._kept: OrderedDict[tuple[str, str], dict[str, tuple[Entry, int]]] = OrderedDict()
        self._users: dict[str, dict[str, None]] = {}

    @synchronized
    def load(self, url: str, who: str) -> Sequence[Entry]:
        entries = self._kept.get((url, who))
        if entries is None:
            return ()
        self._kept.move_to_end((url, who))
        return [entry for entry, _ in entries.values()]

    @synchronized
    def save(self, url: str, entry: Entry, same: bool) -> None:  # noqa: ARG002 - it has the body
        place, one = (url, entry.who), entry.id
        entries = self._kept.get(place, {})
        old = entries.pop(one, None)
        if old is not None:
            if old[0].size == entry.size:  # as after most 304s
                entries[one] = entry, old[1]
                self._kept.move_to_end(place)
                return
            self._size -= old[1]
        size = entry.size + _long(url, entry.who)
        if size > self._most:  # it would delete all others, and then itself
            self._tidy(place, entries)
            return
        # First, since Ctrl-C may come anywhere: an entry without a known user is never deleted.
        self._users.setdefault(url, {})[entry.who] = None
        entries[one] = entry, size
        self._size += size
        if len(entries) > VARIANTS:
            self._size -= entries.pop(next(iter(entries)))[1]
        self._kept[place] = entries
        self._kept.move_to_end(place)
        while self._size > self._most:
            place, entries = next(iter(self._kept.items()))
            self._size -= sum(size for _, size in entries.values())
            entries.clear()
            self._tidy(place, entries)

    @synchronized
    def drop(self, url: str, ids: Sequence[str] | None) -> None:
        for who in [*self._users.get(url, ())]:
            entries = self._kept.get((url, who), {})
            for one in [*entries] if ids is None else ids:
                self._size -= entries.pop(one, (None, 0))[1]
            self._tidy((url, who), entries)

    def _tidy(self, place: tuple[str, str], entries: dict[str, tuple[Entry, int]]) -> None:
        """Remove the keys of a URL and user without entries."""
        if entries:
            return
        url, who = place
        self._kept.pop(place, None)
        users = self._users.get(url, {})
        users.pop(who, None)
        if not users:
            self._users.pop(url, None)

    def close(self) -> None:
        """Do nothing: the stored responses stay for the next use."""

    async def aload(self, url: str, who: str) -> Sequence[Entry]:
        return self.load(url, who)

    async def asave(self, url: str, entry: Entry, same: bool) -> None:
        self.save(url, entry, same)

    async def adrop(self, url: str, ids: Sequence[str] | None) -> None:
        self.drop(url, ids)

    async def aclose(self) -> None:
        """As `close`."""

    def __repr__(self) -> str:
        return f"<MemoryStorage: {len(self._users)} URLs, {self._size} bytes>"


def _long(url: str, who: str) -> int:
    """The extra bytes of an unusually long URL and user."""
    return max(0, len(url) + 3 * len(who) - _USUAL)  # who is in the id, too
