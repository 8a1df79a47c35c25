"""A device or a named pipe, which gets a file at the end, once it is whole and verified."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from statuspolicy.downloads.partfile import PartFile
from statuspolicy.locks import alone

_BLOCK = 256 * 1024


class Sink(PartFile):
    """A file without a name until it is whole, which then is copied to where the path leads.

    It can't be gone on with later. Raises OSError where nobody may write to it, or nobody reads.
    """

    def __init__(self, path: Path) -> None:
        from tempfile import TemporaryFile

        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        try:
            self._sink = os.open(path, flags)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            # To wait for a reader might be to wait for ever.
            text = "no process reads from it, or it is a socket"
            raise OSError(errno.ENXIO, text, str(path)) from None
        try:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - it stays open
        except BaseException:
            os.close(self._sink)
            raise
        self.path = path
        self._asked = ""
        self._lock = threading.Lock()
        self._recorded = 0.0
        self._fresh = True
        self.journal = None
        self.epoch = 0

    def _mark(self) -> None:
        """There is nobody to be told whose it is."""

    def record(self) -> bool:
        """Nothing is recorded."""
        return False

    def finish(self) -> None:
        """All of it, to where the path leads."""
        assert self.journal is not None
        self._file.seek(0)
        left = self.journal.length or 0
        os.set_blocking(self._sink, True)
        while left and (block := self._file.read(min(left, _BLOCK))):
            left -= len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(self._sink, view) :]
        self.journal = None

    def discard(self) -> None:
        """There is nothing to leave behind."""
        self.journal = None

    @alone
    def close(self) -> None:
        """Let go of both."""
        self.journal = None
        self._file.close()
        os.close(self._sink)
