"""The file under its temporary name, with its journal: locked, synced, renamed at the end."""

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
from statuspolicy.downloads.destination import make_alike, private
from statuspolicy.downloads.digests import Digest
from statuspolicy.downloads.journal import Journal
from statuspolicy.downloads.spans import ENDLESS, Span, gaps, with_span
from statuspolicy.fields.section import Fields
from statuspolicy.memory.locks import synchronized

_MOST_NAMES = 10  # names that are tried for a part
# A file of another user, a directory, a socket. (A symbolic link there is an error.)
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO)
_FOREIGN = b"?"
EVERY = 1.0  # seconds between two writes of the journal, which wait for the disk


class PartFile:
    """`NAME.part` and `NAME.part.json`, in the directory of the file that they become.

    path: the path of the file, not of a link. url: a digest of the requested URL; a part of
        another URL is not resumed. resume: whether a part may be resumed.

    A `NAME.part` without a journal belongs to another program: it is left alone, and the part is
    `NAME.1.part`. A part of another URL stays until bytes of the new file come.

    The operating system locks the part as long as this object lives, so a killed process leaves
    no lock behind. The methods may be called from several threads.

    Raises BlockingIOError where another download uses the part.
    """

    _blank = False  # whether the journal on the disk has no bytes

    def __init__(self, path: Path, url: str, resume: bool) -> None:
        self.path = path
        self._url = url
        self._lock = threading.Lock()
        self._recorded = time.monotonic()
        self.journal: Journal | None = None
        self.epoch = 0  # how often the file was begun
        self._file: Any = None  # set by the call that opens it: Ctrl-C may come anywhere
        self._fresh = False  # whether the part may be deleted
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
        """Open a part, under the first name that no other program uses."""
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
                    self.journal = journal.read(side, self._url, size)
                return True
            self._give_up()
        return False

    def _open(self) -> None:
        """Open an existing part, or create one, and lock it."""
        opener = partial(os.open, mode=private(self.path))  # not more permissions than the file has
        while True:
            self._fresh = False
            try:
                self._file = open(self.part, "r+b", buffering=0, opener=_plainly)  # noqa: SIM115
            except FileNotFoundError:
                self._fresh = True
                try:
                    self._file = open(self.part, "x+b", buffering=0, opener=opener)  # noqa: SIM115
                except FileExistsError:  # another process was faster
                    continue
            try:
                _lock(self._file)
            except BlockingIOError:
                self._fresh = False
                text = "another download is writing to this file"
                raise BlockingIOError(errno.EWOULDBLOCK, text, str(self.part)) from None
            # Its former owner may have renamed it meanwhile.
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
        """Write a journal without bytes, which marks the part as one of ours."""
        self._put(journal.dumped_blank(self._url))
        self._blank = True

    @property
    def missing(self) -> list[Span]:
        """The missing spans."""
        now = self.journal
        assert now is not None
        return gaps(now.there, ENDLESS if now.length is None else now.length)

    @property
    def count(self) -> int:
        """How many bytes are there."""
        return 0 if self.journal is None else self.journal.count

    @synchronized
    def begin(self, came_from: str, fields: Fields) -> None:
        """Begin the file again, with a response that has these fields; the old bytes are lost."""
        self.epoch += 1
        if not self._blank:
            self._mark()  # the old journal goes before the bytes that it describes
        self._fresh = True
        self._file.truncate(0)
        self.journal = journal.begun(self._url, came_from, fields)

    @synchronized
    def forget(self) -> None:
        """Forget the part; its bytes are lost only when a new file begins."""
        self.epoch += 1
        self.journal = None

    @synchronized
    def measured(self, length: int) -> None:
        """Set the length of the whole."""
        assert self.journal is not None
        self.journal = self.journal._replace(length=length)

    @synchronized
    def write(self, first: int, data: bytes, epoch: int) -> None:
        """Write bytes, and sometimes the journal; bytes of an older epoch are ignored."""
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
        """Write the journal, after the bytes that it names: so it is right after a crash.

        False where the part can't be resumed, so that there is nothing to write.
        """
        self._recorded = time.monotonic()
        line = b"" if self.journal is None else journal.dumped(self.journal)
        if not line:
            return False
        os.fsync(self._file.fileno())
        self._put(line, sync=True)
        self._blank = False
        return True

    def _put(self, line: bytes, sync: bool = False) -> None:
        """Write the journal file in one step."""
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
        """A new temporary file, and its name; files of other programs are not touched."""
        self._drop_new()  # an earlier process may have been killed
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
            content = _content(self._new)
            if content is not None and (journal.is_one(content) or not content):
                self._new.unlink(missing_ok=True)

    def mismatch(self, wanted: list[Digest]) -> str:
        """The first digest that the complete file does not match, in words; or ""."""
        return digests.mismatch(self._file, wanted)

    def finish(self) -> None:
        """Rename the complete part to the file, in one step."""
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
        """Delete the part and its journal."""
        self._unlink_side()
        self.part.unlink(missing_ok=True)
        self.journal = None

    def _unlink_side(self) -> None:
        self.side.unlink(missing_ok=True)
        self._drop_new()

    @synchronized
    def close(self) -> None:
        """Close the part; one that can be resumed stays, with its journal."""
        with suppress(OSError):  # of a full disk: the last journal is still right
            if not self.record() and self._fresh and _same(self._file, self.part):
                self.discard()
        self.journal = None
        self._file.close()


def _names(name: str) -> list[str]:
    return [name, *(f"{name}.{n}" for n in range(1, _MOST_NAMES))]


def _plainly(path: str, flags: int) -> int:
    """Open a regular file, without waiting and without following a link."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _content(path: Path) -> bytes | None:
    """The beginning of a file; None where there is none, `_FOREIGN` for anything else."""
    try:
        with open(path, "rb", opener=_plainly) as file:
            plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(journal.MOST + 1) if plain else _FOREIGN
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no file can have this name
            raise
        return _FOREIGN


def _lock(file: BinaryIO) -> None:
    with suppress(ImportError):  # Windows: there two downloads to a path are not detected
        from fcntl import LOCK_EX, LOCK_NB, flock

        flock(file, LOCK_EX | LOCK_NB)


def _same(file: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to the open file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))
