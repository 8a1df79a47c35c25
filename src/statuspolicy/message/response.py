"""`PolicyResponse`, which keeps its own request and history, and has the trace.

After a transport returns, the client sets its first request and an empty history on the response,
stores its cookies under that request's host, and follows a redirect that the policy declined. So
after a hop the policy returns a response of this class.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from statuspolicy.message.cookies import without_cookies
from statuspolicy.message.steps import Step, Trace
from statuspolicy.message.streams import content_of
from statuspolicy.wire.httpx_internals import CONTENT, REQUEST
from statuspolicy.wire.library import (
    ANY,
    LIBRARY_OF,
    Library,
    MadeClasses,
    is_lasting,
    remember,
    several,
)

if TYPE_CHECKING:
    from httpx import Headers, Request, Response

TRACE = "_statuspolicy_trace"  # in __dict__, so that it is pickled too
_NOTE = "statuspolicy sent"
_PEEK = 64 * 1024  # bytes
CACHED = "statuspolicy.cache"  # in `extensions`: what the cache did, a CacheStatus


if TYPE_CHECKING:
    from httpx import Response as _Response
else:
    _Response = object  # `_kind` and `_stored` add the class of the library


class PolicyResponse(_Response):
    """A response with the request, the history and the redirect decision of the policy."""

    _past: Sequence[Response] = ()
    _declined = False
    _kept: bytes | None = None
    _most: int | None = None

    @property
    def request(self) -> Request:
        """The request of this response's own hop."""
        request: Request = vars(self)[REQUEST]
        return request

    @request.setter
    def request(self, value: Request) -> None:
        """Ignore the first request, which the client sets here."""

    @property
    def history(self) -> list[Response]:
        """The responses before this one, oldest first."""
        clients: list[Response] = vars(self)["history"]  # which stand where they stood before
        return [*clients, *self._past]

    @history.setter
    def history(self, value: list[Response]) -> None:
        vars(self)["history"] = value

    @property
    def default_encoding(self) -> str | Callable[[bytes], str]:
        """How text without a charset is read; the history's too."""
        encoding: str | Callable[[bytes], str] = vars(self)["default_encoding"]
        return encoding

    @default_encoding.setter
    def default_encoding(self, value: str | Callable[[bytes], str]) -> None:
        vars(self)["default_encoding"] = value
        # Not by this setter: each of them has a history of its own, which is a part of this one.
        for passed in self._past:
            vars(passed)["default_encoding"] = value

    @property
    def has_redirect_location(self) -> bool:
        """False if the policy declined the redirect, so that the client does not follow it."""
        return not self._declined and super().has_redirect_location

    @property
    def content(self) -> bytes:
        """The decoded body. The body of an intermediate response is decoded at its first use."""
        if self._kept is not None:
            self._unpack()
        return super().content

    def _unpack(self) -> None:
        if CONTENT in vars(self):
            return
        assert self._kept is not None
        if self._most is None:
            request = vars(self)[REQUEST]  # which an error names
            kept = LIBRARY_OF[type(self)].Response(
                self.status_code, headers=self.headers, content=self._kept, request=request
            )
            vars(self)[CONTENT] = kept.content
            return
        from statuspolicy.wire.decoding import Undecodable, decoded

        coding = self.headers.get("content-encoding")
        try:
            vars(self)[CONTENT] = decoded(self._kept, coding, self._most)
        except Undecodable as why:
            message = (
                f"The body of the {self.status_code} can't be decoded within "
                f"Limits.drain_bytes: {why}."
            )
            raise LIBRARY_OF[type(self)].DecodingError(
                message, request=vars(self)[REQUEST]
            ) from None

    def read(self) -> bytes:
        """Read and return the body."""
        if self._kept is None:
            return super().read()
        if not self.is_closed:
            self.close()  # so that the client sets `elapsed`
        return self.content

    async def aread(self) -> bytes:
        """Read and return the body."""
        if self._kept is None:
            return await super().aread()
        if not self.is_closed:
            await self.aclose()
        return self.content

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The decoded body in pieces."""
        if self._kept is not None:
            self._unpack()
        return super().iter_bytes(chunk_size)

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The decoded body in pieces."""
        if self._kept is not None:
            self._unpack()
        return super().aiter_bytes(chunk_size)

    def __reduce__(self) -> tuple[Any, ...]:
        # pickle can't find a class that was made at run time; it finds the class it was made of.
        base = type(self).__mro__[2]
        if issubclass(base, StoredResponse):
            return _revive_stored, (base.__mro__[2], self.__getstate__(), True)
        return _revive, (base, self.__getstate__())


class StoredResponse(_Response):
    """A response whose body is in memory, raw and where that is the same also decoded.

    It can be streamed like any other response.
    """

    _stored: bytes | None

    def read(self) -> bytes:
        """Read and return the body."""
        if self._stored is None:
            return super().read()
        vars(self)[CONTENT] = self._stored
        self.is_closed = self.is_stream_consumed = True
        return self._stored

    async def aread(self) -> bytes:
        """Read and return the body."""
        if self._stored is None:
            return await super().aread()
        return self.read()

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive_stored, (type(self).__mro__[2], self.__getstate__(), False)


