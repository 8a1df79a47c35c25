"""Content-Encoding: a body that can't be decoded is not stored, and none is served."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress

import pytest

from statuspolicy.cache import flaws
from statuspolicy.cache.entry import Entry
from tests.cache.web import URL
from tests.library import httpx, sp

brotli = pytest.importorskip("brotli", reason="httpx[brotli] is not installed")
zstandard = pytest.importorskip("zstandard", reason="httpx[zstd] is not installed")

TEXT = bytes(range(256)) * 40
CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
}


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, body):
        self._parts = [body[:100], body[100:]]

    def __iter__(self):
        yield from self._parts

    async def __aiter__(self):
        for part in self._parts:
            yield part


def site(coding, bodies, streams=Stream):
    """A server that sends these bodies in turn, as if all were whole."""
    left = iter(bodies)

    def answer(request):
        body = next(left)
        headers = {"Cache-Control": "max-age=600", "ETag": '"a"', "Content-Encoding": coding}
        headers["Content-Length"] = str(len(body))
        return httpx.Response(200, headers=headers, stream=streams(body))

    return httpx.MockTransport(answer)


def odd(coding):
    """Bodies that are not what Content-Encoding says."""
    whole = CODINGS[coding](TEXT)
    return [whole[:-4], whole[:40], b"plain text", b"\xff" * 200]


def read(client):
    try:
        return client.get(URL).content
    except httpx.DecodingError:
        return None


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.anyio
async def test_content_encoding_a_body_that_cannot_be_decoded_is_not_stored(coding):
    whole = CODINGS[coding](TEXT)
    for bad in odd(coding):
        for streams in (Stream, httpx.ByteStream):
            transport = site(coding, [bad, whole], streams)
            with sp.wrap(httpx.Client(transport=transport), cache=sp.Cache()) as client:
                read(client)  # an error, or what came of it: as without a cache
                assert [read(client) for _ in range(3)] == [TEXT] * 3  # a second request, and hits

    transport = site(coding, [whole[:-4], whole])
    async with sp.wrap(httpx.AsyncClient(transport=transport), cache=sp.Cache()) as client:
        with suppress(httpx.DecodingError):
            await client.get(URL)
        assert [(await client.get(URL)).content for _ in range(3)] == [TEXT] * 3


@pytest.mark.parametrize("coding", CODINGS)
def test_content_encoding_who_reads_it_raw_stores_nothing_that_others_cannot_read(coding):
    whole = CODINGS[coding](TEXT)
    transport = site(coding, [whole[:-4], whole])
    with sp.wrap(httpx.Client(transport=transport), cache=sp.Cache()) as client:
        with client.stream("GET", URL) as response:
            assert b"".join(response.iter_raw()) == whole[:-4]
        assert [read(client) for _ in range(2)] == [TEXT] * 2


def test_content_encoding_a_row_of_a_file_that_cannot_be_decoded_is_a_miss_and_dropped(tmp_path):
    now = 1e9
    for coding in CODINGS:
        headers = ((b"Cache-Control", b"max-age=600"), (b"Content-Encoding", coding.encode()))
        for n, bad in enumerate(odd(coding)):
            storage = sp.SQLiteStorage(tmp_path / f"{coding}{n}.db")
            storage.save(URL, Entry(200, headers, bad, now, now, "me"), False)
            storage.save(URL + "/2", Entry(200, headers, CODINGS[coding](TEXT), now, now), False)
            assert not storage.load(URL, "me")
            for _ in range(2):
                (kept,) = storage.load(URL + "/2", "")
            assert kept.body == CODINGS[coding](TEXT)
            storage.close()


def test_content_encoding_what_a_storage_of_ones_own_gives_is_decoded_too():
    class Own(sp.MemoryStorage):
        def load(self, url, who):
            headers = ((b"Cache-Control", b"max-age=600"), (b"Content-Encoding", b"gzip"))
            return [Entry(200, headers, b"plain", 1e12, 1e12, who)]

    transport = site("gzip", [gzip.compress(TEXT)])
    with sp.wrap(httpx.Client(transport=transport), cache=sp.Cache(storage=Own())) as client:
        assert read(client) == TEXT


def test_content_encoding_a_part_alone_is_stored_as_it_is():
    part = gzip.compress(TEXT)[10:20]
    headers = ((b"Content-Encoding", b"gzip"),)
    assert not Entry(206, headers, part, 1.0, 1.0, "", (), (10, 19, 100)).undecodable


def test_content_encoding_parts_that_make_nothing_together_are_dropped():
    whole = gzip.compress(TEXT)
    bad = whole[:20] + b"????" + whole[24:]
    asked = []

    def answer(request):
        asked.append(request)
        headers = {"Cache-Control": "max-age=600", "ETag": '"a"', "Content-Encoding": "gzip"}
        if "range" not in request.headers:
            return httpx.Response(200, headers=headers, stream=Stream(whole))
        headers["Content-Range"] = f"bytes 0-9/{len(whole)}"
        body = whole[:10]
        if len(asked) > 1:
            headers["Content-Range"] = f"bytes 10-{len(bad) - 1}/{len(bad)}"
            body = bad[10:]
        return httpx.Response(206, headers=headers, stream=Stream(body))

    with sp.wrap(httpx.Client(transport=httpx.MockTransport(answer)), cache=sp.Cache()) as client:
        for wanted in ("bytes=0-9", "bytes=10-"):
            with client.stream("GET", URL, headers={"Range": wanted}) as response:
                [*response.iter_raw()]
        assert [read(client) for _ in range(2)] == [TEXT] * 2
    assert len(asked) == 3


def test_content_encoding_that_nobody_knows_is_left_alone():
    assert not flaws.undecodable("x-mine", b"any")
    assert not flaws.undecodable("gzip", b"")


def test_content_encoding_that_becomes_longer_than_anybody_wants_is_not_stored(monkeypatch):
    monkeypatch.setattr(flaws, "_MOST", 1_000_000)
    assert "longer than 1000000 bytes" in flaws.undecodable("gzip", gzip.compress(bytes(1_000_001)))


def test_content_encoding_what_was_decoded_once_is_known(monkeypatch):
    monkeypatch.setattr(flaws, "_DECODED", 2)
    monkeypatch.setattr(flaws, "_decoded", known := set())
    for n in range(5):
        for _ in range(2):
            assert not flaws.undecodable("gzip", gzip.compress(b"%d" % n), b"%d" % n)
        assert len(known) <= 2
    # The digest of a body is known with its coding.
    assert flaws.undecodable("zstd", gzip.compress(b"4"), b"4")
