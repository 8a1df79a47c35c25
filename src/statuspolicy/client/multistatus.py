"""`multistatus`: the parts of a 207, parsed while they come (RFC 4918 §13, §14.24)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from statuspolicy._value import Record
from statuspolicy.message.content import apieces, pieces
from statuspolicy.message.redirected import target
from statuspolicy.printable import given
from statuspolicy.wire.httpx_internals import request_of
from statuspolicy.wire.library import ANY, LIBRARY_OF, meet

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from httpx import DecodingError, Response

_PIECE = 8 * 1024  # bytes that are parsed at once
_DEEPEST = 256  # elements inside each other
# Of one DAV:response:
_LONGEST = 16 * 1024 * 1024  # bytes
_MOST = 65_536  # elements and attributes
# Of one tag or comment, which the parser returns as a whole: expat writes the URI of the namespace
# before the name of each attribute, so that their lengths multiply.
_LONGEST_TAG = 32 * 1024  # bytes
_LONGEST_URI = 2_000  # characters
_SMALL_TAG = 4 * 1024  # bytes
# Of all different names in a body, which the parser keeps to its end.
_NAMES = 1024 * 1024  # characters, with so many more for each:
_OF_A_NAME = 64
_DAV = "{DAV:}"


class Part(Record):
    """The status of one resource in a 207, or of some of its properties.

    href: the resource, as the server wrote it; `response.url.join(part.href)` is its URL.
    status: the status code; None where it can't be parsed.
        `statuspolicy.STANDARD.row(part.status)` is its row.
    error: the preconditions and postconditions that failed (RFC 4918 §16), as `{DAV:}name`.
    description: a text for people; "" where there is none.
    location: the target of a 3xx; "" where there is none.
    prop: the `DAV:prop` element with the properties that have this status, and their values; None
        where the status is of the whole resource.
    """

    __module__ = "statuspolicy"

    href: str
    status: int | None
    error: tuple[str, ...] = ()
    description: str = ""
    location: str = ""
    prop: Element | None = None


class Multistatus:
    """The parts of a 207: iterate over it, in async clients with `async for`."""

    __module__ = "statuspolicy"

    def __init__(self, response: Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[Part]:
        parser = _Parser(self._response)
        for chunk in pieces(self._response):
            yield from parser.feed(chunk)
        yield from parser.end()

    async def __aiter__(self) -> AsyncIterator[Part]:
        parser = _Parser(self._response)
        chunks: Any = apieces(self._response)
        try:
            async for chunk in chunks:
                for part in parser.feed(chunk):
                    yield part
            for part in parser.end():
                yield part
        finally:
            await chunks.aclose()


def multistatus(response: Response) -> Multistatus:
    """The parts of a 207: one for each `DAV:response`, or for each `propstat` in it.

    response: a 207, read or streaming. While it streams, the parts come as it is received, and
        only one `DAV:response` is in memory.

    As in `for part in multistatus(response)`, or `async for` with an AsyncClient's.

    Raises `httpx.DecodingError`, after the parts before the error, if the body is not such XML, is
    truncated, or has a document type (its entities could expand without end). Also if one
    `DAV:response` is longer than 16 MiB, has more than 65,536 elements and attributes or a tag
    above 32 KiB, and if there are more than some 10,000 different names.
    """
    meet(response)
    if not isinstance(response, ANY.Response):
        raise TypeError(f"multistatus({given(response)}): give an httpx.Response.")
    return Multistatus(response)


class _Parser:
    """A parser: bytes in, parts out."""

    def __init__(self, response: Response) -> None:
        # Here, so that a program without WebDAV never loads them.
        from xml.etree.ElementTree import TreeBuilder
        from xml.parsers.expat import ExpatError, ParserCreate

        self._response = response
        self._new_tree = TreeBuilder
        self._malformed = ExpatError
        self._tree: Any = None  # of the DAV:response that is being read
        self._depth = self._length = self._count = 0
        self._ready: deque[Element] = deque()  # each DAV:response that is complete
        self._waiting = bytearray()  # bytes that are not parsed yet
        self._parsed = self._open = 0  # bytes: all, and those of the tag that has no end yet
        self._names: dict[str | None, str] = {}  # expat's form of a name: that of ElementTree
        self._named = 0
        self._expat = expat = ParserCreate(namespace_separator="}")
        # With their prefixes: expat stores each name as it was written.
        expat.namespace_prefixes = True
        expat.buffer_text = True
        expat.StartDoctypeDeclHandler = self._doctype
        expat.StartNamespaceDeclHandler = self._namespace
        expat.StartElementHandler = self._start
        expat.EndElementHandler = self._end
        expat.CharacterDataHandler = self._text

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """The parts that are complete with these bytes."""
        # expat parses an incomplete tag from its beginning: a long one only after it has doubled.
        if self._open > _SMALL_TAG and len(self._waiting) + len(chunk) < self._open:
            self._waiting += chunk
            return
        if self._waiting:
            chunk, self._waiting = bytes(self._waiting) + chunk, bytearray()
        # In pieces, since a body that was read comes as one chunk.
        for at in range(0, len(chunk), _PIECE):
            error = self._read(chunk[at : at + _PIECE])
            while self._ready:
                yield from _parts(self._ready.popleft())
            if error is not None:
                raise error

    def end(self) -> Iterator[Part]:
        """The last parts; raises DecodingError if the body is truncated."""
        self._open = 0
        yield from self.feed(b"")
        if (error := self._read(b"", end=True)) is not None:
            raise error

    def _read(self, piece: bytes, end: bool = False) -> DecodingError | None:
        self._length += len(piece)
        self._parsed += len(piece)
        try:
            self._expat.Parse(piece, end)
        except (_Flawed, LookupError, ValueError) as flaw:  # the latter of odd encodings
            return self._no(str(flaw))
        except self._malformed as malformed:
            return self._no(f"it is not well-formed ({malformed})")
        self._open = self._parsed - max(self._expat.CurrentByteIndex, 0)
        if self._open > _LONGEST_TAG:
            return self._no(f"one of its tags or comments is longer than {_LONGEST_TAG} bytes")
        too_long = f"one of its parts is longer than {_LONGEST} bytes"
        return self._no(too_long) if self._length > _LONGEST else None

    def _no(self, why: str) -> DecodingError:
        request = request_of(self._response)
        where = f" of {target(request.url)}" if request is not None else ""
        message = (
            f"The body of the {self._response.status_code}{where} is not a multistatus: {why}."
        )
        return LIBRARY_OF[type(self._response)].DecodingError(message, request=request)

    def _doctype(self, *_: object) -> None:
        raise _Flawed("it has a document type (DOCTYPE), which could expand without end")

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        if len(uri or "") > _LONGEST_URI:
            raise _Flawed(f"the URI of a namespace is longer than {_LONGEST_URI} characters")
        self._name(prefix)
        self._name(uri)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = self._name(name)
        self._depth += 1
        if self._depth == 1 and tag != _DAV + "multistatus":
            raise _Flawed(f"its root element is {tag}")
        if self._depth > _DEEPEST:
            raise _Flawed(f"its elements are nested more than {_DEEPEST} deep")
        if self._depth == 2:
            self._length = self._count = 0
            self._tree = self._new_tree() if tag == _DAV + "response" else None
        named = {self._name(key): value for key, value in attributes.items()}
        if self._tree is not None:
            self._count += 1 + len(named)
            if self._count > _MOST:
                raise _Flawed(f"one of its parts has more than {_MOST} elements and attributes")
            self._tree.start(tag, named)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._tree is None:
            return
        self._tree.end(self._name(name))
        if self._depth == 1:
            self._ready.append(self._tree.close())
            self._tree = None

    def _text(self, text: str) -> None:
        if self._tree is not None:
            self._tree.data(text)

    def _name(self, raw: str | None) -> str:
        """`{uri}local` of expat's `uri}local}prefix`."""
        known = self._names.get(raw)
        if known is None:
            self._named += _OF_A_NAME + len(raw or "")
            if self._named > _NAMES:
                raise _Flawed("it has too many different names")
            uri, _, name = (raw or "").partition("}")
            known = self._names[raw] = "{" + uri + "}" + name.partition("}")[0] if name else uri
        return known


