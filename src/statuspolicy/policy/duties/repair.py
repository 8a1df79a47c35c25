"""The duties for 411 and 417: repair the request and send it once more."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING

from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.lazy_import import LazyModule
from statuspolicy.policy.verdicts import Again, Settle, Verdict
from statuspolicy.wire.library import LIBRARY_OF

if TYPE_CHECKING:
    from httpx import Request

    from statuspolicy.message import body
    from statuspolicy.policy import awaitable
else:
    awaitable = LazyModule("statuspolicy.policy.awaitable")
    body = LazyModule("statuspolicy.message.body")


def with_length(exchange: Exchange) -> Verdict | Awaitable[Verdict]:
    """411: repeat once with Content-Length, if the whole body is known."""
    if exchange.times(411):
        return Settle("the request was already repeated with Content-Length")
    if "content-length" in exchange.request.headers:
        return Settle("the request already had a Content-Length")
    length = body.length(exchange.request)
    if length is None:
        # The server answered before the body was sent to its end.
        content = body.read(exchange.request, exchange.limits.replay_bytes)
        return awaitable.then(content, partial(_measured, exchange))  # type: ignore[no-any-return]
    return _resubmitted(exchange, body.copy(exchange.request), length)


def _measured(exchange: Exchange, content: bytes | None) -> Verdict:
    if content is None:
        return Settle("the length of the body is not known (Limits.replay_bytes)")
    request = body.copy(
        exchange.request, stream=LIBRARY_OF[type(exchange.request)].ByteStream(content)
    )
    return _resubmitted(exchange, request, len(content))


def _resubmitted(exchange: Exchange, request: Request, length: int) -> Again:
    request.headers.pop("transfer-encoding", None)
    request.headers["Content-Length"] = str(length)
    return Again(request, exchange.told or 0.0, unacted=True, why="with Content-Length")


def without_expect(exchange: Exchange) -> Verdict:
    """417: repeat once without Expect.

    RFC 9110 §10.1.1: "A client that receives a 417 […] in response to a request containing
    a 100-continue expectation SHOULD repeat that request without a 100-continue expectation".
    """
    if exchange.request.headers.get("expect", "").strip().lower() != "100-continue":
        return Settle("the request has no Expect: 100-continue to remove")
    request = body.copy(exchange.request)
    del request.headers["expect"]
    return Again(request, exchange.told or 0.0, unacted=True, why="without Expect")