@cache
def _stored(library: Library) -> tuple[type[StoredResponse], dict[str, Any]]:
    """The class of a library's stored responses, and the attributes that all of them share.

    With the library's `__init__`, making one takes three times as long.
    """
    own = {"__module__": __name__}
    kind: Any = type("StoredResponse", (StoredResponse, library.Response), own)
    remember(kind, library)
    blank = library.Response(200, stream=library.ByteStream(b""))
    blank.elapsed = timedelta()
    return kind, vars(blank)


def stored_response(
    status: int, headers: Headers, content: bytes, encoded: bool = False
) -> Response:
    """Make a response of a stored entry.

    content: the raw body. encoded: whether it has to be decoded.
    """
    library = LIBRARY_OF[type(headers)]
    kind, as_new = _stored(library)
    inside = as_new.copy()
    inside["status_code"], inside["headers"] = status, headers
    inside["stream"] = library.ByteStream(content)
    inside["extensions"], inside["history"] = {}, []
    inside["_stored"] = None if encoded else content
    response = object.__new__(kind)
    response.__dict__ = inside
    return response


def adopt(
    response: Response,
    request: Request,
    past: Sequence[Response],
    steps: tuple[Step, ...],
    *,
    declined: bool = False,
    kept: bytes | None = None,
    most: int | None = None,
    passed: bool = False,
) -> Response:
    """A copy of a response as a PolicyResponse; the original isn't changed.

    request: the request of its hop. past: the responses before it, oldest first.
    declined: whether it is a redirect that the client must not follow.
    kept: its raw body, if it was read and closed before.
    most: how many bytes the decoded body may have; None for the response that the caller gets,
        which is decoded as in the library.
    passed: whether it goes into a history, and is closed.
    """
    base: Any = type(response)
    kind: type[PolicyResponse] = _KINDS.lasting.get(base) or _kind(base)
    new = kind.__new__(kind)
    if base not in LIBRARY_OF:  # an application's class, which may have slots
        for member in _slots(base):
            with suppress(AttributeError):
                member.__set__(new, member.__get__(response))
    # A copy that is changed item by item is the fastest way to make such a dictionary.
    inside, trace = vars(response).copy(), Trace(steps)
    inside["extensions"] = {**response.extensions, "statuspolicy": trace}
    inside[TRACE] = trace
    inside[REQUEST], inside["_past"], inside["history"] = request, past, []
    if declined or "_declined" in inside:
        inside["_declined"] = declined
    if kept is not None:
        inside.pop(CONTENT, None)
        inside["stream"] = LIBRARY_OF[base].ByteStream(kept)
        inside["is_closed"] = inside["is_stream_consumed"] = passed
        inside["_kept"] = kept
    if most is not None or "_most" in inside:
        inside["_most"] = most
    new.__dict__ = inside
    if response.status_code == 511 and type(new.headers) in several(ANY.Headers):
        new.headers = without_cookies(new.headers)
    return new


def _slots(kind: Any) -> list[MemberDescriptorType]:
    """The slots of a subclass; their values are not in its __dict__."""
    members = (member for base in kind.__mro__ for member in vars(base).values())
    return [member for member in members if isinstance(member, MemberDescriptorType)]


def _kind(base: type[Response]) -> type[PolicyResponse]:
    """A class that derives from PolicyResponse and from the class of a transport's response."""
    kind: type[PolicyResponse] = base if issubclass(base, PolicyResponse) else _KINDS(base)
    return kind


def _made(base: type[Response]) -> type[PolicyResponse]:
    kind: Any = type(base.__name__, (PolicyResponse, base), {"__module__": __name__})
    if is_lasting(base):
        remember(kind, LIBRARY_OF[base])
    return kind  # type: ignore[no-any-return]


_KINDS = MadeClasses(_made)


def _revive(base: type[Response], state: dict[str, Any]) -> Response:
    kind = _kind(base)
    response = kind.__new__(kind)
    response.__setstate__(state)
    return response


def _revive_stored(base: type[Response], state: dict[str, Any], adopted: bool) -> Response:
    kind: Any = _stored(LIBRARY_OF[base])[0]
    response: Response = object.__new__(_kind(kind) if adopted else kind)
    response.__setstate__(state)
    return response


def keep_trace(error: Exception, steps: tuple[Step, ...]) -> None:
    """Put the trace on a failure, and into a note that its traceback shows."""
    vars(error)[TRACE] = Trace(steps)
    if len(steps) > 1:
        trace = Trace(steps)
        notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith(_NOTE)]
        error.__notes__ = [*notes, f"{_NOTE} {trace.requests} requests:\n{trace}"]


def kept_trace(result: object) -> Trace | None:
    """The trace of a response or an error; None if it has none."""
    trace = getattr(result, "__dict__", {}).get(TRACE)
    return trace if isinstance(trace, Trace) else None


def body_if_read(response: Response) -> bytes | None:
    """The content of a response if it was read; None if it is long and not decoded yet."""
    if not is_kept(response) or CONTENT in vars(response):
        return content_of(response)
    from statuspolicy.wire.decoding import Undecodable, decoded

    try:
        return decoded(vars(response)["_kept"], response.headers.get("content-encoding"), _PEEK)
    except Undecodable:
        return None


def is_kept(response: Response) -> bool:
    """Whether a response was read and closed before."""
    return vars(response).get("_kept") is not None
