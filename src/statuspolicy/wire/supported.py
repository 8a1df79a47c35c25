"""Checks that the installed libraries still have the private names that this package uses.

For each library, one module uses such names (`wire/httpx_internals.py` and the like), and has a
check for each, on a real object. The checks run once in a process, when the first transport is
made. Without them, a feature whose private name was removed would silently do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

# The versions with which the tests were run; pyproject.toml has the same.
TESTED = {
    "httpx": ">=0.28,<0.29",
    "httpx2": ">=2.16,<2.17",
    "httpcore": ">=1.0.9,<1.1",
    "httpcore2": ">=2.16,<2.17",  # httpx2 requires the version that is its own
    "h11": ">=0.16,<0.17",
    "h2": ">=4.3,<5",
    "Python": ">=3.11,<3.16",
}

_MOST = 3  # names that an error lists

# The features that read the sockets.
SOCKETS = "pinned addresses, Limits.total in threads, Expect, the proof that a request was not read"


class UnsupportedVersion(RuntimeError):
    """An installed library lacks a private name that this package uses."""


class Name(NamedTuple):
    """A private name of another library.

    name: as its source has it, such as "Headers._list".
    use: the feature that depends on it.
    found: a check on a real object; the name is missing if it returns false or raises.
    """

    name: str
    use: str
    found: Callable[[], object]


def missing(names: Iterable[Name]) -> list[Name]:
    """The names that are missing."""
    return [name for name in names if not _is_there(name)]


def require(library: str, names: Iterable[Name]) -> None:
    """Raise UnsupportedVersion if a library lacks one of the names."""
    gone = missing(names)
    if gone:
        more = f" and {len(gone) - _MOST} more" if len(gone) > _MOST else ""
        what = ", ".join(name.name for name in gone[:_MOST]) + more
        uses = ", ".join(dict.fromkeys(use for name in gone for use in name.use.split(", ")))
        raise UnsupportedVersion(
            f"{library} {_version(library)} has no {what}, which statuspolicy needs ({uses}): "
            f"install {library}{TESTED[library]}."
        )


def _is_there(name: Name) -> bool:
    try:
        return bool(name.found())
    except Exception:  # noqa: BLE001 - a library that changed may raise anything
        return False


def _version(library: str) -> str:
    import platform
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    if library == "Python":
        return platform.python_version()
    try:
        return version(library)
    except PackageNotFoundError:
        return "(of an unknown version)"
