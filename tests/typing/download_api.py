"""Downloads as a type checker sees them. Never run: mypy --strict and pyright read it."""

from pathlib import Path
from typing import assert_type

import httpx
import httpx2

import statuspolicy as sp
import statuspolicy.httpx2 as sp2


def progress(done: int, total: int | None) -> None:
    print(done, total)


client = sp.wrap(httpx.Client())
assert_type(sp.download(client, "https://example.org/", "file"), Path)
saved = sp.download(
    client,
    httpx.URL("https://example.org/"),
    Path("file"),
    segments=4,
    resume=False,
    progress=progress,
    sha256="0" * 64,
    headers={"Accept": "*/*"},
)
assert_type(saved, Path)
sp.download(httpx.AsyncClient(), "https://example.org/", "file")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def in_a_task() -> Path:
    async with sp.wrap(httpx.AsyncClient()) as async_client:
        saved = await sp.adownload(async_client, "https://example.org/", "file", progress=print)
        return assert_type(saved, Path)


assert_type(sp2.download(sp2.wrap(httpx2.Client()), "https://example.org/", "file"), Path)

try:
    sp.download(client, "https://example.org/", "file")
except sp.DigestMismatch as mismatch:
    error: sp.DownloadError = mismatch
    protocol_error: httpx.RemoteProtocolError = mismatch
    assert_type(sp.trace(error), sp.Trace)
