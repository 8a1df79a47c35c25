"""`SegmentWriter`: writes the bytes of one response to their positions in the file."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from statuspolicy.downloads.answers import Anew, Source
from statuspolicy.downloads.digests import Digest, differing, hashing
from statuspolicy.downloads.part_file import PartFile
from statuspolicy.downloads.spans import Span, within, without
from statuspolicy.memory.locks import synchronized

if TYPE_CHECKING:
    from httpx import Response

ONE_WRITE = 256 * 1024  # bytes that are collected for one write


class Halted(Exception):
    """The download has ended: another job failed, or it was interrupted."""


class Job:
    """The bytes that one thread or task fetches.

    missing: the spans that are still missing, in order.
    halted: set when the download ends.
    epoch: the epoch of the part file when the job began.
    source: the source of a response that is there already.
    over: set when the job is done or has failed. (In threads only.)
    response: the response that it reads now.
    """

    def __init__(self, missing: list[Span], halted: Event, epoch: int) -> None:
        self.missing = missing
        self.halted = halted
        self.epoch = epoch
        self.source: Source | None = None
        self.response: Any = None
        self._lock = Lock()
        self.over = Event()
        self.failure: BaseException | None = None

    @synchronized
    def release_response(self) -> None:
        """Note that the response is no longer read."""
        self.response = None

    @synchronized
    def cut(self, how: Callable[[Any], object]) -> None:
        """Call `how` with the response that is read now."""
        if self.response is not None:
            how(self.response)

    def heed(self, name: str = "", info: object = None) -> None:  # noqa: ARG002 - as httpcore calls it
        """Raise Halted if the download has ended. (The library calls it before each step.)"""
        begins = not name or name.endswith(("connect_tcp.started", "request_headers.started"))
        if begins and self.halted.is_set():
            raise Halted


class SegmentWriter:
    """Writes the wanted bytes of a response into the part file, in large pieces.

    wanted: the digests that the content of the response must have.
    """

    def __init__(self, part: PartFile, job: Job, source: Source, wanted: list[Digest]) -> None:
        self._part = part
        self._job = job
        self._source = source
        self._held: list[tuple[int, bytes]] = []
        self._size = 0
        self._brought = False
        self._hashes = hashing(wanted) if wanted else []

    def add(self, data: bytes) -> bool:
        """Collect data; returns whether it is time to write. Raises Anew and Halted."""
        job = self._job
        job.heed()
        for _, each in self._hashes:
            each.update(data)
        for first, piece in self._source.feed(data):
            for span in within(job.missing, (first, first + len(piece))):
                self._held.append((span[0], piece[span[0] - first : span[1] - first]))
                self._size += span[1] - span[0]
                job.missing = without(job.missing, span)
        return self._size >= ONE_WRITE

    @property
    def enough(self) -> bool:
        """Whether all wanted bytes have come, and more bytes would follow."""
        return not self._job.missing and self._source.goes_on

    def write(self) -> None:
        """Write the collected bytes, each run in one write."""
        held, self._held, self._size = self._held, [], 0
        self._brought = self._brought or bool(held)
        while held:
            first = end = held[0][0]
            run = []
            while held and held[0][0] == end:
                run.append(held.pop(0)[1])
                end += len(run[-1])
            self._part.write(first, b"".join(run), self._job.epoch)

    def end(self) -> None:
        """Note the end of the body.

        Raises Anew where it had none of the wanted bytes, or does not match its digest.
        """
        self.write()
        if why := differing(self._hashes):
            raise Anew(f"a part does not match its digest: {why}")
        job, length = self._job, self._source.closes
        if length is not None:
            self._part.measured(length)
            job.missing = within(job.missing, (0, length))
        elif job.missing and not self._brought:
            raise Anew("the answer had none of the requested bytes")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the bytes that came, even after an error."""
        self._job.release_response()
        self.write()


def cut(response: Response) -> None:
    """End the read of another thread; not over HTTP/2, where threads share the connection."""
    if response.http_version != "HTTP/2":
        with suppress(Exception):
            stream = response.extensions["network_stream"]
            stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
