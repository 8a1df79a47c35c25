"""Base class of storages outside this process: they may fail, and their calls may block."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.invalidation_log import UndeletedUrls
from statuspolicy.cache.storage.memory import Storage
from statuspolicy.printable import log

if TYPE_CHECKING:
    from anyio.lowlevel import RunVar


T = TypeVar("T")
K = TypeVar("K")

_REST = 5.0  # seconds between two tries of a storage that failed
_QUIET = 60.0  # seconds without a failure until the next one is logged again
_UNDELETED = 10_000  # URLs
_THREADS = 16  # at the same time, for each event loop


class ExternalStorage(Storage):
    """A storage outside this process. While it fails, requests go on without it.

    A failure is logged once, and the storage is not used for the next 5 seconds. Deletions that
    failed meanwhile are done before the storage is used again.
    """

    shared = True
    _failures: tuple[type[Exception], ...]

    def __init__(self) -> None:
        self._until: float | None = None  # the time of the next try; None while it works
        self._failed: float | None = None  # the time of the last failure; None after "works again"
        self._undeleted = UndeletedUrls()

    @staticmethod
    @abstractmethod
    def _name(one: str) -> bytes:
        """The key under which an entry with an id is stored."""

    @abstractmethod
    def _load(self, url: str, who: str) -> Sequence[Entry]: ...

    @abstractmethod
    def _save(self, url: str, entry: Entry, same: bool) -> None: ...

    @abstractmethod
    def _drop(self, url: str, ids: Sequence[str] | None) -> None: ...

    def load(self, url: str, who: str) -> Sequence[Entry]:
        return self._tried(lambda: self._load(url, who)) or ()

    def save(self, url: str, entry: Entry, same: bool) -> None:
        if entry.flaw:  # it would be deleted when it is loaded
            return
        self._tried(lambda: self._save(url, entry, same))

    def drop(self, url: str, ids: Sequence[str] | None) -> None:
        if not self._tried(lambda: self._drop(url, ids) is None):
            # RFC 9111 §4.4: it "MUST invalidate", if later.
            self._undeleted.add(url, _UNDELETED)

    async def aload(self, url: str, who: str) -> Sequence[Entry]:
        return await in_thread(self.load, url, who)

    async def asave(self, url: str, entry: Entry, same: bool) -> None:
        await in_thread(self.save, url, entry, same)

    async def adrop(self, url: str, ids: Sequence[str] | None) -> None:
        await in_thread(self.drop, url, ids)

    async def aclose(self) -> None:
        """As `close`."""
        await in_thread(self.close)

    def _sound(
        self, url: str, who: str, stored: Iterable[tuple[K, Any, Any, Any]]
    ) -> tuple[list[Entry], list[K]]:
        """The entries that are valid, and the keys of those that are damaged.

        stored: key, name, dump and body of each.
        """
        found: list[Entry] = []
        damaged: list[K] = []
        for key, name, dumped, body in stored:
            try:
                entry = Entry.load(url, who, dumped, body)
                if self._name(entry.id) != name:  # or it could not be deleted by its id
                    raise ValueError("its key is that of another response")  # noqa: TRY301
                found.append(entry)
            except ValueError as error:
                log.warning("%r: a stored response of %s was deleted: %s.", self, url, error)
                damaged.append(key)
        return found, damaged

    def _tried(self, work: Callable[[], T]) -> T | None:
        """The result of a call; None where the storage fails, or failed a moment ago."""
        now = monotonic()
        if self._until is not None:
            if now < self._until:
                return None
            self._until = now + _REST  # one request tries it, the others go on without it
        try:
            self._delete_now()
            done = work()
        except self._failures as error:
            if self._failed is None:
                log.warning(
                    "%r failed, and requests go on without it: %s",
                    self,
                    str(error) or repr(error),
                )
            self._failed = monotonic()
            self._until = self._failed + _REST
            return None
        self._until = None
        if self._failed is not None and now > self._failed + _QUIET:
            self._failed = None
            log.info("%r works again.", self)
        return done

    def _delete_now(self) -> None:
        """Do the deletions that failed before."""
        for url in self._undeleted:
            self._drop(url, None)
            self._undeleted.remove(url)

    def _delete_at_last(self) -> bool:
        """Do the deletions that failed before, as the last chance; returns whether all are done."""
        if self._undeleted:
            self._until = None  # try it now, even after a failure
            self._tried(lambda: None)
        return not self._undeleted


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Call a function in a thread, from asyncio or trio.

    The threads are not those of the default limiter: all of these may be waiting for a request,
    which would wait here for one of them.
    """
    from anyio import CapacityLimiter, to_thread

    limiter = _limiters().get(None)
    if limiter is None:
        limiter = CapacityLimiter(_THREADS)
        _limiters().set(limiter)
    return await to_thread.run_sync(work, *args, limiter=limiter)


@cache
def _limiters() -> RunVar[Any]:
    """The limiter of each event loop."""
    from anyio.lowlevel import RunVar

    return RunVar("statuspolicy.storage")
