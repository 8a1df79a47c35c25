"""Digests of a file: from the digest fields of a response, and from the caller.

Each digest that a server sent is verified, or a warning says that it can't be.
"""

from __future__ import annotations

from binascii import Error, a2b_base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, TypeAlias

from statuspolicy.fields.section import Fields, members

# The algorithms of RFC 9530 §7.2. `md5` and `sha` protect only against accidents: a file that does
# not match them is broken all the same.
_ALGORITHMS = {
    "sha-256": ("sha256", 32), "sha-512": ("sha512", 64), "md5": ("md5", 16), "sha": ("sha1", 20),
}  # fmt: skip
# Repr-Digest and Digest (RFC 3230) are of the whole file, even in a 206; the other two are of the
# content that is sent (RFC 9530 §2, §3, RFC 1864).
OF_THE_FILE = ("repr-digest", "digest")
OF_THE_CONTENT = ("content-digest", "content-md5")
NAMES = (*OF_THE_FILE, *OF_THE_CONTENT)
_BLOCK = 1024 * 1024
_SHOWN = 80  # characters of an invalid digest in a warning

Digest: TypeAlias = "tuple[str, str, bytes]"  # its source, the algorithm, the digest


def said(status: int, fields: Fields) -> dict[str, str]:
    """The digest fields of a response that are about the whole file."""
    names = {200: NAMES, 206: OF_THE_FILE}.get(status, ())
    return {name: value for name in names if (value := fields.get(name)) is not None}


def expected(said: Fields | Mapping[str, str], sha256: str | None = None) -> list[Digest]:
    """The digests that the whole file, or the content of a 206, must have.

    said: the digest fields about it. sha256: the digest from the caller.
    """
    wanted = [] if sha256 is None else [("sha256=", "sha256", bytes.fromhex(sha256))]
    return wanted + [one for name in NAMES for one, _ in _read(said, name) if one is not None]


def said_of_part(part: Fields, whole: Fields) -> dict[str, str]:
    """The digest fields of a 206 that are about its content.

    whole: the fields of the 200. Some servers repeat the digests of the whole in a 206.
    """
    return {
        name: value
        for name in OF_THE_CONTENT
        if (value := part.get(name)) is not None and value != whole.get(name)
    }


def unverified(said: Mapping[str, str]) -> list[str]:
    """The digests of a server that can't be verified, as warnings."""
    words = []
    for name in NAMES:
        read = _read(said, name)
        verified = any(one is not None for one, _ in read)
        # RFC 9530 §2: of several, those of an unknown algorithm may be left alone.
        words += [
            f"its {name.title()} can't be verified ({member[:_SHOWN]})"
            for one, member in read
            if one is None and not (verified and _key(member) not in _ALGORITHMS)
        ]
    return words


def mismatch(file: BinaryIO, wanted: list[Digest]) -> str:
    """The first digest that a file does not match, in words; "" where it matches all."""
    hashes = hashing(wanted)
    file.seek(0)
    while hashes and (block := file.read(_BLOCK)):
        for _, each in hashes:
            each.update(block)
    return differing(hashes)


def hashing(wanted: list[Digest]) -> list[tuple[Digest, Any]]:
    """Each digest with a hash object, to compute the digest of the data."""
    import hashlib

    return [(one, hashlib.new(one[1], usedforsecurity=False)) for one in wanted]


def differing(hashes: list[tuple[Digest, Any]]) -> str:
    """The first digest that the data does not match, in words; or ""."""
    for (who, name, digest), each in hashes:
        if (found := each.digest()) != digest:
            return f"{who} says {name} {digest.hex()}, but it is {found.hex()}"
    return ""


def _read(said: Fields | Mapping[str, str], name: str) -> list[tuple[Digest | None, str]]:
    """The digests in a field, each beside its text; None for one that can't be parsed."""
    value = said.get(name)
    if value is None:
        return []
    if name == "content-md5":
        return [(_digest_of(name, "md5", value), value)]
    last = {_key(member): member for member in members(value)}  # RFC 8941 §3.2: the last counts
    found = [(_digest_of(name, *_pair(member)), member) for member in last.values()]
    return found or [(None, value)]


def _digest_of(name: str, key: str, value: str) -> Digest | None:
    algorithm, size = _ALGORITHMS.get(key, ("", 0))
    digests = (digest for digest in _bytes(value) if len(digest) == size)
    digest = next(digests, b"")
    return (name.title(), algorithm, digest) if digest else None


def _pair(member: str) -> tuple[str, str]:
    """`sha-256=:…:;a=1` as its key, in lower case, and its value (RFC 8941 §3.2)."""
    key, _, value = member.partition("=")
    return key.strip(" \t").lower(), value.partition(";")[0].strip(" \t")


def _key(member: str) -> str:
    return _pair(member)[0]


def _bytes(value: str) -> Iterator[bytes]:
    """The bytes that a value may mean.

    It should be a byte sequence between colons; in Digest it is bare or quoted. The padding may be
    missing (RFC 8941 §4.2.7). Some servers send hexadecimal digits.
    """
    text = value.strip(':"').rstrip("=").replace("-", "+").replace("_", "/")
    with suppress(Error, UnicodeEncodeError):
        yield a2b_base64((text + "=" * (-len(text) % 4)).encode("ascii"), strict_mode=True)
    with suppress(ValueError):
        yield bytes.fromhex(text)
