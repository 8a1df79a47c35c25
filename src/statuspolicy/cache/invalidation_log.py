"""The bookkeeping of invalidations: no response to an earlier request is stored after one.

Which responses are invalidated is decided in `cache/invalidation.py` (RFC 9111 §4.4).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from weakref import WeakKeyDictionary

from statuspolicy.memory.locks import synchronized

_URLS = 4096  # URLs with a known last invalidation
_UNDELETED, _CHARACTERS = 10_000, 4_000_000  # URLs that still have to be deleted, and their length


class UndeletedUrls:
    """URLs that a storage could not delete: it has to do so before it serves any of them."""

    def __init__(self) -> None:
        self._urls: OrderedDict[str, None] = OrderedDict()
        self._characters = 0
        self._lock = Lock()

    @synchronized
    def add(self, url: str, most: int = _UNDELETED) -> None:
        """Add a URL; of more than `most`, the oldest is forgotten."""
        self._remove(url)
        self._urls[url] = None
        self._characters += len(url)
        while len(self._urls) > most or self._characters > max(_CHARACTERS, len(url)):
            self._remove(next(iter(self._urls)))

    @synchronized
    def remove(self, url: str) -> None:
        """Remove a URL that was deleted from the storage."""
        self._remove(url)

    def _remove(self, url: str) -> None:
        if url in self._urls:
            del self._urls[url]
            self._characters -= len(url)

    def __contains__(self, url: str) -> bool:
        return url in self._urls

    def __iter__(self) -> Iterator[str]:
        # Without the lock: a thread may have held it when this process was forked.
        return iter([*self._urls])

    def __len__(self) -> int:
        return len(self._urls)


class Invalidations:
    """The invalidations that this process made in a storage, in order (RFC 9111 §4.4).

    URLs are kept as hashes, so that long ones take no more memory. Where two URLs have the same
    hash, or an invalidation is too old to be known, a response is not stored that could have
    been; never the other way round.

    now: the number of invalidations.
    undeleted: the URLs that could not be deleted from the storage.
    saving: the URLs that are being stored now, by request.
    """

    def __init__(self) -> None:
        self.now = 0
        self.undeleted = UndeletedUrls()
        self.saving: dict[Sent, str] = {}
        self._lock = Lock()
        self._last: OrderedDict[int, int] = OrderedDict()
        self._forgotten = 0  # the newest invalidation that is no longer known

    def last(self, url: str) -> int:
        """The number of the last invalidation of a URL, or of one that may have been of it."""
        return self._last.get(hash(url), self._forgotten)

    @synchronized
    def add(self, url: str, since: int) -> int:
        """Invalidate a URL; returns its number, or `since` where another one came after that."""
        first = self.last(url) <= since
        self.now += 1
        self._last[hash(url)] = self.now
        self._last.move_to_end(hash(url))
        if len(self._last) > _URLS:
            _, self._forgotten = self._last.popitem(last=False)
        return self.now if first else since


class Sent:
    """The moment when a request was sent, counted in invalidations."""

    __slots__ = ("_invalidations", "_then", "_url")

    def __init__(self, url: str, invalidations: Invalidations) -> None:
        self._url = url
        self._invalidations = invalidations
        self._then = invalidations.now

    @property
    def undeleted(self) -> UndeletedUrls:
        """The URLs that could not be deleted from the storage."""
        return self._invalidations.undeleted

    @property
    def saving(self) -> dict[Sent, str]:
        """The URLs that are being stored now."""
        return self._invalidations.saving

    @property
    def overtaken(self) -> bool:
        """Whether the URL was invalidated since, other than by the request's own response."""
        known, then = self._invalidations, self._then
        return known.now > then and known.last(self._url) > then

    def invalidate(self, url: str) -> None:
        """Invalidate a URL because of the response."""
        then = self._invalidations.add(url, self._then)
        if url == self._url:
            self._then = then

    def dropped(self, url: str) -> None:
        """Note that a URL was deleted; it has to be deleted again if it is being stored now."""
        if url in [*self.saving.values()]:
            self.undeleted.add(url)
        elif url in self.undeleted:
            self.undeleted.remove(url)


_KNOWN: WeakKeyDictionary[object, Invalidations] = WeakKeyDictionary()


def of(storage: object) -> Invalidations:
    """The invalidations of a storage, shared by all its clients in this process."""
    try:
        return _KNOWN.setdefault(storage, Invalidations())
    except TypeError:  # not hashable, or no weak references: each client has its own
        return Invalidations()
