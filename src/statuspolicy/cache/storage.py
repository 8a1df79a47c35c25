"""Where stored responses are kept: the protocol, and the storage in this process's memory."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Protocol

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.settling import Change, Drop

log = logging.getLogger("statuspolicy")


class Storage(Protocol):
    """What a storage of responses can do. Threads and tasks use it at the same time.

    shared: whether other processes or programs see it too.

    The methods that begin with `a` do the same without blocking an event loop. What a storage
    raises costs no request anything: it is logged, and the request goes on without it.
    """

    shared: bool

    def load(self, url: str, who: str) -> Sequence[Entry]:
        """What is stored of a URL for somebody."""
        ...

    def save(self, url: str, entry: Entry, same: bool) -> None:
        """Store an entry in place of the one with its id. same: its body is stored already."""
        ...

    def drop(self, url: str, ids: Sequence[str] | None) -> None:
        """Forget the entries of a URL with these ids; None for all, whosever they are."""
        ...

    def close(self) -> None:
        """Let go of files and connections; the next use opens them again."""
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


class MemoryStorage(Storage):
    """Stored responses in this process's memory: what was used longest ago goes first.

    max_bytes: how much it holds at most, header sections included.
    """

    shared = False

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise ValueError(f"MemoryStorage(max_bytes={max_bytes!r}): write bytes, 1 or more.")
        self._most = max_bytes
        self._size = 0
        self._lock = Lock()
        self._kept: OrderedDict[str, dict[str, tuple[Entry, int]]] = OrderedDict()

    def load(self, url: str, who: str) -> Sequence[Entry]:
        with self._lock:
            entries = self._kept.get(url)
            if entries is None:
                return ()
            self._kept.move_to_end(url)
            return [entry for entry, _ in entries.values() if entry.who == who]

    def save(self, url: str, entry: Entry, same: bool) -> None:
        with self._lock:
            entries = self._kept.setdefault(url, {})
            if same and entry.id in entries:
                entries[entry.id] = entry, entries[entry.id][1]
                return
            size = entry.size
            self._forget(entries, entry.id)
            if size > self._most:  # it would push out all others, and then itself
                if not entries:
                    del self._kept[url]
                return
            entries[entry.id] = entry, size
            self._size += size
            self._kept.move_to_end(url)
            while self._size > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._size -= sum(size for _, size in oldest.values())

    def drop(self, url: str, ids: Sequence[str] | None) -> None:
        with self._lock:
            entries = self._kept.get(url, {})
            for one in [*entries] if ids is None else ids:
                self._forget(entries, one)
            if not entries:
                self._kept.pop(url, None)

    def _forget(self, entries: dict[str, tuple[Entry, int]], one: str) -> None:
        _, size = entries.pop(one, (None, 0))
        self._size -= size

    def close(self) -> None:
        """Nothing to let go of: what is stored stays for the next use."""

    async def aload(self, url: str, who: str) -> Sequence[Entry]:
        return self.load(url, who)

    async def asave(self, url: str, entry: Entry, same: bool) -> None:
        self.save(url, entry, same)

    async def adrop(self, url: str, ids: Sequence[str] | None) -> None:
        self.drop(url, ids)

    async def aclose(self) -> None:
        """As `close`."""

    def __repr__(self) -> str:
        return f"<MemoryStorage: {len(self._kept)} URLs, {self._size} bytes>"


# ── what a request does with any of them; their failures are no request's ────────────────


def look(storage: Storage, url: str, who: str) -> Sequence[Entry]:
    """What is stored of a URL for somebody; nothing where the storage fails."""
    try:
        return storage.load(url, who)
    except Exception:
        log.exception("The cache's storage failed, and the request goes on without it.")
        return ()


async def alook(storage: Storage, url: str, who: str) -> Sequence[Entry]:
    """As `look`."""
    try:
        return await storage.aload(url, who)
    except Exception:
        log.exception("The cache's storage failed, and the request goes on without it.")
        return ()


def change(storage: Storage, changes: Iterable[Change]) -> None:
    """Save and drop what is to be."""
    try:
        for one in changes:
            if isinstance(one, Drop):
                storage.drop(one.url, one.ids)
            else:
                storage.save(one.url, one.entry, one.same)
    except Exception:
        log.exception("The cache's storage failed, and the request goes on without it.")


async def achange(storage: Storage, changes: Iterable[Change]) -> None:
    """As `change`."""
    try:
        for one in changes:
            if isinstance(one, Drop):
                await storage.adrop(one.url, one.ids)
            else:
                await storage.asave(one.url, one.entry, one.same)
    except Exception:
        log.exception("The cache's storage failed, and the request goes on without it.")
