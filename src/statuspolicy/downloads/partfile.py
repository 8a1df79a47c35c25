"""The file under its temporary name, beside its journal: locked, synced, renamed when whole."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from statuspolicy.downloads import digests, journal
from statuspolicy.downloads.digests import Told
from statuspolicy.downloads.journal import Journal
from statuspolicy.downloads.spans import ENDLESS, Span, gaps, with_span
from statuspolicy.fields import Fields

EVERY = 1.0  # seconds between two records, each of which waits for the disk


class PartFile:
    """`NAME.part` and `NAME.part.json`, in the directory of the file that they become.

    asked: a digest of the URL that is asked for; a part of something else is not taken up.
    resume: whether a part that is there is taken up at all.

    The part is locked by the operating system as long as this lives, so a process that was
    killed leaves no lock behind. Its methods may be called from several threads.

    Raises BlockingIOError where another download, of this process or of another one, has it.
    """

    def __init__(self, path: Path, asked: str, resume: bool) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.side = path.with_name(path.name + ".part.json")
        self._new = path.with_name(path.name + ".part.json.new")
        self._asked = asked
        self._lock = threading.Lock()
        self._recorded = time.monotonic()
        self._file = _locked(self.part)
        self.journal: Journal | None = self._found() if resume else None
        self.epoch = 0  # how often it was begun anew

    def _found(self) -> Journal | None:
        try:
            with open(self.side, "rb") as file:
                data = file.read(journal.MOST + 1)
        except OSError:
            return None
        return journal.read(data, self._asked, os.fstat(self._file.fileno()).st_size)

    @property
    def missing(self) -> list[Span]:
        """What is not there yet."""
        now = self.journal
        assert now is not None
        return gaps(now.there, ENDLESS if now.length is None else now.length)

    @property
    def count(self) -> int:
        """How many bytes are there."""
        return 0 if self.journal is None else self.journal.count

    def begin(self, came_from: str, fields: Fields) -> None:
        """Anew, with the response that has these fields. What is there is forgotten."""
        self.forget()
        self.journal = journal.begun(self._asked, came_from, fields)

    def forget(self) -> None:
        """As if nothing were there."""
        with self._lock:
            self.journal = None
            self.epoch += 1
            self._unlink_side()  # what speaks of the bytes goes before them
            self._file.truncate(0)

    def measured(self, length: int) -> None:
        """The length of the whole, where it is known only now."""
        with self._lock:
            assert self.journal is not None
            self.journal = self.journal._replace(length=length)

    def write(self, first: int, data: bytes, epoch: int) -> None:
        """Put bytes in their place, and now and then on record; not what is of an older epoch."""
        with self._lock:
            if self.journal is None or epoch != self.epoch:
                return
            self._file.seek(first)
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            there = with_span(self.journal.there, (first, first + len(data)))
            self.journal = self.journal._replace(there=tuple(there))
            if time.monotonic() - self._recorded >= EVERY:
                self.record()

    def record(self) -> bool:
        """Write the journal, once what it speaks of is on the disk: a crash finds no lie.

        False where a part can't be gone on with, so there is nothing to record.
        """
        self._recorded = time.monotonic()
        line = b"" if self.journal is None else journal.written(self.journal)
        if not line:
            return False
        os.fsync(self._file.fileno())
        with open(self._new, "wb") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._new, self.side)
        return True

    def mismatch(self, told: list[Told]) -> str:
        """Which of the digests the whole file is not, in words; or ""."""
        return digests.mismatch(self._file, told)

    def finish(self) -> None:
        """The whole file, on the disk under its own name, or under none."""
        assert self.journal is not None
        assert self.journal.length is not None
        self._file.truncate(self.journal.length)
        os.fsync(self._file.fileno())
        os.replace(self.part, self.path)
        self._unlink_side()
        self.journal = None
        with suppress(OSError):  # not every system lets a directory be opened, and synced
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._unlink_side()
        self.part.unlink(missing_ok=True)
        self.journal = None

    def _unlink_side(self) -> None:
        self.side.unlink(missing_ok=True)
        self._new.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it; what can be gone on with stays, on record."""
        with self._lock:
            with suppress(OSError):  # of a full disk: what was recorded before still holds
                if not self.record() and _same(self._file, self.part):
                    self.discard()
            self.journal = None
            self._file.close()


def _locked(path: Path) -> BinaryIO:
    """A file that is there and is this process's own, with the permissions that open() gives."""
    while True:
        file = open(path, "r+b", buffering=0, opener=_creating)  # noqa: SIM115 - it stays open
        try:
            _lock(file)
            # The one who had it may have renamed it since.
            if _same(file, path):
                return file
        except BlockingIOError:
            file.close()
            text = "another download is writing to it"
            raise BlockingIOError(errno.EWOULDBLOCK, text, str(path)) from None
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: BinaryIO) -> None:
    with suppress(ImportError):  # Windows: there nothing keeps two downloads to a path apart
        from fcntl import LOCK_EX, LOCK_NB, flock

        flock(file, LOCK_EX | LOCK_NB)


def _creating(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _same(file: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to the open file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))
