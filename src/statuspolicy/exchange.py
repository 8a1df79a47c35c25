"""What a duty sees: one answer or failure, and all that led to it, as values."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from statuspolicy._value import Reckoned, lazy
from statuspolicy.fields import Fields
from statuspolicy.limits import Limits
from statuspolicy.methods import IDEMPOTENT, SAFE
from statuspolicy.retry_after import told
from statuspolicy.trace import Step

from . import failure
from ._lib import (
    Request,
    Response,
    TransportError,
)
from .streams import content_of

if TYPE_CHECKING:
    from statuspolicy.interim import Interim

# These answers say by themselves that the request was not acted on: 411 and 417 (RFC 9110
# §15.5.12, §15.5.18), 421 (§15.5.20), 425 (RFC 8470 §5.2: "unwilling to risk processing").
_REFUSED = frozenset({411, 417, 421, 425})
# These where they also name a time to come back: 413 and 503 (RFC 9110 §15.5.14, §15.6.4),
# 429 (RFC 6585 §4), 509.
_REFUSED_FOR_NOW = frozenset({413, 429, 503, 509})
# These say that the server can't do what it was asked for; any other 5xx may come after the fact.
# (So may a 503: a gateway says it of what it passed on. That is enough to ask for the same again,
# and too little to build on.)
_NOT_DONE = frozenset({501, 505, 510, 511})


class Exchange(Reckoned):
    """One answer or failure and what led to it. Frozen: a duty changes nothing.

    request: the request as it was sent, but for what `prepare` wrote into it.
    response: the answer, its body unread; None where there was none.
    error: the failure, where there was no answer.
    fields: the header section of the answer, names in lower case.
    steps: what was answered and decided before, oldest first.
    limits: the bounds of this exchange.
    now: seconds since the epoch, at this answer.
    elapsed: seconds since the first answer or failure of the exchange.
    answers: what this request was answered with before (a hop is a new request).
    hops: redirects followed so far.
    main: where this is the answer to a request on the side, what the exchange is about.
    can_ask: whether the application has a `confirm` to ask.
    can_renew: whether another connection can be had.
    can_sign: whether a `prepare` makes each send ready anew.
    reused: whether the connection is known to have served another request before.
    unsent: whether it is known that nobody can have read the request: not a byte of it was
        sent, or none arrived where it was sent to.
    begun: whether it is known that some of the request was sent, to where it may have been read.
    left: seconds until `Limits.total` ends the exchange.
    abroad: whether credentials stay behind, since the exchange has left its first origin.
    proxied: whether a request that was answered 305 or 407 is known to have gone to a proxy.
    can_await: whether a duty may answer with an awaitable.
    duty: what the row of this answer does.
    interim: the responses that went before this answer, where the transport shows them.
    began: the first bytes of an answer that could not be parsed, where they are known.
    maybe_acted_on: whether the server may have acted on an earlier send of this request, whose
        answer was lost or was an error of the server's. A 404, 409, 412 or 423 may then come of
        its own success. False for a request that only reads.
    """

    request: Request
    response: Response | None
    error: TransportError | None
    fields: Fields
    steps: tuple[Step, ...]
    limits: Limits
    now: float
    elapsed: float = 0.0
    answers: tuple[int | str, ...] = ()
    hops: int = 0
    main: Exchange | None = None
    can_ask: bool = False
    can_renew: bool = True
    can_sign: bool = False
    reused: bool = False
    unsent: bool = False
    begun: bool = False
    left: float = inf
    abroad: bool = False
    proxied: bool = False
    can_await: bool = False
    duty: Any = None
    interim: tuple[Interim, ...] = ()
    began: bytes = b""
    maybe_acted_on: bool = False

    @lazy
    def status(self) -> int | None:
        """The status code; None for a failure."""
        return None if self.response is None else self.response.status_code

    @lazy
    def code(self) -> int | str:
        """The status code, or the name of the failure; "" before there is either.

        A failure that is a code's row has that code: 600 for what is no HTTP.
        """
        if self.response is not None:
            return self.response.status_code
        if self.error is None:
            return ""
        key = failure.row_key(self.error)
        return key if isinstance(key, int) else type(self.error).__name__

    @property
    def attempt(self) -> int:
        """How often this request has been sent."""
        return len(self.answers) + 1

    @property
    def redirected(self) -> bool:
        """Whether the answer is a redirect."""
        return 300 <= (self.status or 0) < 400 and self.status != 304

    @property
    def safe(self) -> bool:
        """Whether the request only reads (RFC 9110 §9.2.1)."""
        return self.request.method in SAFE

    @property
    def idempotent(self) -> bool:
        """Whether sending the request twice does no more than once (RFC 9110 §9.2.2)."""
        key = self.request.headers.get("idempotency-key", "")  # an empty one names nothing
        return self.request.method in IDEMPOTENT or bool(key.strip())

    @lazy
    def told(self) -> float | None:
        """Seconds that the server asks to wait; None where it asks nothing readable."""
        return told(self.status, self.fields, self.now)

    @property
    def unacted(self) -> bool:
        """Whether it is sure that the server did not act on the request."""
        if self.error is not None:
            return self.unsent or failure.unacted(self.error, self.begun, self.request)
        if self.status == 408:
            # RFC 9110 §15.5.9: the server gave up waiting for a request that it never read,
            # where it had kept the connection for the next one and now closes it.
            return self.reused and "close" in (self.fields.get("connection") or "").lower()
        if self.status in _REFUSED_FOR_NOW:
            return self.told is not None
        return self.status in _REFUSED

    @property
    def leaves_doubt(self) -> bool:
        """Whether the server may have acted on a request that changes something."""
        status = self.status
        if status is None or status == 408:
            return not self.unacted
        return status < 300 or (status >= 500 and status not in _NOT_DONE)

    @property
    def body(self) -> bytes | None:
        """The answer's content, decoded, where it was read before (`Inspect`); else None."""
        return None if self.response is None else content_of(self.response)

    def times(self, code: int | str) -> int:
        """How often this request was answered with `code` before."""
        return self.answers.count(code)
