"""`download` and `adownload`: two loops that differ by `async` and `await`, threads and tasks."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from threading import Thread, get_ident
from time import monotonic
from typing import TYPE_CHECKING

from statuspolicy.client.async_transport import AsyncPolicyTransport
from statuspolicy.client.transport import PolicyTransport
from statuspolicy.client.wrapping import wrapping
from statuspolicy.downloads.download_state import MOST_SHOWN, DownloadState, Progress
from statuspolicy.downloads.segment import Job, SegmentWriter
from statuspolicy.message.content import raw
from statuspolicy.message.streams import ONE_READ
from statuspolicy.printable import given
from statuspolicy.wire.httpx_internals import send_without_hooks, transports
from statuspolicy.wire.library import ANY, meet

if TYPE_CHECKING:
    from httpx import URL, AsyncClient, Client, Request, Response

MOST_SEGMENTS = 32
_LINGER = 1.0  # seconds to wait for threads that have to stop
_TICK = 0.1  # seconds


def download(
    client: Client,
    url: URL | str,
    path: str | os.PathLike[str],
    *,
    segments: int = 1,
    resume: bool = True,
    progress: Progress | None = None,
    sha256: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Path:
    """Save a URL as a file that is complete, or not there (RFC 9110 §14, §15.3.7).

    client: a wrapped `httpx.Client`; its table decides about redirects, waits and repeats. Its
        cache is not used.
    path: the file. Until it is complete there are `path.part` and `path.part.json` beside it. An
        existing file is replaced at the end, in one step; it keeps its permissions, but no setuid
        or setgid. A `path.part` of another program is left alone (then the part has another
        name), and one of another URL stays until bytes of the new file come. A symbolic link is
        followed. A device or a named pipe gets the bytes once all are there and verified.
    segments: how many parts are fetched at the same time, 1 to 32, if the server supports ranges
        and sends a strong validator; else one, and over HTTP/2, where all share a connection.
    resume: whether to continue a part of an earlier download of the URL, even a killed one. It is
        combined only with bytes of the same representation; if that changed, or the part is
        damaged, the download starts from the beginning.
    progress: `progress(done, total)` in bytes, called while they come, one call at a time and in
        the thread that fetched them; total is None while it is not known.
    sha256: the digest that the file must have, in hexadecimal. Repr-Digest, Content-Digest, Digest
        and Content-MD5 of the server are always verified (RFC 9530); one that can't be parsed or
        has an unknown algorithm is a warning in the log.
    headers: more header fields. The content is requested without Content-Encoding; with an
        Accept-Encoding of your own it is saved as it is encoded.

    Returns the path. When it is interrupted, a part that can be resumed stays.

    Raises HTTPStatusError for a response that is not the file (it has the content, if that is
    short), DownloadError where the responses don't make one file, DigestMismatch where the file
    does not match a digest, the exceptions of the client, and OSError of the disk;
    BlockingIOError where another download is writing to the same path.
    """
    meet(client)
    if not isinstance(client, ANY.Client):
        raise TypeError(f"{given(client)}: give an httpx.Client, or an AsyncClient to adownload.")
    _check(client, path, segments, resume, progress, sha256, headers)
    state: DownloadState | None = None
    try:
        state = DownloadState(client, url, path, segments, resume, progress, sha256, headers)
        saved = _saved(client, state)
        state.close()
    except BaseException:
        if state is not None:
            held = state.held.get(get_ident())
            if held is not None:
                held.close()
            state.close()
        raise
    return saved


def _saved(client: Client, state: DownloadState) -> Path:
    while not state.complete:
        with closing(_send(client, state, state.lead())) as response:
            jobs = state.begin_round(response)
            state.report_progress()
            if jobs:
                _round(client, state, jobs, response)
    return state.finish()


def _round(client: Client, state: DownloadState, jobs: list[Job], response: Response) -> None:
    try:
        for job in jobs[1:]:
            work = copy_context().run
            Thread(target=work, args=(_fetch, client, state, job), daemon=True).start()
        _fetch(client, state, jobs[0], response)
        # After a join() that Ctrl-C interrupts, Python 3.11 takes the thread for ended.
        for job in jobs:
            while not (job.over.wait(_TICK) or state.halted):
                pass
    except BaseException:
        state.halt()
        raise
    finally:
        # A thread that waits for a Retry-After holds nothing, and sends nothing afterwards.
        end = monotonic() + _LINGER
        for job in jobs:
            job.over.wait(max(0.0, end - monotonic()))
    state.weigh()


def _fetch(
    client: Client, state: DownloadState, job: Job, response: Response | None = None
) -> None:
    try:
        while job.missing:
            if response is None:
                response = _send(client, state, state.ask(job), state.abroad)
            with closing(response), state.writer_for(job, response) as writer:
                for data in raw(response) or response.iter_raw():
                    if writer.add(data):
                        writer.write()
                        state.report_progress()
                    if writer.enough:
                        break
                else:
                    writer.end()
            state.report_progress()
            response = None
    except BaseException as error:  # noqa: BLE001 - `weigh` looks at the failures of all jobs
        state.failed(job, error)
    finally:
        job.over.set()


def _send(client: Client, state: DownloadState, request: Request, abroad: bool = False) -> Response:
    send = (
        partial(send_without_hooks, client, request)
        if abroad
        else partial(client.send, request, stream=True)
    )
    # One expression, so that Ctrl-C can't come between the response and its place.
    response = state.held[get_ident()] = send()
    if response.status_code in (200, 206, 416):
        return response
    entity = bytearray()
    with closing(response), suppress(Exception):
        for data in raw(response) or response.iter_raw():
            entity.extend(data)
            if len(entity) > MOST_SHOWN:
                break
    raise state.refusal(response, bytes(entity))


async def adownload(
    client: AsyncClient,
    url: URL | str,
    path: str | os.PathLike[str],
    *,
    segments: int = 1,
    resume: bool = True,
    progress: Progress | None = None,
    sha256: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Path:
    """As `download`, for a wrapped `httpx.AsyncClient`, in asyncio and trio.

    `progress` is called in the event loop; the disk is used in threads. A download that is
    cancelled keeps its part, and leaves no connection open.
    """
    meet(client)
    if not isinstance(client, ANY.AsyncClient):
        raise TypeError(f"{given(client)}: give an httpx.AsyncClient, or a Client to download.")
    _check(client, path, segments, resume, progress, sha256, headers)
    import anyio
    from anyio.to_thread import run_sync

    state = await run_sync(
        DownloadState, client, url, path, segments, resume, progress, sha256, headers
    )
    try:
        while not state.complete:
            response = await _asend(client, state, state.lead())
            try:
                jobs = await run_sync(state.begin_round, response)
                state.report_progress()
                if jobs:
                    await _around(client, state, jobs, response)
            finally:
                await _aclose(response)
        return await run_sync(state.finish)
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(state.close)


async def _around(
    client: AsyncClient, state: DownloadState, jobs: list[Job], response: Response
) -> None:
    import anyio

    async with anyio.create_task_group() as group:

        async def fetch(job: Job, response: Response | None) -> None:
            await _afetch(client, state, job, response)
            if state.halted:
                group.cancel_scope.cancel()

        for job in jobs[1:]:
            group.start_soon(fetch, job, None)
        await fetch(jobs[0], response)
    state.weigh()


async def _afetch(
    client: AsyncClient, state: DownloadState, job: Job, response: Response | None
) -> None:
    from anyio.to_thread import run_sync

    try:
        while job.missing:
            if response is None:
                response = await _asend(client, state, state.ask(job), state.abroad)
            try:
                with state.writer_for(job, response) as writer:

                    async def take(data: bytes, writer: SegmentWriter = writer) -> bool:
                        if writer.add(data):
                            await run_sync(writer.write)
                            state.report_progress()
                        return writer.enough

                    if await _each(raw(response) or response.aiter_raw(), take):
                        await run_sync(writer.end)
            finally:
                await _aclose(response)
            state.report_progress()
            response = None
    except Exception as error:  # noqa: BLE001 - `weigh` looks at the failures of all jobs
        state.failed(job, error)


async def _asend(
    client: AsyncClient, state: DownloadState, request: Request, abroad: bool = False
) -> Response:
    if abroad:
        response = await send_without_hooks(client, request)
    else:
        response = await client.send(request, stream=True)
    if response.status_code in (200, 206, 416):
        return response
    entity = bytearray()

    async def take(data: bytes) -> bool:
        entity.extend(data)
        return len(entity) > MOST_SHOWN

    try:
        with suppress(Exception):
            await _each(raw(response) or response.aiter_raw(), take)
    finally:
        await _aclose(response)
    raise state.refusal(response, bytes(entity))


async def _each(parts: AsyncIterator[bytes], take: Callable[[bytes], Awaitable[bool]]) -> bool:
    """Call `take` with each part until it returns True; returns whether all parts were taken.

    To leave the loop would leave generators open: the next read is cancelled instead, which
    ends them all. Only a stream that never waits is left so.
    """
    import anyio

    error, room = None, ONE_READ
    with anyio.CancelScope() as scope:
        try:
            async for data in parts:
                if scope.cancel_called:
                    room -= len(data)
                    if room < 0:
                        break
                    continue
                try:
                    if await take(data):
                        scope.cancel()
                except BaseException as failed:  # noqa: BLE001 - it is raised below
                    error = failed
                    scope.cancel()
        except Exception:
            if not scope.cancel_called:  # errors after the last part don't matter
                raise
    if error is not None:
        raise error
    return not scope.cancel_called


async def _aclose(response: Response) -> None:
    import anyio

    with anyio.CancelScope(shield=True):  # a cancelled task must still close what it holds
        await response.aclose()


def _check(
    client: Client | AsyncClient,
    path: object,
    segments: object,
    resume: object,
    progress: object,
    sha256: object,
    headers: object,
) -> None:
    """Raise TypeError or ValueError for an argument that is not valid."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path={given(path)}: write the path of a file.")
    if not isinstance(resume, bool):
        raise TypeError(f"resume={resume!r}: write True or False.")
    if headers is not None and not isinstance(headers, Mapping):
        raise TypeError(f"headers={given(headers)}: write a mapping of names to values.")
    if (
        not isinstance(segments, int)
        or isinstance(segments, bool)
        or not (1 <= segments <= MOST_SEGMENTS)
    ):
        raise ValueError(f"segments={segments!r}: write a number from 1 to {MOST_SEGMENTS}.")
    if progress is not None and (not callable(progress) or iscoroutinefunction(progress)):
        raise TypeError(f"progress={progress!r}: write a plain callable of (done, total).")
    if sha256 is not None and not (
        isinstance(sha256, str) and re.fullmatch("[0-9A-Fa-f]{64}", sha256)
    ):
        raise ValueError(f"sha256={sha256!r}: write 64 hexadecimal digits.")
    policy = isinstance(transports(client)[None], (PolicyTransport, AsyncPolicyTransport))
    if not policy and wrapping(client) is None:  # something may stand above its policy
        raise TypeError("This client is not wrapped: call statuspolicy.wrap(client) first.")
