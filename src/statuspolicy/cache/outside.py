"""What storages outside this process have in common: they may be away, and they may wait."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.invalidations import Owed
from statuspolicy.cache.storage import Storage
from statuspolicy.printable import log

if TYPE_CHECKING:
    from anyio.lowlevel import RunVar


T = TypeVar("T")
K = TypeVar("K")

_REST = 5.0  # seconds until a storage that failed is tried again
_QUIET = 60.0  # seconds without a failure until one is news again
_OWED = 10_000  # URLs
_THREADS = 16  # of an event loop


class Outside(Storage):
    """A storage outside this process. While it is away, requests go on without it.

    It is said once that it is away, it is left alone for 5 seconds at a time, and what it was
    to forget meanwhile it forgets before it is used again.
    """

    shared = True
    _failures: tuple[type[Exception], ...]

    def __init__(self) -> None:
        self._until: float | None = None  # when it is tried again; None: it isn't away
        self._failed: float | None = None  # when it last failed; None: it was said to be back
        self._owed = Owed()

    @staticmethod
    @abstractmethod
    def _name(one: str) -> bytes:
        """As what an entry with an id is stored."""

    @abstractmethod
    def _load(self, url: str, who: str) -> Sequence[Entry]: ...

    @abstractmethod
    def _save(self, url: str, entry: Entry, same: bool) -> None: ...

    @abstractmethod
    def _drop(self, url: str, ids: Sequence[str] | None) -> None: ...

    def load(self, url: str, who: str) -> Sequence[Entry]:
        return self._tried(lambda: self._load(url, who)) or ()

    def save(self, url: str, entry: Entry, same: bool) -> None:
        if entry.flaw:  # it would be dropped when it is loaded
            return
        self._tried(lambda: self._save(url, entry, same))

    def drop(self, url: str, ids: Sequence[str] | None) -> None:
        if not self._tried(lambda: self._drop(url, ids) is None):
            # RFC 9111 §4.4: it "MUST invalidate", if later.
            self._owed.add(url, _OWED)

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
        """What of the stored can be served, and the keys of what is damaged.

        stored: key, name, what was dumped, body.
        """
        found: list[Entry] = []
        damaged: list[K] = []
        for key, name, dumped, body in stored:
            try:
                entry = Entry.load(url, who, dumped, body)
                if self._name(entry.id) != name:  # or it would not be found when it is dropped
                    raise ValueError("its key is that of another response")  # noqa: TRY301
                found.append(entry)
            except ValueError as error:
                log.warning("%r: a stored response of %s was deleted: %s.", self, url, error)
                damaged.append(key)
        return found, damaged

    def _tried(self, work: Callable[[], T]) -> T | None:
        """What came of it; None where the storage is away."""
        now = monotonic()
        if self._until is not None:
            if now < self._until:
                return None
            self._until = now + _REST  # one tries it, and the others still go on without it
        try:
            self._pay()
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

    def _pay(self) -> None:
        """Forget what was to be forgotten while the storage was away."""
        for url in self._owed:
            self._drop(url, None)
            self._owed.remove(url)

    def _pay_at_last(self) -> bool:
        """Try once more to forget all that is to be: there may be no next use; whether it is."""
        if self._owed:
            self._until = None  # however short it was left alone
            self._tried(lambda: None)
        return not self._owed


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Call it in a thread, as asyncio and trio both can.

    The threads are none of those that a program has by itself: all of those may be waiting for
    a request, which would wait here for one of them.
    """
    from anyio import CapacityLimiter, to_thread

    limiter = _limiters().get(None)
    if limiter is None:
        limiter = CapacityLimiter(_THREADS)
        _limiters().set(limiter)
    return await to_thread.run_sync(work, *args, limiter=limiter)


@cache
def _limiters() -> RunVar[Any]:
    """Each event loop's own."""
    from anyio.lowlevel import RunVar

    return RunVar("statuspolicy.storage")
