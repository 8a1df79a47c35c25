"""Content-Encoding: what the package itself reads is decoded in pieces, and within bounds."""

import gzip
import random
import sys
import tracemalloc
import zlib
from importlib import import_module
from types import SimpleNamespace

import pytest

from statuspolicy.wire.decoding import PIECE, Decoding, Undecodable, decoded

brotli = pytest.importorskip("brotli", reason="httpx[brotli] is not installed")
zstandard = pytest.importorskip("zstandard", reason="httpx[zstd] is not installed")

TEXT = b"".join(b"line %d of a body that is worth coding\n" % n for n in range(2000))
NOISE = random.Random(1).randbytes(30_000)


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return coder.compress(data) + coder.flush()


CODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstandard.ZstdCompressor().compress,
}


def coded(data: bytes, field: str) -> bytes:
    for coding in field.split(", "):
        data = CODERS[coding](data)
    return data


FIELDS = [
    "gzip", "deflate", "br", "zstd", "gzip, gzip, gzip", "br, gzip", "zstd, br", "gzip, zstd",
    "deflate, br, zstd, gzip, gzip",
]  # fmt: skip


@pytest.fixture(params=["installed", "zstandard", "brotlicffi", "brotli before 1.2"])
def packages(request, monkeypatch):
    """Each package that decodes, in turn."""
    if request.param == "zstandard":
        monkeypatch.setitem(sys.modules, "compression.zstd", None)
        monkeypatch.setitem(sys.modules, "backports.zstd", None)
    elif request.param == "brotlicffi":
        pytest.importorskip("brotlicffi")
        monkeypatch.setitem(sys.modules, "brotli", None)
    elif request.param == "brotli before 1.2":

        class Decompressor:
            def __init__(self):
                self._inner = brotli.Decompressor()
                self.is_finished = self._inner.is_finished

            def process(self, data):
                return self._inner.process(data)

        old = SimpleNamespace(Decompressor=Decompressor, error=brotli.error)
        monkeypatch.setitem(sys.modules, "brotli", old)
    return request.param


def test_what_was_coded_comes_back_however_it_is_cut(packages):
    for field in FIELDS:
        for body in (TEXT, NOISE, b"", b"x"):
            content = coded(body, field)
            assert decoded(content, field, 10**6) == body
            for size in (1, 7, 1000) if len(content) < 20_000 else (2_011,):
                decoding = Decoding(field)
                pieces = []
                for at in range(0, len(content), size):
                    pieces += decoding.feed(content[at : at + size])
                decoding.end()
                assert b"".join(pieces) == body, (field, size)


def test_other_ways_to_write_the_same(packages):
    assert decoded(raw_deflate(TEXT), "deflate", 10**6) == TEXT
    assert decoded(gzip.compress(TEXT) + b"trailing", "GZIP", 10**6) == TEXT
    assert decoded(CODERS["zstd"](TEXT) + CODERS["zstd"](NOISE), "zstd", 10**6) == TEXT + NOISE
    assert decoded(TEXT, None, 10**6) == decoded(TEXT, "identity, x-mine", 10**6) == TEXT
    assert decoded(gzip.compress(TEXT), " identity , gzip,", 10**6) == TEXT
    assert TEXT.startswith(decoded(gzip.compress(TEXT)[:-20], "gzip", 10**6))
    decoding = Decoding("deflate")
    byte_by_byte = [piece for n in raw_deflate(TEXT) for piece in decoding.feed(bytes([n]))]
    assert b"".join(byte_by_byte) == TEXT
    for field in FIELDS:
        assert decoded(b"", field, 0) == b""  # a HEAD's answer, or a 304's


def test_a_coding_that_is_not_installed_is_left_as_the_library_leaves_it(monkeypatch):
    names = ("brotli", "brotlicffi", "zstandard", "backports.zstd", "compression.zstd")
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    assert decoded(b"abc", "br, zstd", 3) == b"abc"


def test_what_is_not_so_coded_or_cut_off_is_undecodable(packages):
    for field in ("gzip", "deflate", "br", "zstd", "gzip, br"):
        with pytest.raises(Undecodable):
            decoded(b"\xff\xfe\xfdthis is no such thing" * 9, field, 10**6)
    for field in ("br", "zstd"):
        with pytest.raises(Undecodable):
            decoded(coded(NOISE, field)[:-9], field, 10**6)
    with pytest.raises(Undecodable, match="6 content codings"):
        decoded(b"", "gzip, gzip, gzip, gzip, gzip, gzip", 10**6)


def bombs(size: int = 128 * 1024 * 1024) -> dict[str, bytes]:
    """Much, in few bytes."""
    once = {}
    for coding, coder in {
        "gzip": zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16),
        "deflate": zlib.compressobj(9),
        "br": brotli.Compressor(quality=5, lgwin=24),
        "zstd": zstandard.ZstdCompressor().compressobj(),
    }.items():
        feed = getattr(coder, "compress", None) or coder.process
        parts = [feed(bytes(1024 * 1024)) for _ in range(size // 1024 // 1024)]
        once[coding] = b"".join([*parts, (getattr(coder, "flush", None) or coder.finish)()])
    again = {f"{coding}, gzip": gzip.compress(body) for coding, body in once.items()}
    thrice = gzip.compress(gzip.compress(once["gzip"]))
    return once | again | {"gzip, gzip, gzip": thrice, "br, br": coded(once["br"], "br")}


@pytest.fixture(scope="module")
def made():
    return bombs()


def peak(call) -> int:
    """Bytes that were held at once, above what was there before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_of_any_coding_is_given_up_before_it_takes_memory(made, packages):
    most = (32 if packages == "brotli before 1.2" else 4) * 1024 * 1024
    for field, body in made.items():
        decoded(coded(b"x", field), field, 999)  # what is imported for it is not counted

        def given_up(field=field, body=body):
            with pytest.raises(Undecodable, match="longer than 65536 bytes when it is decoded"):
                decoded(body, field, 65_536)

        assert peak(given_up) < most, field


def test_a_bomb_is_streamed_in_small_pieces(made):
    for field, body in made.items():
        pieces = Decoding(field).feed(body)
        sizes = [len(next(pieces)) for _ in range(200)]
        assert max(sizes) <= 1024 * 1024, field
        assert sum(sizes) > PIECE, field


def test_zstd_of_a_window_beyond_8_mib_is_not_decoded(packages):
    window = zstandard.ZstdCompressionParameters(window_log=27)
    body = zstandard.ZstdCompressor(compression_params=window).compress(bytes(50 * 1024 * 1024))
    with pytest.raises(Undecodable, match="memory"):
        decoded(body, "zstd", 10**9)


def test_the_packages_of_the_tests_are_those_of_the_libraries():
    assert import_module("httpx._decoders").SUPPORTED_DECODERS.keys() >= {"br", "zstd"}
