"""207: the several answers in one, read as they come (RFC 4918 §13, §14.24)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from statuspolicy._value import Record

from ._lib import DecodingError, Response
from .hop import target

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_LONGEST = 16 * 1024 * 1024  # bytes of one DAV:response
_PIECE = 64 * 1024  # bytes that are read at once
_DEEPEST = 256  # elements inside each other
_DAV = "{DAV:}"


class Part(Record):
    """What a 207 says of one resource, or of some of its properties.

    href: the resource, as the server wrote it; `response.url.join(part.href)` leads there.
    status: its status code; None where none can be read.
        `statuspolicy.STANDARD.row(part.status)` says what that asks of a client.
    error: the preconditions and postconditions that failed (RFC 4918 §16), as `{DAV:}name`.
    description: for a human; "" where nothing is said.
    location: where a 3xx of this part leads; "" where it says nothing.
    prop: the `DAV:prop` element whose properties the status is about, with their values; None
        where it is about the whole resource.
    """

    href: str
    status: int | None
    error: tuple[str, ...] = ()
    description: str = ""
    location: str = ""
    prop: Element | None = None


class Multistatus:
    """The parts of a 207: iterate over it, in async clients with `async for`."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[Part]:
        parser = _Parser(self._response)
        for chunk in self._response.iter_bytes():
            yield from parser.feed(chunk)
        parser.end()

    async def __aiter__(self) -> AsyncIterator[Part]:
        parser = _Parser(self._response)
        chunks: Any = self._response.aiter_bytes()
        try:
            async for chunk in chunks:
                for part in parser.feed(chunk):
                    yield part
            parser.end()
        finally:
            await chunks.aclose()


def multistatus(response: Response) -> Multistatus:
    """The parts of a 207's body: one for each `DAV:response`, or for each `propstat` in it.

    response: a 207, read or streaming: then the parts come while it is received, and no more
        than one of them is held.

    As in `for part in multistatus(response)`, or `async for` with an AsyncClient's.

    Raises `httpx.DecodingError` where the body is no such XML, is cut off, or has a document
    type (an entity in it could grow without end), after the parts that came before that.
    """
    if not isinstance(response, Response):
        raise TypeError(f"multistatus({response!r}): give an httpx.Response.")
    return Multistatus(response)


class _Parser:
    """Bytes in, parts out."""

    def __init__(self, response: Response) -> None:
        # Here, so that a program without WebDAV never loads them.
        from xml.etree.ElementTree import TreeBuilder
        from xml.parsers.expat import ExpatError, ParserCreate

        self._response = response
        self._new_tree = TreeBuilder
        self._malformed = ExpatError
        self._tree: Any = None  # of the DAV:response that is being read
        self._depth = self._length = 0
        self._parts: list[Part] = []
        self._expat = expat = ParserCreate(namespace_separator="}")
        expat.buffer_text = True
        expat.StartDoctypeDeclHandler = self._doctype
        expat.StartElementHandler = self._start
        expat.EndElementHandler = self._end
        expat.CharacterDataHandler = self._text

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """The parts that are complete with these bytes."""
        # In pieces, since a body that was read comes as one.
        for at in range(0, len(chunk), _PIECE):
            error = self._read(chunk[at : at + _PIECE])
            yield from self._parts
            self._parts.clear()
            if error is not None:
                raise error

    def end(self) -> None:
        """There are no more; raises DecodingError where there had to be."""
        if (error := self._read(b"", end=True)) is not None:
            raise error

    def _read(self, piece: bytes, end: bool = False) -> DecodingError | None:
        self._length += len(piece)
        try:
            self._expat.Parse(piece, end)
        except (_Flawed, LookupError, ValueError) as flaw:  # the latter of odd encodings
            return self._no(str(flaw))
        except self._malformed as malformed:
            return self._no(f"it is not well-formed ({malformed})")
        too_long = f"one of its parts is longer than {_LONGEST} bytes"
        return self._no(too_long) if self._length > _LONGEST else None

    def _no(self, why: str) -> DecodingError:
        request = self._response._request
        where = f" of {target(request.url)}" if request is not None else ""
        message = f"The body of the {self._response.status_code}{where} is no multistatus: {why}."
        return DecodingError(message, request=request)

    def _doctype(self, *_: object) -> None:
        raise _Flawed("it has a document type, whose entities could grow without end")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = _name(name)
        self._depth += 1
        if self._depth == 1 and tag != _DAV + "multistatus":
            raise _Flawed(f"it is a {tag}")
        if self._depth > _DEEPEST:
            raise _Flawed(f"more than {_DEEPEST} of its elements are inside each other")
        if self._depth == 2:
            self._length = 0
            self._tree = self._new_tree() if tag == _DAV + "response" else None
        if self._tree is not None:
            self._tree.start(tag, {_name(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._tree is None:
            return
        self._tree.end(_name(name))
        if self._depth == 1:
            self._parts += _parts(self._tree.close())
            self._tree = None

    def _text(self, text: str) -> None:
        if self._tree is not None:
            self._tree.data(text)


class _Flawed(Exception):
    """Why a body is none that is read on."""


def _name(name: str) -> str:
    return "{" + name if "}" in name else name


def _parts(response: Element) -> Iterator[Part]:
    """RFC 4918 §14.24: a response has either hrefs and one status, or one href and propstats."""
    hrefs = [_text_of(element) for element in response.iterfind(_DAV + "href")]
    location = _text_of(response.find(f"{_DAV}location/{_DAV}href"))
    propstats = response.findall(_DAV + "propstat")
    for href in hrefs or [""]:
        for said in propstats or [response]:
            own = _text_of(said.find(_DAV + "responsedescription"))
            yield Part(
                href=href,
                status=_status(_text_of(said.find(_DAV + "status"))),
                error=_error(said.find(_DAV + "error")) or _error(response.find(_DAV + "error")),
                description=own or _text_of(response.find(_DAV + "responsedescription")),
                location=location,
                prop=said.find(_DAV + "prop"),
            )


def _text_of(element: Element | None) -> str:
    return "".join(element.itertext()).strip() if element is not None else ""


def _status(line: str) -> int | None:
    """`HTTP/1.1 404 Not Found` -> 404."""
    words = line.split(maxsplit=2)
    code = words[1] if len(words) > 1 else ""
    return int(code) if len(code) == 3 and code.isascii() and code.isdigit() else None


def _error(element: Element | None) -> tuple[str, ...]:
    return tuple(child.tag for child in element) if element is not None else ()
