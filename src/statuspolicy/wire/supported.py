"""Whether the other libraries that are installed still have the private names that are used here.

Every library has one module that touches such names (`wire/httpx_internals.py` and the like);
it says how to find each on a real object. They are looked for once in a process, when the first
transport is made: where one is gone, what depends on it would otherwise do nothing, in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

# The versions that the tests have run with; pyproject.toml says the same.
TESTED = {
    "httpx": ">=0.28,<0.29",
    "httpx2": ">=2.16,<2.17",
    "httpcore": ">=1.0.9,<1.1",
    "httpcore2": ">=2.16,<2.17",  # httpx2 asks for its own version of it
    "h11": ">=0.16,<0.17",
    "h2": ">=4.3,<5",
    "Python": ">=3.11,<3.16",
}

_MOST = 3  # names that an error lists

# What depends on hearing the sockets.
SOCKETS = "pinned addresses, Limits.total in threads, Expect, the proof that a request was not read"


class UnsupportedVersion(RuntimeError):
    """A library that is installed lacks a private name on which this package depends."""


class Name(NamedTuple):
    """A private name of another library.

    name: as its source has it, such as "Headers._list".
    use: what depends on it.
    found: looks for it on a real object; it is missing where this is false, or raises.
    """

    name: str
    use: str
    found: Callable[[], object]


def missing(names: Iterable[Name]) -> list[Name]:
    """The names that are not there."""
    return [name for name in names if not _is_there(name)]


def require(library: str, names: Iterable[Name]) -> None:
    """Raise UnsupportedVersion where a library lacks one of the names."""
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
