"""Whatever a server does, a download is one of its versions, whole, or it is not there."""

import os
import random
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.testing import FakeClock
from tests.library import httpx, sp

SIZES = (300, 300, 240)
VERSIONS = [random.Random(n).randbytes(size) for n, size in enumerate(SIZES)]
PAGE = b"<p>Log in!"

# What a server does with one request: it answers right, or in one of these ways.
WAYS = (
    "right", "right", "cut", "cut", "whole", "whole, cut", "from 0", "early", "late", "long",
    "short", "another length", "another ETag", "no ETag", "no Content-Range", "multipart",
    "416", "page", "404", "503", "disconnect",
)  # fmt: skip
TURNS = st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 2), st.integers(0, 300)))


class Broken(httpx.SyncByteStream):
    """A body that breaks after so many bytes."""

    def __init__(self, body: bytes, at: int) -> None:
        self._body, self._at = body, at

    def __iter__(self):
        yield self._body[: self._at // 2]
        yield self._body[self._at // 2 : self._at]
        if self._at < len(self._body):
            raise httpx.ReadError("it broke")


class Server:
    """Does as its turns say, and right from then on; every answer says truly whose bytes it has."""

    def __init__(self, turns) -> None:
        self.turns = list(turns)
        self.version = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        way, self.version, at = self.turns.pop(0) if self.turns else ("right", self.version, 0)
        body, etag = VERSIONS[self.version], f'"v{self.version}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "x/y"}
        if way in ("404", "503"):
            return httpx.Response(int(way))
        if way == "disconnect":
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        if way == "page":
            return httpx.Response(200, headers={"Content-Type": "text/html"}, content=PAGE)
        asked = request.headers.get("range")
        if not asked or way.startswith("whole") or request.headers["if-range"] != etag:
            headers["Content-Length"] = str(len(body))
            return self.send(200, headers, body, at if "cut" in way else len(body))
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or 1000), len(body) - 1) + 1
        if start >= len(body) or way == "416":
            return httpx.Response(416, headers={"Content-Range": f"bytes */{len(body)}"})
        start = {"from 0": 0, "early": max(start - 1, 0), "late": start + 1}.get(way, start)
        length = len(body) + (way == "another length")
        if way == "another ETag":
            headers["ETag"] = '"other"'
        if way == "no ETag":
            del headers["ETag"]
        part, span = body[start:end], f"bytes {start}-{max(end - 1, start)}/{length}"
        if way == "multipart":
            part = f"--cut\r\nContent-Range: {span}\r\n\r\n".encode() + part + b"\r\n--cut--"
            headers["Content-Type"] = "multipart/byteranges; boundary=cut"
        elif way != "no Content-Range":
            headers["Content-Range"] = span
        part = part + b"more" if way == "long" else part[:at] if way == "short" else part
        return self.send(206, headers, part, at if way == "cut" else len(part))

    def send(self, status, headers, body, at):
        return httpx.Response(status, headers=headers, stream=Broken(body, at))


@pytest.mark.timeout(600)  # for CI's many examples, each with threads of its own
@given(TURNS, st.integers(1, 4), st.lists(st.booleans(), min_size=1, max_size=4))
def test_a_download_is_one_version_and_complete_or_not_there(turns, segments, resumes):
    """Several downloads of the same URL, each of which may go on with what the last one left."""
    spans = import_module("statuspolicy.downloads.spans")
    server = Server(turns)
    with (
        mock.patch.object(spans, "LEAST", 40),  # so that a small file has segments
        mock.patch.object(os, "fsync"),  # what a disk does is not what this is about
        TemporaryDirectory() as folder,
        httpx.Client(transport=httpx.MockTransport(server)) as client,
    ):
        sp.wrap(client, clock=FakeClock())
        path = Path(folder) / "file"
        for resume in resumes:
            with suppress(httpx.HTTPError):
                options = {"segments": segments, "resume": resume}
                sp.download(client, "http://example.org/file", path, **options)
                # A page is a file too, where there was none before that it could be told from.
                assert path.read_bytes() in [*VERSIONS, PAGE]
                path.unlink()
            assert not path.exists()
        server.turns.clear()
        sp.download(client, "http://example.org/file", path, segments=segments)
        assert path.read_bytes() == VERSIONS[server.version]
        assert os.listdir(folder) == ["file"]
