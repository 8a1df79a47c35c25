"""The size of a stored response in memory, without its body."""

from __future__ import annotations

from collections.abc import Iterable

# Bytes in Python 3.11 to 3.14: an entry, a line of its header section, a member of a parsed field,
# and a selecting field.
_ITSELF, _LINE, _MEMBER, _SELECTS = 2_400, 330, 110, 250
_READ = frozenset({b"cache-control", b"etag"})


def size(headers: Iterable[tuple[bytes, bytes]], vary: Iterable[tuple[str, str | None]]) -> int:
    """The approximate size in bytes, with the lazy values that a hit computes."""
    total = _ITSELF
    for name, value in headers:
        total += _LINE + 2 * len(name) + len(value)
        if name.lower() in _READ:
            total += len(value) + _MEMBER * value.count(b",")
    for field, said in vary:  # they are in its id, too
        total += _SELECTS + 2 * len(field) + 2 * len(said or "")
    return total
