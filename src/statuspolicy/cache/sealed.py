"""Digests of stored data: they show that data was damaged or forged, or is of another URL."""

from __future__ import annotations

from typing import Any

DIGEST = 16  # bytes


def digest(content: bytes) -> bytes:
    from hashlib import blake2b  # here, since a MemoryStorage does not need it

    return blake2b(content, digest_size=DIGEST).digest()


def sealed(url: str, said: bytes) -> bytes:
    """The data behind a digest of the URL and the data."""
    return digest(url.encode("utf-8", "surrogatepass") + b"\0" + said) + said


def opened(url: str, who: str, dumped: bytes, body: bytes) -> dict[str, Any]:
    """The values of a dump, without the body. Raises any exception for other data."""
    import json

    said = dumped[DIGEST:]
    if dumped != sealed(url, said) or said[:DIGEST] != digest(body):
        raise ValueError("the stored response does not match its digest")
    values: dict[str, Any] = json.loads(said[DIGEST:])
    if values["who"] != who:
        raise ValueError("it belongs to another user")
    lines = ((name.encode("latin-1"), value.encode("latin-1")) for name, value in values["headers"])
    vary, part = map(tuple, values["vary"]), values["part"]
    part = None if part is None else tuple(part)
    return {**values, "headers": tuple(lines), "vary": tuple(vary), "part": part}
