"""Where stored responses are kept: the protocol, and the storage in this process's memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, Protocol

from statuspolicy.alone import alone
from statuspolicy.cache import invalidations
from statuspolicy.cache.entry import Entry
from statuspolicy.cache.invalidations import Sent
from statuspolicy.cache.settling import Change, Drop
from statuspolicy.printable import log

VARIANTS = 32  # responses of a URL for one user: of more, what was stored longest ago goes
_USUAL = 300  # characters of a URL and a user's name, which the size of an entry includes


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

    max_bytes: how much it holds at most, in memory: header sections, URLs and what Python itself
        takes are counted too.
    """

    shared = False

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise ValueError(f"MemoryStorage(max_bytes={max_bytes!r}): write bytes, 1 or more.")
        self._most = max_bytes
        self._size = 0
        self._lock = Lock()
        # By URL and user, and by id; and who has something of a URL.
        self._kept: OrderedDict[tuple[str, str], dict[str, tuple[Entry, int]]] = OrderedDict()
        self._users: dict[str, dict[str, None]] = {}

    @alone
    def load(self, url: str, who: str) -> Sequence[Entry]:
        entries = self._kept.get((url, who))
        if entries is None:
            return ()
        self._kept.move_to_end((url, who))
        return [entry for entry, _ in entries.values()]

    @alone
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
        if size > self._most:  # it would push out all others, and then itself
            self._tidy(place, entries)
            return
        # First, since Ctrl-C may come anywhere: what no user is known of is never dropped.
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

    @alone
    def drop(self, url: str, ids: Sequence[str] | None) -> None:
        for who in [*self._users.get(url, ())]:
            entries = self._kept.get((url, who), {})
            for one in [*entries] if ids is None else ids:
                self._size -= entries.pop(one, (None, 0))[1]
            self._tidy((url, who), entries)

    def _tidy(self, place: tuple[str, str], entries: dict[str, tuple[Entry, int]]) -> None:
        """Let go of a place where nothing is left."""
        if entries:
            return
        url, who = place
        self._kept.pop(place, None)
        users = self._users.get(url, {})
        users.pop(who, None)
        if not users:
            self._users.pop(url, None)

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
        return f"<MemoryStorage: {len(self._users)} URLs, {self._size} bytes>"


def _long(url: str, who: str) -> int:
    """The bytes that an unusually long URL and name of a user take."""
    return max(0, len(url) + 3 * len(who) - _USUAL)  # who is in the id, too


# ── what a request does with any of them; their failures are no request's ────────────────


def look(storage: Storage, url: str, who: str) -> Sequence[Entry]:
    """What is stored of a URL for somebody; nothing where the storage fails, and nothing odd."""
    try:
        found = storage.load(url, who)
        if type(storage) is MemoryStorage:
            return found
        found = [*found]  # it may be an iterator
        odd = _is_odd(storage, found, url, who)
        if odd:
            storage.drop(url, None)
    except Exception:
        log.exception(_FAILED)
        return ()
    return () if odd else found


async def alook(storage: Storage, url: str, who: str) -> Sequence[Entry]:
    """As `look`."""
    try:
        found = await storage.aload(url, who)
        if type(storage) is MemoryStorage:
            return found
        found = [*found]  # it may be an iterator
        odd = _is_odd(storage, found, url, who)
        if odd:
            await storage.adrop(url, None)
    except Exception:
        log.exception(_FAILED)
        return ()
    return () if odd else found


def _is_odd(storage: Storage, found: Sequence[Entry], url: str, who: str) -> bool:
    """Whether something that a storage gave can't be served: it may be anything, and anybody's."""
    for entry in found:
        why = entry.flaw or entry.undecodable if isinstance(entry, Entry) else "it is no Entry"
        if why or entry.who != who:
            why = why or "it is somebody else's"
            log.warning("%r: what is stored of %s is dropped, for %s.", storage, url, why)
            return True
    return False


def change(storage: Storage, changes: Iterable[Change], sent: Sent | None = None) -> None:
    """Save and drop what is to be.

    sent: the request that it comes of. What was asked for before its URL was invalidated is not
        stored, and what can't be dropped is owed.
    """
    steps = _Steps(storage, changes, sent)
    for method, given in steps.all:
        try:
            getattr(storage, method)(*given)
        except BaseException as error:
            if not steps.go_on_after(error, method, given[0]):
                raise


async def achange(storage: Storage, changes: Iterable[Change], sent: Sent | None = None) -> None:
    """As `change`."""
    steps = _Steps(storage, changes, sent)
    for method, given in steps.all:
        try:
            await getattr(storage, f"a{method}")(*given)
        except BaseException as error:
            if not steps.go_on_after(error, method, given[0]):
                raise


class _Steps:
    """What is asked of a storage, one after the other: the name of a method and its arguments."""

    __slots__ = ("_failed", "_said", "_sent", "all")

    def __init__(self, storage: Storage, changes: Iterable[Change], sent: Sent | None) -> None:
        self._sent = Sent("", invalidations.of(storage)) if sent is None else sent
        self.all = self._all(changes)
        self._failed = self._said = False

    def _all(self, changes: Iterable[Change]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        sent = self._sent
        saving = sent.saving
        for one in changes:
            if isinstance(one, Drop):
                if one.ids is None:
                    sent.invalidate(one.url)
                self._failed = False
                yield "drop", (one.url, one.ids)
                if one.ids is None and not self._failed:
                    sent.dropped(one.url)
                continue
            try:
                saving[sent] = one.url
                if not sent.overtaken:
                    yield "save", (one.url, one.entry, one.same)
                    # An invalidation that came meanwhile may have dropped what was there before.
                    if sent.overtaken:
                        yield "drop", (one.url, [one.entry.id])
            finally:
                saving.pop(sent, None)

    def go_on_after(self, error: BaseException, method: str, url: str) -> bool:
        """Whether a failure was the storage's; what could not be dropped is to be later."""
        fails = isinstance(error, Exception)
        self._failed = True
        if method == "drop" or self._sent.overtaken or not fails:
            self._sent.owed.add(url)
        if fails:
            if not self._said:
                log.error(_FAILED, exc_info=error)
            self._said = True
        else:  # a task was cancelled, or a program interrupted: nothing else is done of it
            for following, given in self.all:
                if following == "drop":
                    self._failed = True
                    self._sent.owed.add(given[0])
        return fails


_FAILED = "The cache's storage failed, and the request goes on without it."
