"""`multipart/byteranges` (RFC 9110 §14.6), parsed while it comes and within bounds."""

from __future__ import annotations

import re

from statuspolicy.fields.ranges import content_range
from statuspolicy.fields.section import Fields

_MOST = 16 * 1024  # bytes before the first part, or of the fields of one part
_PARTS = 1000


class Unreadable(Exception):
    """A body is not valid multipart/byteranges, for this reason."""


def boundary(content_type: str) -> bytes:
    """The delimiter that a Content-Type names. Raises Unreadable."""
    # RFC 2046 §5.1.1: 1 to 70 of these characters, the last one not a space.
    allowed = r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]"
    found = re.search(rf';\s*boundary=(?:"({allowed})"|([^\s;"]+))', content_type, re.IGNORECASE)
    named = (found[1] or found[2]) if found else ""
    if not re.fullmatch(allowed, named):
        raise Unreadable("its Content-Type names no boundary")
    return b"--" + named.encode("ascii")


class ByteRanges:
    """The parser of one body.

    length: the length of the whole file, if it is known.

    The content of a part is not searched for the boundary: its Content-Range gives its length,
    and the boundary has to follow.
    """

    def __init__(self, content_type: str, length: int | None = None) -> None:
        self._delimiter = boundary(content_type)
        self._length = length
        self._buffer = b""
        self._rest = 0  # bytes still to come of the current part
        self._at = 0  # their position
        self._parts = 0
        self._begun = False
        self.ended = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The pieces of the data, each with the position of its first byte. Raises Unreadable."""
        self._buffer += data
        pieces: list[tuple[int, bytes]] = []
        while not self.ended:
            if self._rest:
                piece, self._buffer = self._buffer[: self._rest], self._buffer[self._rest :]
                if not piece:
                    break
                pieces.append((self._at, piece))
                self._at += len(piece)
                self._rest -= len(piece)
            elif not self._next_part():
                break
        if self.ended and len(self._buffer) > _MOST:
            raise Unreadable("the bytes after its last part do not end")
        return pieces

    def _next_part(self) -> bool:
        """Parse a delimiter and the fields of a part; False where they are not complete yet."""
        rest = self._buffer.lstrip(b"\r\n") if self._begun else self._buffer
        if self._begun and not rest.startswith(self._delimiter[: len(rest)]):
            raise Unreadable("one of its parts is not followed by the boundary")
        _, found, after = rest.partition(self._delimiter)
        if found and after.startswith(b"--"):
            self.ended = True
            return False
        lines, whole, rest = after.partition(b"\r\n\r\n")
        if not (found and whole):
            if len(self._buffer) > _MOST:
                raise Unreadable("the header fields of one of its parts do not end")
            return False
        self._begun = True
        self._open(lines)
        self._buffer = rest
        return True

    def _open(self, lines: bytes) -> None:
        fields = (line.partition(b":") for line in lines.split(b"\r\n"))
        # §15.3.7.2: "a Content-Range header field in each enclosed body part".
        extent = content_range(Fields((name.strip(), value) for name, _, value in fields))
        self._parts += 1
        if extent is None or self._parts > _PARTS:
            raise Unreadable("one of its parts has no valid Content-Range")
        first, last, length = extent
        if None not in (length, self._length) and length != self._length:
            raise Unreadable("one of its parts names another length of the whole")
        self._length = self._length if length is None else length
        self._at, self._rest = first, last + 1 - first