class _Flawed(Exception):
    """The body is not valid, for this reason."""


def _parts(response: Element) -> Iterator[Part]:
    """RFC 4918 §14.24: a response has either hrefs and one status, or one href and propstats.

    If there are several of both, only the first href gets the propstats: all for each would be
    more than the server sent.
    """
    hrefs = [_text_of(element) for element in response.iterfind(_DAV + "href")] or [""]
    location = _text_of(response.find(f"{_DAV}location/{_DAV}href"))
    whole = _first(response)
    error, description = _error(whole.get("error")), _text_of(whole.get("responsedescription"))
    for propstat in response.iterfind(_DAV + "propstat"):
        said = _first(propstat)
        yield Part(
            href=hrefs[0],
            status=_status(_text_of(said.get("status"))),
            error=_error(said.get("error")) or error,
            description=_text_of(said.get("responsedescription")) or description,
            location=location,
            prop=said.get("prop"),
        )
    status, prop = _status(_text_of(whole.get("status"))), whole.get("prop")
    for href in hrefs[1:] if "propstat" in whole else hrefs:
        yield Part(href, status, error, description, location, prop)


def _first(element: Element) -> dict[str, Element]:
    """The first child element of each local name, in the namespace DAV:."""
    found: dict[str, Element] = {}
    for child in element:
        if child.tag.startswith(_DAV):
            found.setdefault(child.tag[len(_DAV) :], child)
    return found


def _text_of(element: Element | None) -> str:
    return "".join(element.itertext()).strip() if element is not None else ""


def _status(line: str) -> int | None:
    """`HTTP/1.1 404 Not Found` -> 404."""
    words = line.split(maxsplit=2)
    code = words[1] if len(words) > 1 else ""
    return int(code) if len(code) == 3 and code.isascii() and code.isdigit() else None


def _error(element: Element | None) -> tuple[str, ...]:
    return tuple(child.tag for child in element) if element is not None else ()
