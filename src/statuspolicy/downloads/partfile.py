"""The file under its temporary name, beside its journal: locked, synced, renamed when whole."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from statuspolicy.downloads import digests, journal
from statuspolicy.downloads.digests import Told
from statuspolicy.downloads.journal import Journal
from statuspolicy.downloads.place import make_alike, private
from statuspolicy.downloads.spans import ENDLESS, Span, gaps, with_span
from statuspolicy.fields import Fields
from statuspolicy.locks import alone

_MOST_NAMES = 10  # that are tried for a part
# Another user's, a directory, a socket. A link somebody put there for us: that is an error.
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO)
_FOREIGN = b"?"
EVERY = 1.0  # seconds between two records, each of which waits for the disk


class PartFile:
    """`NAME.part` and `NAME.part.json`, in the directory of the file that they become.

    path: of the file; no link. asked: a digest of the URL that is asked for; a part of something
        else is not taken up. resume: whether a part that is there is taken up at all.

    A `NAME.part` without such a journal is somebody else's: it is left alone, and the part is
    `NAME.1.part`. One of another URL is there until what takes its place begins to come.

    The part is locked by the operating system as long as this lives, so a process that was
    killed leaves no lock behind. Its methods may be called from several threads.

    Raises BlockingIOError where another download, of this process or of another one, has it.
    """

    _blank = False  # whether the journal on the disk says that nothing is there

    def __init__(self, path: Path, asked: str, resume: bool) -> None:
        self.path = path
        self._asked = asked
        self._lock = threading.Lock()
        self._recorded = time.monotonic()
        self.journal: Journal | None = None
        self.epoch = 0  # how often it was begun anew
        self._file: Any = None  # held from where it is opened: Ctrl-C may come anywhere
        self._fresh = False  # whether what is there is of no use to anybody
        try:
            if self._is_taken(resume):
                return
        except BaseException:
            self._give_up()
            raise
        raise FileExistsError(
            f"{path.with_name(path.name + '.part')} and similar names belong to other files: "
            "move these away, or choose another path."
        )

    def _is_taken(self, resume: bool) -> bool:
        """Open a part, under the first name that is not somebody else's."""
        for name in _names(self.path.name):
            self.part = self.path.with_name(name + ".part")
            self.side = self.path.with_name(name + ".part.json")
            self._new = self.path.with_name(name + ".part.json.new")
            try:
                self._open()
            except OSError as error:
                if error.errno in _NOT_OURS and os.path.lexists(self.part):
                    continue
                raise
            side = _content(self.side)
            ours = side is not None and journal.is_one(side)
            if ours or (self._fresh and side is None):
                if self._fresh:
                    self._mark()
                elif resume and side is not None:
                    size = os.fstat(self._file.fileno()).st_size
                    self.journal = journal.read(side, self._asked, size)
                return True
            self._give_up()
        return False

    def _open(self) -> None:
        """Open the part that is there, or else a new one. It is this process's own now."""
        opener = partial(os.open, mode=private(self.path))  # no more permissions than the file has
        while True:
            self._fresh = False
            try:
                self._file = open(self.part, "r+b", buffering=0, opener=_plainly)  # noqa: SIM115
            except FileNotFoundError:
                self._fresh = True
                try:
                    self._file = open(self.part, "x+b", buffering=0, opener=opener)  # noqa: SIM115
                except FileExistsError:  # somebody was quicker
                    continue
            try:
                _lock(self._file)
            except BlockingIOError:
                self._fresh = False
                text = "another download is writing to this file"
                raise BlockingIOError(errno.EWOULDBLOCK, text, str(self.part)) from None
            # The one who had it may have renamed it since.
            if _same(self._file, self.part):
                return
            self._file.close()

    def _give_up(self) -> None:
        if self._file is not None:
            if self._fresh:
                self.part.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def _mark(self) -> None:
        """Say on the disk that it is a download's, and that nothing is there yet."""
        self._put(journal.written_blank(self._asked))
        self._blank = True

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

    @alone
    def begin(self, came_from: str, fields: Fields) -> None:
        """Anew, with the response that has these fields. What is there is lost."""
        self.epoch += 1
        if not self._blank:
            self._mark()  # what speaks of the bytes goes before them
        self._fresh = True
        self._file.truncate(0)
        self.journal = journal.begun(self._asked, came_from, fields)

    @alone
    def forget(self) -> None:
        """As if nothing were there; it is lost only where something else begins."""
        self.epoch += 1
        self.journal = None

    @alone
    def measured(self, length: int) -> None:
        """The length of the whole, where it is known only now."""
        assert self.journal is not None
        self.journal = self.journal._replace(length=length)

    @alone
    def write(self, first: int, data: bytes, epoch: int) -> None:
        """Put bytes in their place, and now and then on record; not what is of an older epoch."""
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
        self._put(line, sync=True)
        self._blank = False
        return True

    def _put(self, line: bytes, sync: bool = False) -> None:
        """Write the file beside the part, or leave it as it was."""
        file, name = self._temporary()
        try:
            with file:
                file.write(line)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(name, self.side)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise

    def _temporary(self) -> tuple[BinaryIO, str | Path]:
        """A new file, and its name; nothing that is not ours is written to, or taken away."""
        self._drop_new()  # one of us may have been killed
        try:
            return open(self._new, "xb"), self._new
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENAMETOOLONG):
                raise
        from tempfile import mkstemp

        handle, name = mkstemp(prefix=".", suffix=".part.json", dir=self.side.parent)
        return open(handle, "wb"), name

    def _drop_new(self) -> None:
        with suppress(OSError):
            left = _content(self._new)
            if left is not None and (journal.is_one(left) or not left):
                self._new.unlink(missing_ok=True)

    def mismatch(self, told: list[Told]) -> str:
        """Which of the digests the whole file is not, in words; or ""."""
        return digests.mismatch(self._file, told)

    def finish(self) -> None:
        """The whole file, on the disk under its own name, or under none."""
        assert self.journal is not None
        assert self.journal.length is not None
        self._file.truncate(self.journal.length)
        make_alike(self._file, self.path)
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
        self._drop_new()

    @alone
    def close(self) -> None:
        """Let go of it; what can be gone on with stays, on record."""
        with suppress(OSError):  # of a full disk: what was recorded before still holds
            if not self.record() and self._fresh and _same(self._file, self.part):
                self.discard()
        self.journal = None
        self._file.close()


def _names(name: str) -> list[str]:
    return [name, *(f"{name}.{n}" for n in range(1, _MOST_NAMES))]


def _plainly(path: str, flags: int) -> int:
    """Open what is a file or nothing, without waiting and without following a link."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _content(path: Path) -> bytes | None:
    """The beginning of a file; None where there is none. What is no file says nothing of ours."""
    try:
        with open(path, "rb", opener=_plainly) as file:
            plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(journal.MOST + 1) if plain else _FOREIGN
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # so that nobody's can be there
            raise
        return _FOREIGN


def _lock(file: BinaryIO) -> None:
    with suppress(ImportError):  # Windows: there nothing keeps two downloads to a path apart
        from fcntl import LOCK_EX, LOCK_NB, flock

        flock(file, LOCK_EX | LOCK_NB)


def _same(file: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to the open file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))
