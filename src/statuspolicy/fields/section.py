"""Header fields: text from a server -> a value or None, and never an exception."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf


class Fields:
    """A header section, parsed once: names in lower case, values as text."""

    __slots__ = ("_lines",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._lines: dict[str, list[bytes]] = {}
        for name, value in raw:
            self._lines.setdefault(name.lower().decode("latin-1"), []).append(value)

    @classmethod
    def of(cls, lines: Iterable[tuple[bytes, bytes, bytes]]) -> Fields:
        """Parse lines as the HTTP library keeps them: name, name in lower case, value."""
        fields = cls.__new__(cls)
        found: dict[str, list[bytes]] = {}
        for _, name, value in lines:
            key = name.decode("latin-1")
            if key in found:
                found[key].append(value)
            else:
                found[key] = [value]
        fields._lines = found
        return fields

    def all(self, name: str) -> list[str]:
        """Each line of the field `name` (lower case), without the white space around it."""
        return [_text(value) for value in self._lines.get(name, ())]

    def get(self, name: str) -> str | None:
        """The lines of the field `name` as one list value (RFC 9110 §5.3), or None."""
        lines = self._lines.get(name)
        return None if lines is None else ", ".join(map(_text, lines))

    def one(self, name: str) -> str | None:
        """The value of a field that should not be repeated; None where two lines differ."""
        lines = self._lines.get(name)
        if lines is None or len(lines) == 1:
            return None if lines is None else _text(lines[0])
        values = set(map(_text, lines))
        return values.pop() if len(values) == 1 else None

    def raw(self, name: str) -> bytes:
        """The first line of an existing field, as it was written."""
        return self._lines[name][0].strip(b" \t")

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)


NO_FIELDS = Fields(())


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip(" \t")
    except UnicodeDecodeError:
        return value.decode("latin-1").strip(" \t")


def members(value: str) -> list[str]:
    """The members of a list, without the white space around them (RFC 9110 §5.6.1).

    A comma inside a quoted string does not separate; after a quote that is never closed, it does.
    """
    parts = value.split(",")
    if '"' in value:
        whole, begin, quoted, escaped = [], 0, False, False
        for at, char in enumerate(value):
            if escaped:
                escaped = False
            elif char == '"':
                quoted = not quoted
            elif quoted:
                escaped = char == "\\"
            elif char == ",":
                whole.append(value[begin:at])
                begin = at + 1
        parts = parts if quoted else [*whole, value[begin:]]
    return [member for part in parts if (member := part.strip(" \t"))]


def digits(value: str | None) -> float | None:
    """A string of ASCII digits as a number; infinity if it is too long. None for other text."""
    if value is None or not (value.isascii() and value.isdigit()):
        return None
    significant = value.lstrip("0") or "0"
    return float(significant) if len(significant) < 300 else inf
