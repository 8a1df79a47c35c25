"""The reason phrase of a response: the server's own, or the registered one."""

from __future__ import annotations

from functools import cache, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from statuspolicy.printable import PART, printable
from statuspolicy.wire.library import either

if TYPE_CHECKING:
    from httpx import Response


def phrase(response: Response) -> str:
    """The reason phrase: the server's, else the registry's."""
    reason = response.extensions.get("reason_phrase")
    return _shown(reason) if reason else registered(response.status_code)


@lru_cache(maxsize=256)  # since it is asked of each answer
def _shown(reason: bytes) -> str:
    return printable(reason.decode("ascii", errors="ignore"), PART)


@cache
def registered(status: int) -> str:
    """The registered reason phrase of a code; "" for other codes."""
    try:
        return either().Response(status).reason_phrase or HTTPStatus(status).phrase
    except ValueError:
        return ""
