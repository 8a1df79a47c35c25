"""`SQLiteStorage`: a storage in a file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from threading import Lock
from time import time
from typing import TypeVar
from weakref import WeakSet

from statuspolicy.cache.entry import Entry
from statuspolicy.cache.invalidation_log import UndeletedUrls
from statuspolicy.cache.sealed import DIGEST
from statuspolicy.cache.storage.external import ExternalStorage
from statuspolicy.cache.storage.memory import VARIANTS
from statuspolicy.cache.storage.sqlite_file import (
    MAGIC,
    bytes_in_use,
    make,
    means_damage,
    prepare,
    transaction,
    which_file,
)
from statuspolicy.memory.locks import synchronized
from statuspolicy.printable import given, log

T = TypeVar("T")

_PATIENCE = 2.0  # seconds to wait for other processes
_TOUCH = 60.0  # seconds: how well it is known when a response was used last
_LOAD = """
    SELECT entry.n, used, id, dumped, body FROM entry LEFT JOIN body ON body.n = entry.n
    WHERE url = ? AND who = ? ORDER BY entry.n"""
_FRESHEN = f"""
    UPDATE entry SET dumped = ?, used = ?
    WHERE url = ? AND id = ? AND substr(dumped, {DIGEST + 1}, {DIGEST}) = ?"""  # noqa: S608 - a number
# The oldest of too many entries of one URL and user.
_TOO_MANY = f"""
    DELETE FROM entry WHERE n IN (SELECT n FROM entry WHERE url = ? AND who = ?
    ORDER BY used DESC, n DESC LIMIT -1 OFFSET {VARIANTS})"""  # noqa: S608 - a number
_EVICT = "DELETE FROM entry WHERE n = (SELECT n FROM entry ORDER BY used, n LIMIT 1)"


class SQLiteStorage(ExternalStorage):
    """A storage in a SQLite file, which several processes may use at the same time.

    path: the file. It is created if it is missing, readable for its owner alone. Files with the
        same name and `-wal`, `-shm` or `-lock` belong to it. It must not be on a network drive.
    max_bytes: its size in bytes at most; the least recently used response is deleted first. (On
        the disk it takes some megabytes more.)

    A damaged file is renamed to `<path>.damaged`, and a new one is begun. A damaged response is
    never served. Where the file can't be used (a full disk, a missing directory), that is logged
    once, and requests go on without it.

    Raises ValueError for a path in a missing directory, or of a directory.
    """

    __module__ = "statuspolicy"

    _failures = (sqlite3.Error, OSError)

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int = 256 * 1024 * 1024) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise ValueError(
                f"SQLiteStorage(max_bytes={max_bytes!r}): write a number of bytes, 1 or more."
            )
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"SQLiteStorage({given(path)}): write the path of a file.")
        if path == ":memory:":
            raise ValueError(
                f"SQLiteStorage({path!r}): write statuspolicy.MemoryStorage() instead."
            )
        super().__init__()
        self._path = os.path.abspath(os.fspath(path))
        if os.path.isdir(self._path):
            raise ValueError(f"{self!r}: the path is a directory: write the path of a file in it.")
        if not os.path.isdir(os.path.dirname(self._path)):
            raise ValueError(f"{self!r}: the directory does not exist: create it first.")
        self._most = max_bytes
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None
        self._file: object = None  # which file the connection is to
        _ALL.add(self)

    def __repr__(self) -> str:
        return f"SQLiteStorage({self._path!r})"

    @staticmethod
    def _name(one: str) -> bytes:
        return _key(one)

    def _load(self, url: str, who: str) -> Sequence[Entry]:
        return self._use(lambda db: self._loaded(db, url, who, time()))

    def _loaded(self, db: sqlite3.Connection, url: str, who: str, now: float) -> list[Entry]:
        rows = db.execute(_LOAD, (_key(url), _key(who))).fetchall()
        kept = ((n, name, dumped, body) for n, _, name, dumped, body in rows)
        found, damaged = self._sound(url, who, kept)
        # A read seldom writes; and a full disk can still be read.
        # (And the value may not be a time.)
        old = [(n, type(used) is not float or abs(now - used) > _TOUCH) for n, used, *_ in rows]
        touched = [(now, n) for n, is_old in old if is_old]
        with suppress(sqlite3.OperationalError):
            db.executemany("UPDATE entry SET used = ? WHERE n = ?", touched)
            db.executemany("DELETE FROM entry WHERE n = ?", [(n,) for n in damaged])
        return found

    def _save(self, url: str, entry: Entry, same: bool) -> None:
        self._use(lambda db: self._saved(db, url, entry, same))

    def _saved(self, db: sqlite3.Connection, url: str, entry: Entry, same: bool) -> None:
        place, dumped = (_key(url), self._name(entry.id)), entry.dump(url)
        digest = dumped[DIGEST : 2 * DIGEST]
        with transaction(db):
            # Another process may have stored another body meanwhile.
            if same and db.execute(_FRESHEN, (dumped, time(), *place, digest)).rowcount:
                return
            db.execute("DELETE FROM entry WHERE url = ? AND id = ?", place)
            if entry.size > self._most:
                return
            n = db.execute(
                "INSERT INTO entry (url, id, who, used, dumped) VALUES (?, ?, ?, ?, ?)",
                (*place, _key(entry.who), time(), dumped),
            ).lastrowid
            db.execute("REPLACE INTO body (n, body) VALUES (?, ?)", (n, entry.body))
            db.execute(_TOO_MANY, (place[0], _key(entry.who)))
            while bytes_in_use(db) > self._most and db.execute(_EVICT).rowcount:
                pass

    def _drop(self, url: str, ids: Sequence[str] | None) -> None:
        self._use(lambda db: self._dropped(db, url, ids))

    def _dropped(self, db: sqlite3.Connection, url: str, ids: Sequence[str] | None) -> None:
        with transaction(db):
            if ids is None:
                db.execute("DELETE FROM entry WHERE url = ?", (_key(url),))
            else:
                db.executemany(
                    "DELETE FROM entry WHERE url = ? AND id = ?",
                    [(_key(url), self._name(one)) for one in ids],
                )

    def close(self) -> None:
        """Close the file; the next use opens it again.

        Where invalidations could not be written to it, the file is deleted.
        """
        all_deleted = self._delete_at_last()
        self._closed(all_deleted)

    @synchronized
    def _closed(self, all_deleted: bool) -> None:
        self._let_go()
        if not all_deleted:
            self._remove()

    # ── the file ──────────────────────────────────────────────────────────────────────

    @synchronized
    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function with the database; where the file is damaged, with a new one."""
        begun_anew = False
        try:
            while True:
                try:
                    return work(self._connection())
                except (sqlite3.Error, UnicodeDecodeError) as error:
                    if begun_anew or not means_damage(error):
                        raise
                    self._set_aside(error)
                    begun_anew = True
        except BaseException:  # an interrupted transaction too
            self._let_go()
            raise

    def _connection(self) -> sqlite3.Connection:
        """A connection to the file that the path leads to now."""
        if self._db is None or which_file(self._path) != self._file:
            self._let_go()
            self._leave_others_alone()
            with self._alone():
                make(self._path)
                self._file = which_file(self._path)
                self._db = sqlite3.connect(
                    self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
                )
                self._db.text_factory = bytes  # damaged text may not be Unicode
                prepare(self._db)
        return self._db

    def _leave_others_alone(self) -> None:
        """Raise where the file belongs to another program: then it is not a damaged cache.

        A cache has a lock file beside it, which is made first.
        """
        with suppress(FileNotFoundError):
            if not os.path.exists(f"{self._path}-lock") and os.path.getsize(self._path):
                with open(self._path, "rb") as file:
                    if file.read(len(MAGIC)) != MAGIC:
                        raise sqlite3.DatabaseError("the file is not a cache, give another path")

    def _set_aside(self, error: Exception) -> None:
        """Rename a damaged file, unless another process was faster."""
        with self._alone():
            first = which_file(self._path) == self._file
            self._let_go()
            for end in ("-wal", "-shm", "") if first else ():
                with suppress(FileNotFoundError):
                    os.replace(f"{self._path}{end}", f"{self._path}.damaged{end}")
        if first:
            log.warning(
                "%r was damaged (%s): a new file was begun, the old one ends in .damaged.",
                self,
                error,
            )

    def _remove(self) -> None:
        """Delete the file: a new one holds no response that is out of date."""
        try:
            with self._alone():
                for end in ("-wal", "-shm", ""):
                    with suppress(FileNotFoundError):
                        os.remove(f"{self._path}{end}")
        except self._failures as error:
            log.warning(
                "%r: %d URLs could not be invalidated: %s", self, len(self._undeleted), error
            )
        else:
            log.warning("%r could not be written to: the file was deleted.", self)
            self._undeleted = UndeletedUrls()

    def _let_go(self) -> None:
        # SQLite notices that a file was moved, and leaves the files of its successor alone.
        db, self._db = self._db, None
        if db is not None:
            db.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from opening or renaming the file."""
        lock = f"{self._path}-lock"
        make(lock)
        with closing(sqlite3.connect(lock, timeout=_PATIENCE, isolation_level=None)) as turn:
            turn.execute("BEGIN EXCLUSIVE")
            yield


def _key(text: str) -> bytes:
    """Text as a key, even if it is not valid Unicode."""
    return text.encode("utf-8", "surrogatepass")


# ── fork ──────────────────────────────────────────────────────────────────────────────

_ALL: WeakSet[SQLiteStorage] = WeakSet()
_HELD: list[Lock] = []


def _before_fork() -> None:
    """Wait until no thread is within SQLite: a forked child could never get its lock."""
    _HELD.extend(one._lock for one in _ALL if one._lock.acquire(timeout=_PATIENCE))


def _in_parent() -> None:
    while _HELD:
        _HELD.pop().release()


def _in_child() -> None:
    """Leave the connections to the parent: the child must not even close them."""
    from ctypes import py_object, pythonapi

    _HELD.clear()
    for one in _ALL:
        one._lock, db, one._db = Lock(), one._db, None
        if db is not None:
            pythonapi.Py_IncRef(py_object(db))  # so that it is never closed


if hasattr(os, "register_at_fork"):  # pragma: no branch - where nothing forks
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
