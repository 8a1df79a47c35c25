"""`Resuming`: a body that is resumed where it breaks, with Range and If-Range.

`resumable` decides whether one can be. A download joins parts of its own, which outlive a process:
`downloads/answers.py`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from statuspolicy.fields.ranges import changed, extent, flaw, weakness
from statuspolicy.fields.section import Fields
from statuspolicy.message.body import copy, replayable
from statuspolicy.message.redact import bound
from statuspolicy.message.redirected import target
from statuspolicy.printable import log
from statuspolicy.wire.httpx_internals import request_of, written
from statuspolicy.wire.library import ANY, LIBRARY_OF, Stream, several

if TYPE_CHECKING:
    from httpx import Request, Response, TransportError


def resumable(response: Response, request: Request) -> str:
    """Why a body can't be resumed, in words; "" if it can.

    A request may have its own If-Range: its response has a validator of its own.
    """
    fields, ranges = Fields(response.headers.raw), request.headers.get("range", "")
    if request.method != "GET":
        return "the method is not GET"
    if response.status_code not in (200, 206):
        return f"the status code is {response.status_code}"
    if response.status_code == 206 and not re.fullmatch("bytes=[^,]+", ranges, re.IGNORECASE):
        return "it is a part, and the request did not ask for one range of bytes"
    if response.status_code == 206 and (spoilt := flaw(fields)):
        return spoilt
    if not replayable(request):
        return "the request has a body that can't be sent again"
    if (fields.get("accept-ranges") or "").lower() == "none":
        return "the server does not support ranges"
    return weakness(fields)


class _Unfit(Exception):
    """The body can't be resumed, for this reason."""


class Resuming(Stream):
    """The raw body of a response to a GET; where it breaks, the rest is fetched.

    response: a `resumable` response. request: its request; it is not changed.
    send: sends a request as an exchange; returns the response, or an awaitable of it, with a
        stream that is not resumed. It raises RequestError.
    attempts: how often the same byte is requested. Each byte that comes resets the count.

    The caller has the header section of the first response. So a part is combined only if it has
    the same validator, Content-Encoding and length. Otherwise the error that broke the body is
    raised, with a note that says why.
    """

    def __init__(
        self, response: Response, request: Request, send: Callable[[Request], Any], attempts: int
    ) -> None:
        self._stream: Any = response.stream
        self._fields = Fields(response.headers.raw)
        self._request, self._send, self._attempts = request, send, attempts
        self._whole = response.status_code == 200
        self._at, self._end, self._length = extent(response.status_code, self._fields)
        self._part_end = inf  # where the bytes of the current response end
        self._requests = 0  # requests since the last byte came
        self._error: TransportError | None = None
        self._closed = False
        self._answer: Response | None = None  # to the last request for the rest

    def __iter__(self) -> Iterator[bytes]:
        try:
            while True:
                try:
                    for part in self._stream:
                        yield self._counted(part)
                except ANY.TransportError as error:
                    self._error = error
                with suppress(Exception):
                    self._stream.close()  # now, so that a pool of one connection is free
                rest = self._rest()
                if rest is None:
                    return
                # One expression, so that Ctrl-C can't come between the response and its place.
                self._answer = answer = self._send(rest)
                if not self._joins(answer):
                    return
        except several(ANY.RequestError, _Unfit) as why:
            raise self._noted(why)  # noqa: B904 - it keeps its own cause; `why` is its context
        finally:
            with suppress(Exception):
                self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                try:
                    async for part in self._stream:
                        yield self._counted(part)
                except ANY.TransportError as error:
                    self._error = error
                with suppress(Exception):
                    await self._stream.aclose()  # now, so that a pool of one connection is free
                rest = self._rest()
                if rest is None:
                    return
                self._answer = answer = await self._send(rest)
                if not self._joins(answer):
                    return
        except several(ANY.RequestError, _Unfit) as why:
            raise self._noted(why)  # noqa: B904 - it keeps its own cause; `why` is its context
        finally:
            with suppress(Exception):
                await self.aclose()

    def close(self) -> None:
        self._closed = True
        self._stream.close()
        if self._answer is not None:
            self._answer.close()

    async def aclose(self) -> None:
        import anyio

        self._closed = True
        with anyio.CancelScope(shield=True):  # a cancelled task must still close what it holds
            await self._stream.aclose()
            if self._answer is not None:
                await self._answer.aclose()

    def _counted(self, part: bytes) -> bytes:
        if self._at + len(part) > self._part_end:
            raise _Unfit("the server sent more bytes than it announced")
        self._at += len(part)
        self._requests = 0 if part else self._requests
        return part

    def _rest(self) -> Request | None:
        """The request for the missing bytes; None if there are none. Raises _Unfit."""
        if self._error is None or self._at == self._end:
            return None
        if self._closed or self._at > self._end:
            raise _Unfit(
                "the response was closed"
                if self._closed
                else "the server sent more bytes than it announced"
            )
        if self._requests >= self._attempts:
            raise _Unfit(f"gave up after {self._requests} attempts")
        self._requests += 1
        # The caller's own conditions were evaluated for the first response. If-Range is enough now,
        # and no 304 or 412 can come.
        headers = [h for h in self._request.headers.raw if not re.match(b"(?i)if-|range$", h[0])]
        last = "" if self._whole else int(self._end) - 1
        validator = self._fields.get("etag") or self._fields.one("last-modified") or ""
        headers.append((b"Range", f"bytes={self._at}-{last}".encode()))
        return copy(
            self._request,
            headers=written(
                LIBRARY_OF[type(self._request)], [*headers, (b"If-Range", validator.encode())]
            ),
        )

    def _joins(self, answer: Response) -> bool:
        """Read from this response now; returns False if no byte was missing. Raises _Unfit."""
        self._stream = answer.stream
        old, new, status = self._fields, Fields(answer.headers.raw), answer.status_code
        # The file is unchanged: otherwise the server would have sent the whole, for If-Range.
        ends = status == 416 and new.one("content-range") == f"bytes */{self._at}"
        if ends and self._end == inf and new.get("etag") in (None, old.get("etag")):
            return False
        first, end, length = extent(status, new)
        spoilt = flaw(new) if status == 206 else ""
        # RFC 9110 §14.2: a server may ignore Range. That is fine before the first byte.
        fits = status == 206 or (status == 200 and self._whole and self._at == 0)
        # A validator is valid for one URL. (A response of a bare transport has no request.)
        url = (request_of(answer) or self._request).url
        other = changed(old, new)
        resized = inf not in (length, self._length) and length != self._length
        for wrong, why in (
            (self._closed, "the response was closed"),
            (not fits, f"the request for the rest was answered {status}"),
            (target(url) != target(self._request.url), "the rest came from another URL"),
            (spoilt, f"a 206 came, but {spoilt}"),
            (other, other),
            (resized, "the length changed"),
            (status == 206 and first != self._at, f"the part begins at byte {first}"),
            (status == 206 and end > self._end, "the part ends after the last byte"),
        ):
            if wrong:
                raise _Unfit(why)
        self._length = min(self._length, length)
        self._end = self._length if self._whole else self._end
        self._part_end = min(end, self._end)
        why = type(self._error).__name__
        log.info("GET %s broke (%s) and is resumed at byte %d", target(url), why, first)
        return True

    def _noted(self, why: Exception) -> TransportError:
        """The error that broke the body, with a note on why it was not resumed."""
        assert self._error is not None
        bound(self._error)
        said = why if isinstance(why, _Unfit) else f"the request for the rest failed ({why!r})"
        self._error.add_note(f"statuspolicy did not resume the body at byte {self._at}: {said}.")
        return self._error
