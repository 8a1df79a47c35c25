"""Requests whose outcome is not known: the stored responses that they may have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statuspolicy.engine.effects import Reply, Send, StoreChanges
from statuspolicy.engine.state import Flow
from statuspolicy.policy import failures
from statuspolicy.wire.library import ANY

if TYPE_CHECKING:
    from httpx import Request, TransportError

    from statuspolicy.engine.client_cache import ClientCache


def sending(client_cache: ClientCache, send: Send) -> Flow[Reply]:
    """Send an unsafe request.

    Invalidates what it may have changed without a response (RFC 9111 §4.4).
    """
    request = send.request
    reply: Reply
    try:
        reply = yield send
    except GeneratorExit:  # its task was cancelled, or its body raised
        client_cache.note_undeleted(request)
        raise
    error = reply.outcome
    if isinstance(error, ANY.TransportError) and _may_be_acted_on(error, reply, request):
        yield StoreChanges(client_cache.invalidated(request, None))
    return reply


def _may_be_acted_on(error: TransportError, reply: Reply, request: Request) -> bool:
    unsent = reply.unsent or isinstance(error, (ANY.PoolTimeout, ANY.UnsupportedProtocol))
    return not (unsent or failures.unacted(error, reply.begun, request))
