"""JSON that a server wrote: bytes -> values or None, and never an exception."""

from __future__ import annotations

from typing import Any


def document(content: bytes | None) -> Any:
    """What a body says; None where it is no JSON."""
    import json  # here, so that a program without JSON never loads it

    try:
        return json.loads(content or b"")
    except (ValueError, RecursionError):
        return None


def member(document: Any, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) such as "/links/monitor" leads to; None where to nothing."""
    for word in pointer.split("/")[1:]:
        name = word.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isascii() and name.isdigit():
            document = dict(enumerate(document)).get(int(name[:9]))
        else:
            document = document.get(name) if isinstance(document, dict) else None
    return document


def text(document: Any, pointer: str) -> str:
    """The same, where it is text; else ""."""
    found = member(document, pointer)
    return found if isinstance(found, str) else ""
