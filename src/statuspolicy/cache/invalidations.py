"""What was invalidated, and when: nothing that was asked for earlier is stored after it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from weakref import WeakKeyDictionary

from statuspolicy.locks import alone

_URLS = 4096  # whose last invalidation is known
_OWED, _CHARACTERS = 10_000, 4_000_000  # URLs that are still to be dropped, and their length


class Owed:
    """URLs that a storage could not drop, and has to before anything of them is used."""

    def __init__(self) -> None:
        self._urls: OrderedDict[str, None] = OrderedDict()
        self._characters = 0
        self._lock = Lock()

    @alone
    def add(self, url: str, most: int = _OWED) -> None:
        """One more; beyond so many, what has waited longest goes."""
        self._remove(url)
        self._urls[url] = None
        self._characters += len(url)
        while len(self._urls) > most or self._characters > max(_CHARACTERS, len(url)):
            self._remove(next(iter(self._urls)))

    @alone
    def remove(self, url: str) -> None:
        """It is dropped."""
        self._remove(url)

    def _remove(self, url: str) -> None:
        if url in self._urls:
            del self._urls[url]
            self._characters -= len(url)

    def __contains__(self, url: str) -> bool:
        return url in self._urls

    def __iter__(self) -> Iterator[str]:
        # Without the lock, which a thread may have held when this process was forked off.
        return iter([*self._urls])

    def __len__(self) -> int:
        return len(self._urls)


class Invalidations:
    """The invalidations of a storage that this process made, in their order (RFC 9111 §4.4).

    URLs are known by their hashes, so that long ones take no more memory. Where two have the
    same hash, or an invalidation is too old to be known, a response is not stored that could
    have been; never the other way round.

    now: how many there were.
    owed: what could not be dropped from the storage.
    saving: the URLs of which something is being stored, by who does.
    """

    def __init__(self) -> None:
        self.now = 0
        self.owed = Owed()
        self.saving: dict[Sent, str] = {}
        self._lock = Lock()
        self._last: OrderedDict[int, int] = OrderedDict()
        self._forgotten = 0  # the newest of those that are not known any more

    def last(self, url: str) -> int:
        """The number of a URL's last invalidation, or of one that may have been."""
        return self._last.get(hash(url), self._forgotten)

    @alone
    def add(self, url: str, since: int) -> int:
        """Invalidate a URL; the number of that, or `since` where that was not the first since."""
        first = self.last(url) <= since
        self.now += 1
        self._last[hash(url)] = self.now
        self._last.move_to_end(hash(url))
        if len(self._last) > _URLS:
            _, self._forgotten = self._last.popitem(last=False)
        return self.now if first else since


class Sent:
    """When the request for a URL was sent, as invalidations count."""

    __slots__ = ("_invalidations", "_then", "_url")

    def __init__(self, url: str, invalidations: Invalidations) -> None:
        self._url = url
        self._invalidations = invalidations
        self._then = invalidations.now

    @property
    def owed(self) -> Owed:
        """What could not be dropped from the storage."""
        return self._invalidations.owed

    @property
    def saving(self) -> dict[Sent, str]:
        """The URLs of which something is being stored."""
        return self._invalidations.saving

    @property
    def overtaken(self) -> bool:
        """Whether its URL was invalidated since, other than by its own answer."""
        known, then = self._invalidations, self._then
        return known.now > then and known.last(self._url) > then

    def invalidate(self, url: str) -> None:
        """Invalidate a URL by its answer."""
        then = self._invalidations.add(url, self._then)
        if url == self._url:
            self._then = then

    def dropped(self, url: str) -> None:
        """What is stored of a URL is dropped, but for what is being stored at this moment."""
        if url in [*self.saving.values()]:
            self.owed.add(url)
        elif url in self.owed:
            self.owed.remove(url)


_KNOWN: WeakKeyDictionary[object, Invalidations] = WeakKeyDictionary()


def of(storage: object) -> Invalidations:
    """Those of a storage, which all its clients in this process share."""
    try:
        return _KNOWN.setdefault(storage, Invalidations())
    except TypeError:  # it has no hash, or no weak references: each client has its own
        return Invalidations()
