"""Cache-Status (RFC 9211): what the cache did with a request."""

from __future__ import annotations

from typing import Literal, TypeAlias

from statuspolicy._value import Record

# §2.2: why a request was sent to the server.
Forwarded: TypeAlias = Literal[
    "bypass", "method", "uri-miss", "vary-miss", "request", "stale", "partial"
]


_MOST = 10**15 - 1  # RFC 8941 §3.3.1: an integer has 15 digits at most


class CacheStatus(Record):
    """What the cache did with a request; `str()` gives the value of a Cache-Status field.

    forwarded: why the request was sent to the server; None for a hit, and, with a detail, for
        an `only-if-cached` request without a stored response.
    answer: the status code from the server, where the caller gets another one.
    ttl: the remaining freshness in seconds, below 0 where the response is stale.
    stored: whether the response is stored, once it is read to its end.
    collapsed: whether the request waited for the validation of another one.
    detail: more information in words.
    """

    __module__ = "statuspolicy"

    forwarded: Forwarded | None = None
    answer: int | None = None
    ttl: float | None = None
    stored: bool = False
    collapsed: bool = False
    detail: str = ""

    def __str__(self) -> str:
        parts = ["statuspolicy"]
        parts += [] if self.forwarded is None else [f"fwd={self.forwarded}"]
        parts += ["hit"] if self.forwarded is None and not self.detail else []
        parts += [] if self.answer is None else [f"fwd-status={self.answer}"]
        parts += [] if self.ttl is None else [f"ttl={int(min(max(self.ttl, -_MOST), _MOST))}"]
        parts += ["stored"] if self.stored else []
        parts += ["collapsed"] if self.collapsed else []
        parts += [f'detail="{self.detail}"'] if self.detail else []
        return "; ".join(parts)
