"""The state of one download: the next requests, who sends them, and when it is complete.

It does no I/O on the network: the two loops do. Requests for a part have Range and If-Range
(`_asking`); whether the bytes of a response join the part is decided in `downloads/answers.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeAlias

from statuspolicy.client.trace import trace
from statuspolicy.downloads import digests
from statuspolicy.downloads.answers import Anew, NoFile, Source, judge
from statuspolicy.downloads.destination import place
from statuspolicy.downloads.device import Sink
from statuspolicy.downloads.part_file import PartFile
from statuspolicy.downloads.segment import Halted, Job, SegmentWriter, cut
from statuspolicy.downloads.spans import ENDLESS, Span, shares, within
from statuspolicy.engine.config import OVERRIDE, Unstored
from statuspolicy.fields.section import Fields, members
from statuspolicy.memory.locks import synchronized
from statuspolicy.message.body import copy
from statuspolicy.message.errors import DigestMismatch, DownloadError
from statuspolicy.message.reason_phrase import phrase
from statuspolicy.message.redact import bound
from statuspolicy.message.redirected import origin, same_origin, target
from statuspolicy.message.response import keep_trace
from statuspolicy.printable import log, printable
from statuspolicy.wire.decoding import Undecodable, decoded
from statuspolicy.wire.httpx_internals import CONTENT, written
from statuspolicy.wire.library import ANY, LIBRARY_OF

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Client, HTTPStatusError, Request, Response

MOST_SHOWN = 64 * 1024  # bytes of an error's content that the caller gets
STARTS = 4  # how often a file is begun at most
_OURS = ("range", "if-range", "if-match", "if-none-match", "if-modified-since",
         "if-unmodified-since")  # fmt: skip

Progress: TypeAlias = Callable[[int, "int | None"], object]


class DownloadState:
    """One download, from the part that is there to the complete file.

    The parameters are those of `download`. Raises TypeError or ValueError for a client or a
    header field that is not allowed, and OSError where the part file can't be opened.
    """

    def __init__(
        self,
        client: Client | AsyncClient,
        url: URL | str,
        path: str | os.PathLike[str],
        segments: int,
        resume: bool,
        progress: Progress | None,
        sha256: str | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self.path = Path(path)
        real, special = place(path)
        self._first = self._base = _request(client, url, headers)
        self._in_thread = isinstance(client, ANY.Client)
        self._segments = segments
        self._progress = progress
        self._sha256 = sha256
        self._starts = 1
        self._lock = Lock()  # held while `progress` is called
        # The response that each thread reads, to close it when Ctrl-C comes.
        self.held: dict[int, Response] = {}
        self._halted = Event()
        self._jobs: list[Job] = []
        self._count = 0  # bytes of the part when the round began
        self._said: dict[str, str] = {}  # digests of the file from later responses
        self._unverified: list[str] = []  # digests of a part that can't be verified
        self._last: Response | None = None
        self.complete = False
        self.abroad = False  # whether the rest is requested without the client's auth and hooks
        url = _digest(target(self._first.url))
        self.part = Sink(real) if special else PartFile(real, url, resume)

    # ── a round: one response that tells the state, then all missing bytes ────────────────

    def lead(self) -> Request:
        """The request that a round begins with."""
        self._halted, self._jobs, self._count = Event(), [], self.part.count
        return self._asking(self._first, self._leading)

    @property
    def _leading(self) -> Span | None:
        """The span of the first request of a round; None for the whole."""
        if not self._count:
            return None
        # If nothing is missing, the request asks whether the file is still the same.
        shared = shares(self.part.missing, self._segments if self._length else 1)
        return shared[0][0] if shared else (self._count, ENDLESS)

    def begin_round(self, response: Response) -> list[Job]:
        """The jobs after the first response of a round; its own job comes first.

        Raises HTTPStatusError or DownloadError for a response that is not the file.
        """
        try:
            source = self._judged(response, self._leading)
        except Anew as why:
            self._begin_anew(why)
            return []
        self._base = response.request  # after redirects, the request of the last hop
        home, answered = self._first.url, (*response.history, response)
        self.abroad = not all(same_origin(home, each.request.url) for each in answered)
        if source.anew:
            fields = Fields(response.headers.raw)
            self._said = {}
            self.part.begin(_place(response.request.url), fields)
        self._measure(source)
        segments = self._segments if self._apart(response, source) else 1
        self._jobs = [
            Job(share, self._halted, self.part.epoch)
            for share in shares(self.part.missing, segments)
        ]
        for job in self._jobs[:1]:
            job.source = source
        self.complete = not self._jobs
        return self._jobs

    def _apart(self, response: Response, source: Source) -> bool:
        """Whether the missing bytes may be fetched in segments."""
        journal = self.part.journal
        assert journal is not None
        if not journal.joinable or journal.length is None or response.http_version == "HTTP/2":
            # Over HTTP/2 they would share one connection, and the rest of the first response, which
            # is not read to its end, would still fill that.
            return False
        units = members(response.headers.get("accept-ranges", "").lower())
        return response.status_code == 206 or (source.anew and "bytes" in units)

    def ask(self, job: Job) -> Request:
        """The request for the next bytes of a job."""
        request = self._asking(self._base, job.missing[0])
        if self._in_thread:
            # Nothing else could stop a thread from sending after the round has ended.
            request.extensions = {**request.extensions, "trace": job.heed}
        return request

    def writer_for(self, job: Job, response: Response) -> SegmentWriter:
        """A reader for the response to a job.

        Raises Anew, Halted, HTTPStatusError or DownloadError.
        """
        job.heed()
        source, job.source = job.source, None
        if source is None:
            source = self._judged(response, job.missing[0])
            if source.anew:
                raise Anew("the file changed")
            self._measure(source)
            length = self._length
            job.missing = job.missing if length is None else within(job.missing, (0, length))
        wanted: list[digests.Digest] = []
        if response.status_code == 206 and (journal := self.part.journal) is not None:
            said = digests.said_of_part(Fields(response.headers.raw), journal.fields)
            wanted = digests.expected(said)
            # All parts would give the same warning.
            self._unverified = self._unverified or digests.unverified(said)
        job.response = response
        return SegmentWriter(self.part, job, source, wanted)

    def failed(self, job: Job, error: BaseException) -> None:
        """Note that a job has failed; the other jobs go on where that is of use."""
        job.failure = error
        if isinstance(error, ANY.TransportError):
            bound(error)
        # A thread may return late, during another round.
        if not (
            job.halted.is_set() or isinstance(error, (ANY.TransportError, ANY.HTTPStatusError))
        ):
            self.halt()

    @property
    def halted(self) -> bool:
        """Whether the round has ended, even if bytes are missing."""
        return self._halted.is_set()

    def halt(self) -> None:
        """End the round now."""
        self._halted.set()
        for job in self._jobs if self._in_thread else ():
            job.cut(cut)

    def weigh(self) -> None:
        """End a round: note whether the file is complete. Raises a failure that ends all."""
        failures = [job.failure for job in self._jobs if job.failure is not None]
        failures = [error for error in failures if not isinstance(error, Halted)]
        for error in failures:
            if not isinstance(error, (Anew, ANY.TransportError, ANY.HTTPStatusError)):
                raise error
        for error in failures:
            if isinstance(error, Anew):
                self._begin_anew(error)
                return
        for error in failures:
            # Some servers allow a client only one or two connections: then the rest is
            # fetched over one.
            if len(self._jobs) == 1 or self.part.count == self._count:
                raise error
            self._segments = 1
        self.complete = not (failures or self.part.missing)

    # ── the end ──────────────────────────────────────────────────────────────────────────

    def finish(self) -> Path:
        """Give the complete file its own name. Raises DigestMismatch, and deletes it then."""
        assert self.part.journal is not None
        said = digests.said(200, self.part.journal.fields) | self._said
        for words in (*digests.unverified(said), *self._unverified):
            log.warning("GET %s to %s: %s", target(self._first.url), self.path, words)
        if why := self.part.mismatch(digests.expected(said, self._sha256)):
            self.part.discard()
            raise self._error(DigestMismatch, f"the file does not match its digest: {why}")
        self.part.finish()
        return self.path

    def close(self) -> None:
        """End the download: all threads stop, and a part that can be resumed stays."""
        self._halted.set()
        self.part.close()

    def report_progress(self) -> None:
        """Call `progress`."""
        if self._progress is not None and not self.halted:
            self._call_progress()

    @synchronized
    def _call_progress(self) -> None:
        assert self._progress is not None
        self._progress(self.part.count, self._length)

    def refusal(self, response: Response, entity: bytes | None = None) -> HTTPStatusError:
        """The error for a response that is not the file; its response has a short content.

        entity: the raw content; it may be longer than is shown.
        """
        status, url = response.status_code, target(response.request.url)
        if entity is not None and len(entity) <= MOST_SHOWN:
            with suppress(Undecodable):
                coding = response.headers.get("content-encoding")
                vars(response)[CONTENT] = decoded(entity, coding, MOST_SHOWN)
        reason = trace(response).reason
        # This reason is about resuming, so it explains nothing here.
        why = f" ({reason})" if reason and reason != f"the status code is {status}" else ""
        return LIBRARY_OF[type(response)].HTTPStatusError(
            printable(
                f"GET {url} was answered {status} {phrase(response)}{why}: no file was saved."
            ),
            request=response.request,
            response=response,
        )

    # ── helpers ──────────────────────────────────────────────────────────────────────────

    @property
    def _length(self) -> int | None:
        return None if self.part.journal is None else self.part.journal.length

    def _measure(self, source: Source) -> None:
        if source.length is not None and self._length is None:
            self.part.measured(source.length)

    def _asking(self, base: Request, span: Span | None) -> Request:
        headers = [h for h in base.headers.raw if h[0].lower() not in (b"range", b"if-range")]
        journal = self.part.journal
        if span is not None and journal is not None:
            # RFC 9110 §13.1.5: "A client MUST NOT generate an If-Range header field containing
            # an entity tag that is marked as weak." What is joinable has a strong validator.
            validator = journal.fields.get("etag") or journal.fields.one("last-modified") or ""
            last = "" if span[1] == ENDLESS else span[1] - 1
            headers.append((b"Range", f"bytes={span[0]}-{last}".encode()))
            headers.append((b"If-Range", validator.encode()))
        return copy(base, headers=written(LIBRARY_OF[type(base)], headers))

    def _judged(self, response: Response, requested: Span | None) -> Source:
        self._last = response
        fields = Fields(response.headers.raw)
        coding = fields.get("content-encoding") or "identity"
        if coding != "identity" and self._first.headers["accept-encoding"] == "identity":
            why = f"it has Content-Encoding {coding[:40]}, but identity was requested"
            raise self._error(DownloadError, why)
        try:
            place = _place(response.request.url)
            source = judge(response.status_code, fields, place, self.part.journal, requested)
        except NoFile as why:
            if not str(why):
                raise self.refusal(response) from None
            raise self._error(DownloadError, str(why)) from None
        self._said.update(digests.said(response.status_code, fields))
        return source

    def _begin_anew(self, why: Anew) -> None:
        self._starts += 1
        if self._starts > STARTS:
            text = f"it was begun {STARTS} times and never became complete: {why}"
            raise self._error(DownloadError, text)
        log.info("GET %s starts from the beginning: %s", target(self._first.url), why)
        self._segments = 1  # ranges of this file did not work
        self.part.forget()

    def _error(self, kind: type[DownloadError], why: str) -> DownloadError:
        assert self._last is not None
        request = self._last.request
        error = kind(f"GET {target(request.url)} to {self.path}: {why}.", request=request)
        keep_trace(error, trace(self._last))
        return error


def _request(
    client: Client | AsyncClient, url: URL | str, headers: Mapping[str, str] | None
) -> Request:
    extensions = {OVERRIDE: Unstored()}  # not cached, and resumed if the body breaks
    fields = {name.lower(): value for name, value in (headers or {}).items()}
    fields = {"accept-encoding": "identity", **fields}
    request = client.build_request("GET", url, headers=fields, extensions=extensions)
    for name in _OURS:
        if name in request.headers:
            raise ValueError(f"headers has {name!r}, which download writes itself: leave it out.")
    return request


def _place(url: URL) -> str:
    """A digest of a URL without its query, which may have a new signature each time."""
    return _digest(origin(url) + url.raw_path.partition(b"?")[0].decode("ascii"))


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()
