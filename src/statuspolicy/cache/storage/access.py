"""Calls of a storage for a request: a failure of the storage is logged, and the request goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from statuspolicy.cache import invalidation_log
from statuspolicy.cache.changes import Change, Drop
from statuspolicy.cache.entry import Entry
from statuspolicy.cache.invalidation_log import Sent
from statuspolicy.cache.storage.memory import MemoryStorage, Storage
from statuspolicy.printable import log


def look(storage: Storage, url: str, who: str) -> Sequence[Entry]:
    """The valid stored responses of a URL for a user; none where the storage fails."""
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
    """Whether a storage returned something that can't be served: not valid, or of another user."""
    for entry in found:
        why = entry.flaw or entry.undecodable if isinstance(entry, Entry) else "it is not an Entry"
        if why or entry.who != who:
            why = why or "it belongs to another user"
            log.warning("%r: the stored responses of %s were deleted: %s.", storage, url, why)
            return True
    return False


def change(storage: Storage, changes: Iterable[Change], sent: Sent | None = None) -> None:
    """Save and delete entries.

    sent: the request that led to the changes. A response to a request from before an invalidation
        is not stored, and a URL that can't be deleted is noted.
    """
    steps = _Steps(storage, changes, sent)
    for method, arguments in steps.all:
        try:
            getattr(storage, method)(*arguments)
        except BaseException as error:
            if not steps.go_on_after(error, method, arguments[0]):
                raise


async def achange(storage: Storage, changes: Iterable[Change], sent: Sent | None = None) -> None:
    """As `change`."""
    steps = _Steps(storage, changes, sent)
    for method, arguments in steps.all:
        try:
            await getattr(storage, f"a{method}")(*arguments)
        except BaseException as error:
            if not steps.go_on_after(error, method, arguments[0]):
                raise


class _Steps:
    """The calls of a storage, one after the other: a method's name and its arguments."""

    __slots__ = ("_failed", "_said", "_sent", "all")

    def __init__(self, storage: Storage, changes: Iterable[Change], sent: Sent | None) -> None:
        self._sent = Sent("", invalidation_log.of(storage)) if sent is None else sent
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
                    # An invalidation that came meanwhile may have deleted only the entry before.
                    if sent.overtaken:
                        yield "drop", (one.url, [one.entry.id])
            finally:
                saving.pop(sent, None)

    def go_on_after(self, error: BaseException, method: str, url: str) -> bool:
        """Whether an error is a failure of the storage; a URL that was not deleted is noted."""
        fails = isinstance(error, Exception)
        self._failed = True
        if method == "drop" or self._sent.overtaken or not fails:
            self._sent.undeleted.add(url)
        if fails:
            if not self._said:
                log.error(_FAILED, exc_info=error)
            self._said = True
        else:  # cancelled or interrupted: the other changes are not done
            for following, arguments in self.all:
                if following == "drop":
                    self._failed = True
                    self._sent.undeleted.add(arguments[0])
        return fails


_FAILED = "The cache's storage failed, and the request goes on without it."
