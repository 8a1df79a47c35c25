"""`Sink`: a device or a named pipe, which gets the file once it is complete and verified."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from statuspolicy.downloads.part_file import PartFile
from statuspolicy.memory.locks import synchronized

_BLOCK = 256 * 1024


class Sink(PartFile):
    """A temporary file that is copied to a device or a pipe at the end.

    It can't be resumed. Raises OSError where the path can't be written to, or no process reads.
    """

    def __init__(self, path: Path) -> None:
        from tempfile import TemporaryFile

        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        try:
            self._sink = os.open(path, flags)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            # A reader may never come.
            text = "no process reads from it, or it is a socket"
            raise OSError(errno.ENXIO, text, str(path)) from None
        try:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - it stays open
        except BaseException:
            os.close(self._sink)
            raise
        self.path = path
        self._url = ""
        self._lock = threading.Lock()
        self._recorded = 0.0
        self._fresh = True
        self.journal = None
        self.epoch = 0

    def _mark(self) -> None:
        """Do nothing: a temporary file needs no mark."""

    def record(self) -> bool:
        """Write no journal."""
        return False

    def finish(self) -> None:
        """Copy the file to the device or the pipe."""
        assert self.journal is not None
        self._file.seek(0)
        rest = self.journal.length or 0
        os.set_blocking(self._sink, True)
        while rest and (block := self._file.read(min(rest, _BLOCK))):
            rest -= len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(self._sink, view) :]
        self.journal = None

    def discard(self) -> None:
        """Forget the file."""
        self.journal = None

    @synchronized
    def close(self) -> None:
        """Close both."""
        self.journal = None
        self._file.close()
        os.close(self._sink)
