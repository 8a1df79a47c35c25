"""`ResponseTracker`: follows an HTTP/1.1 response: its interim responses, its status, and its end.

The parser of httpcore drops interim responses, and uses bytes after a response for the next request
on the connection. So the bytes are read here before the parser gets them, unchanged: the parser
still decides about the header section and the body.
"""

from __future__ import annotations

import re
from math import inf

from statuspolicy.fields.interim import Interim
from statuspolicy.fields.links import links
from statuspolicy.wire.context import NotHTTP

MOST = 100 * 1024  # bytes of all header sections of a response, as in httpcore
_FIRST = 160  # bytes that are shown of a response that can't be parsed

_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})[ \r\n]")
_TEMPLATE = b"HTTP/1.1 200 "  # to complete the beginning of a status line
_END = re.compile(rb"\n\r?\n")
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding):[ \t]*([^\r\n]*)", re.IGNORECASE)
_LINK = re.compile(rb"\nlink:([^\r\n]*)", re.IGNORECASE)


class ResponseTracker:
    """The response to one request.

    head: the header section of the request.

    `code` is the last status code that came, `interim` the interim responses, `first` the first
    bytes of the last header section. `goes_ahead`: whether a 100 came. `doubtful`: whether the
    response has two framings, so that its end is not sure.
    """

    __slots__ = (
        "_bodiless",
        "_line",
        "_pending",
        "_rest",
        "_seen",
        "_trailer",
        "_tunnel",
        "_whole",
        "code",
        "doubtful",
        "first",
        "goes_ahead",
        "interim",
    )  # fmt: skip

    def __init__(self, head: bytes) -> None:
        self._bodiless = head.startswith(b"HEAD ")
        self._tunnel = head.startswith(b"CONNECT ")
        self._pending = b""  # an incomplete header section
        self._seen = 0  # bytes of header sections
        self._whole = False
        self._rest: float = 0  # bytes of the body, or of a chunk and the line end after it
        self._line: bytes | None = None  # the beginning of a chunk's first line
        self._trailer = False
        self.code = 0
        self.goes_ahead = False
        self.doubtful = False
        self.first = b""
        self.interim: list[Interim] = []

    @property
    def final(self) -> bool:
        """Whether the final status line is there (RFC 9110 §15.2)."""
        return self.code >= 200 or self.code == 101

    @property
    def switches(self) -> bool:
        """Whether the following bytes are not HTTP (RFC 9110 §7.8, §9.3.6)."""
        return self._whole and (self.code == 101 or (self._tunnel and 200 <= self.code < 300))

    def consume(self, data: bytes) -> int:
        """Return how many of the next bytes belong to the response; b"" is the end of the stream.

        Raises NotHTTP.
        """
        if self._whole:
            return self._body(data, 0)
        if not data and self._pending:
            raise NotHTTP("its header section is truncated")
        before = len(self._pending)
        head, at = self._pending + data, 0
        searched = max(before - 3, 0)
        while True:
            self.first = head[at : at + _FIRST]
            self.code = _code(head[at : at + len(_TEMPLATE)])
            self.goes_ahead = self.goes_ahead or self.code == 100
            end = _END.search(head, max(at, searched)) if self.code else None
            if end is None:
                break
            section = head[at : end.end()]
            if self.final:
                self._whole = True
                self._frame(section)
                return self._body(head, end.end()) - before
            self.interim.append(_interim(self.code, section))
            at = end.end()
        self._seen += len(data)
        if self._seen > MOST:
            raise NotHTTP(f"its header section is longer than {MOST // 1024} KiB")
        self._pending = head[at:]
        return len(data)

    def _frame(self, head: bytes) -> None:
        """Note the framing of the body (RFC 9112 §6.3)."""
        said = {name.lower(): value for name, value in _FRAMING.findall(head)}
        length = said.get(b"content-length", b"")
        if self.switches:
            self._rest = inf
        elif self._bodiless or self.code in (204, 304):
            self._rest = 0
        elif b"transfer-encoding" in said:
            self._line = b""
            # RFC 9112 §6.3: "Such a message might indicate an attempt to perform […] response
            # splitting […] and ought to be handled as an error."
            self.doubtful = bool(length)
        else:
            self._rest = int(length) if length.isdigit() and len(length) < 20 else inf

    def _body(self, data: bytes, at: int) -> int:
        """Return where the response ends in these bytes; the body is from `at` on."""
        while True:
            step = min(self._rest, len(data) - at)
            self._rest -= step
            at += int(step)
            if self._line is None or at == len(data):
                return at
            end = data.find(b"\n", at) + 1
            line = self._line + data[at : end or None]
            if not end:
                self._line = line[:_FIRST]  # no chunk size is longer
                return len(data)
            self._line, at = b"", end
            if self._trailer:
                if not line.strip():
                    self._line = None
                continue
            size = _hexadecimal(line)
            self._trailer = not size
            self._rest = size + len(b"\r\n") if size else 0


def length_of(head: bytes) -> int | None:
    """The Content-Length in a header section that httpcore wrote."""
    said = dict(_FRAMING.findall(head.lower())).get(b"content-length", b"")
    return int(said) if said.isdigit() else None


def _code(head: bytes) -> int:
    """The code of a status line; 0 if it is not complete yet."""
    lacks = _TEMPLATE[len(head) :]
    found = _STATUS_LINE.match(head + lacks)
    if found is None:
        raise NotHTTP("it does not begin with a status line")
    return 0 if lacks else int(found[1])


def _interim(code: int, head: bytes) -> Interim:
    field = b",".join(_LINK.findall(head)).decode("latin-1") if code == 103 else ""
    return Interim(code, links(field))


def _hexadecimal(line: bytes) -> float:
    """The size of a chunk; infinity if it is not valid: then the parser decides."""
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16) if len(digits) <= 20 else inf
    except ValueError:
        return inf
