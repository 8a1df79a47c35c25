"""What a file has to hash to: the digest fields of a response, and the caller's own."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64
from collections.abc import Iterator
from typing import BinaryIO

from statuspolicy.fields import Fields, members

# RFC 9530 §5 calls these active, and every other one insecure or no digest of content.
_ALGORITHMS = {"sha-256": ("sha256", 32), "sha-512": ("sha512", 64)}
_BLOCK = 1024 * 1024


def expected(fields: Fields, sha256: str | None = None) -> list[tuple[str, str, bytes]]:
    """What a whole response says of its body: who says it, the algorithm, the digest.

    fields: of a 200, whose content is the whole representation. (Of a 206, Content-Digest and
        Content-MD5 speak of the part alone.)
    """
    told = []
    if sha256 is not None:
        told.append(("sha256=", "sha256", bytes.fromhex(sha256)))
    for name in ("repr-digest", "content-digest"):
        for key, digest in _members(fields.get(name) or ""):
            algorithm, size = _ALGORITHMS.get(key, ("", 0))
            if size and len(digest) == size:
                told.append((name.title(), algorithm, digest))
    md5 = _base64(fields.one("content-md5") or "")
    if len(md5) == 16:  # RFC 1864
        told.append(("Content-MD5", "md5", md5))
    return told


def mismatch(file: BinaryIO, told: list[tuple[str, str, bytes]]) -> str:
    """Which of the digests the file is not, in words; "" where it is all of them."""
    import hashlib

    hashes = {name: hashlib.new(name, usedforsecurity=False) for _, name, _ in told}
    file.seek(0)
    while hashes and (block := file.read(_BLOCK)):
        for each in hashes.values():
            each.update(block)
    for who, name, digest in told:
        if (found := hashes[name].digest()) != digest:
            return f"{who} says {name} {digest.hex()}, and it is {found.hex()}"
    return ""


def _members(field: str) -> Iterator[tuple[str, bytes]]:
    """RFC 9530 §2: a dictionary of byte sequences, `sha-256=:...:`; what is none is left out."""
    for member in members(field):
        found = re.fullmatch(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):", member)
        if found:
            yield found[1], _base64(found[2])


def _base64(text: str) -> bytes:
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True)
    except (Error, UnicodeEncodeError):
        return b""
