"""Whether a request may be sent a second time: not a POST that may have been acted on.

The guard asks it of each verdict, so no duty can override it. `retry` asks it too, before it asks
the application how long to wait, and before it waits for an origin that cools down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from statuspolicy.policy.exchange import Exchange


def not_repeatable(exchange: Exchange, unacted: bool) -> str:
    """Why a request may not be sent again; "" where it may.

    RFC 9110 §9.2.2: "A client SHOULD NOT automatically retry a request with a non-idempotent
    method unless it has some means to know that the request semantics are actually idempotent […]
    or some means to detect that the original request was never applied."

    unacted: whether the server did not act on the request, as its response shows
        (`Exchange.unacted`) or as the duty is sure (`Again.unacted`).
    """
    if unacted or exchange.idempotent:
        return ""
    return f"{exchange.request.method} is not idempotent and may have been acted on"
