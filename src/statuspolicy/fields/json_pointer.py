"""JSON from a server: bytes -> values or None, and never an exception."""

from __future__ import annotations

from typing import Any


def document(content: bytes | None) -> Any:
    """The value of a JSON body; None where it is not JSON."""
    import json  # here, so that a program without JSON never loads it

    try:
        return json.loads(content or b"")
    except (ValueError, RecursionError):
        return None


def member(document: Any, pointer: str) -> Any:
    """The value at a JSON Pointer (RFC 6901) such as "/links/monitor"; None where there is none."""
    for word in pointer.split("/")[1:]:
        name = word.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isascii() and name.isdigit():
            document = dict(enumerate(document)).get(int(name[:9]))
        else:
            document = document.get(name) if isinstance(document, dict) else None
    return document


def text(document: Any, pointer: str) -> str:
    """The string at a JSON Pointer; else ""."""
    found = member(document, pointer)
    return found if isinstance(found, str) else ""
