"""The file that a path leads to, and the permissions of a file that is replaced."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def place(named: str | os.PathLike[str]) -> tuple[Path, bool]:
    """The file that a path leads to through links, and whether it is a device or a pipe.

    Raises OSError where the path is a directory, or can't be a file.
    """
    path, found = Path(named), None
    with suppress(FileNotFoundError, NotADirectoryError):
        found = path.stat()
    if os.fspath(named).endswith(os.sep) or (found and stat.S_ISDIR(found.st_mode)):
        raise IsADirectoryError(f"{named or path} is a directory: name the file to write.")
    if found is not None and not stat.S_ISREG(found.st_mode):
        return path, True
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    if not real.parent.is_dir():
        raise FileNotFoundError(f"{real}: the directory does not exist: create it first.")
    return real, False


def private(path: Path) -> int:
    """The permissions of the part of a file, which its owner has to write to."""
    old = _file(path)
    return 0o666 if old is None else (stat.S_IMODE(old.st_mode) & 0o777) | 0o600


def make_alike(file: BinaryIO, path: Path) -> None:
    """Give an open file the owner and the permissions of the file that it will replace.

    Raises FileExistsError where that is no longer a regular file.
    """
    old = _file(path)
    if old is None:
        return
    # AttributeError: Windows. Only root can change the owner; a failure is ignored.
    for owner in ((-1, old.st_gid), (old.st_uid, -1)):
        with suppress(OSError, AttributeError):
            os.fchown(file.fileno(), *owner)
    with suppress(OSError, AttributeError):
        os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode) & 0o777)


def _file(path: Path) -> os.stat_result | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(f"{path} is no longer a regular file: it was not replaced.")
    return found
