"""Decoding of a Content-Encoding (RFC 9110 §8.4), in pieces and within bounds.

The HTTP library decodes each chunk as a whole, and 500 bytes may become 1 GiB. So where the package
itself reads a body, it is decoded here: each coding returns one small piece after the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from math import inf
from typing import Any

from statuspolicy.fields.section import members

PIECE = 64 * 1024  # bytes of one piece, or at most twice as many
_MOST_CODINGS = 5  # in a row
_WINDOW_LOG = 23  # RFC 9659 §3: zstd's window is "not larger than 8 MB"
_ZLIB_HEAD = 2  # bytes of a zlib header (RFC 1950 §2.2)
# Bytes that zstandard gets at once, since it has no bound: 4 of them may become 128 KiB.
_SLICE = 128


class Undecodable(Exception):
    """A body does not match its Content-Encoding, or is too long, for this reason."""


class Decoding:
    """A decoder for one body, while it comes.

    field: its Content-Encoding. An unknown coding is not decoded, as in the library. most: how
        many bytes the body may have, after each coding.

    Raises Undecodable.
    """

    def __init__(self, field: str | None, most: float = inf) -> None:
        named = [name.lower() for name in members(field or "")]
        kinds = [_KINDS[name] for name in reversed(named) if name in _KINDS]
        if len(kinds) > _MOST_CODINGS:
            raise Undecodable(f"it has {len(kinds)} content codings")
        made = [kind() for kind in kinds]
        self._steps = [_Step(decoder, most) for decoder in made if decoder is not None]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode the next bytes, in pieces. The iterator has to be read to its end."""
        pieces: Iterator[bytes] = iter((data,))
        for step in self._steps:
            pieces = step.through(pieces)
        return pieces

    def end(self, strict: bool = False) -> None:
        """Note the end of the body. Raises Undecodable if it is truncated.

        strict: whether also for gzip and deflate, where the library accepts a truncated body.
        """
        for step in self._steps:
            step.end(strict)


def decoded(content: bytes, field: str | None, most: int) -> bytes:
    """Decode a whole body.

    field: its Content-Encoding. most: how many bytes it may have.

    Raises Undecodable.
    """
    decoding = Decoding(field, most)
    whole = b"".join(decoding.feed(content))
    decoding.end()
    return whole


class _Step:
    """One coding, with its limit."""

    def __init__(self, decoder: Any, most: float) -> None:
        self._decoder = decoder
        self._most = self._room = most
        self._begun = False

    def through(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for data in pieces:
            self._begun = self._begun or bool(data)
            for piece in self._decoder.feed(data) if data else ():
                self._room -= len(piece)
                if self._room < 0:
                    raise Undecodable(f"it is longer than {self._most} bytes when it is decoded")
                yield piece

    def end(self, strict: bool) -> None:
        lenient = isinstance(self._decoder, _Zlib) and not strict
        if self._begun and not (lenient or self._decoder.ended):
            raise Undecodable("it is truncated")


class _Zlib:
    """gzip, and deflate, which some servers send without the zlib format (RFC 9110 §8.4.1.2)."""

    def __init__(self, bits: int, otherwise: int | None = None) -> None:
        self._zlib = zlib.decompressobj(bits)
        self._otherwise = otherwise
        self._head = b""

    @property
    def ended(self) -> bool:
        return self._zlib.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._otherwise is not None and len(data := self._head + data) < _ZLIB_HEAD:
            self._head = data  # too short to see the format
            return
        while not self._zlib.eof:  # bytes after its end are ignored
            try:
                piece = self._zlib.decompress(data, PIECE)
            except zlib.error as error:
                if self._otherwise is None:
                    raise Undecodable(str(error)) from None
                self._zlib, self._otherwise = zlib.decompressobj(self._otherwise), None
                continue
            self._otherwise = None
            if not piece:
                return
            yield piece
            data = self._zlib.unconsumed_tail


class _Brotli:
    def __init__(self, module: Any) -> None:
        self._failed = module.error
        self._brotli = module.Decompressor()
        self._process = getattr(self._brotli, "decompress", None) or self._brotli.process

    @property
    def ended(self) -> bool:
        return bool(self._brotli.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            yield from self._bounded(data)
        except self._failed as error:
            raise Undecodable(str(error)) from None

    def _bounded(self, data: bytes) -> Iterator[bytes]:
        try:
            piece = self._process(data, output_buffer_limit=PIECE)
        except TypeError:  # before brotli 1.2: there one byte becomes 16 MiB at most
            yield from filter(None, (self._process(data[n : n + 1]) for n in range(len(data))))
            return
        while piece:
            yield piece
            piece = self._process(b"", output_buffer_limit=PIECE)


class _Zstandard:
    """zstd by the package `zstandard`."""

    def __init__(self, module: Any) -> None:
        self._failed = module.ZstdError
        self._new = module.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG).decompressobj
        self._zstd = self._new()

    @property
    def ended(self) -> bool:
        return bool(self._zstd.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _SLICE):
            rest = data[at : at + _SLICE]
            while rest:
                self._zstd = self._new() if self._zstd.eof else self._zstd
                try:
                    yield self._zstd.decompress(rest)
                except self._failed as error:
                    raise Undecodable(str(error)) from None
                rest = self._zstd.unused_data if self._zstd.eof else b""


class _Zstd:
    """zstd by the standard library, from Python 3.14 on, or by its backport."""

    def __init__(self, module: Any) -> None:
        self._failed = module.ZstdError
        options = {module.DecompressionParameter.window_log_max: _WINDOW_LOG}
        self._new: Callable[[], Any] = lambda: module.ZstdDecompressor(options=options)
        self._zstd = self._new()

    @property
    def ended(self) -> bool:
        return bool(self._zstd.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        more = bool(data)
        while more:
            self._zstd = self._new() if self._zstd.eof else self._zstd
            try:
                yield self._zstd.decompress(data, PIECE)
            except self._failed as error:
                raise Undecodable(str(error)) from None
            data = self._zstd.unused_data if self._zstd.eof else b""
            more = bool(data) if self._zstd.eof else not self._zstd.needs_input


def _brotli() -> _Brotli | None:
    module = _first("brotli", "brotlicffi")
    return None if module is None else _Brotli(module)


def _zstd() -> _Zstd | _Zstandard | None:
    module = _first("compression.zstd", "backports.zstd")
    if module is not None:
        return _Zstd(module)
    module = _first("zstandard")
    return None if module is None else _Zstandard(module)


def _first(*names: str) -> Any:
    """The first of these modules that is installed; imported here, at its first use."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


_KINDS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS, -zlib.MAX_WBITS),
    "br": _brotli,
    "zstd": _zstd,
}
