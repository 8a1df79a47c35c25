"""`Exchange`: a response or failure and all that led to it, as a duty sees it."""

from __future__ import annotations

from math import inf
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic

from statuspolicy._value import Computed, lazy
from statuspolicy.fields.methods import IDEMPOTENT, SAFE
from statuspolicy.fields.retry_after import seconds_to_wait
from statuspolicy.fields.section import Fields
from statuspolicy.message.steps import Step
from statuspolicy.message.streams import content_of
from statuspolicy.policy import failures

# With these codes the server says that it did not act on the request: 411 and 417 (RFC 9110
# §15.5.12, §15.5.18), 421 (§15.5.20), 425 (RFC 8470 §5.2: "unwilling to risk processing").
_REFUSED = frozenset({411, 417, 421, 425})
# These where they also name a time to come back: 413 and 503 (RFC 9110 §15.5.14, §15.6.4),
# 429 (RFC 6585 §4), 509.
_REFUSED_FOR_NOW = frozenset({413, 429, 503, 509})
# With these codes the server says that it can't do what was requested; any other 5xx may come after
# it has done that. (A 503 too, from a gateway: that is enough to repeat the request, but no proof.)
_NOT_DONE = frozenset({501, 505, 510, 511})


if TYPE_CHECKING:
    from httpx import Request, Response, TransportError
    from typing_extensions import TypeVar  # which a type checker has, wherever it runs

    from statuspolicy.fields.interim import Interim
    from statuspolicy.message.protocols import AnyRequest, AnyResponse

    RequestT = TypeVar("RequestT", bound=AnyRequest, default=Request)
    ResponseT = TypeVar("ResponseT", bound=AnyResponse, default=Response)
    ErrorT = TypeVar("ErrorT", bound=Exception, default=TransportError)

    class _OfALibrary(Generic[RequestT, ResponseT, ErrorT]):
        """The types of one library: httpx's, where nothing is said."""

    from statuspolicy.policy.limits import Limits
else:
    RequestT = ResponseT = ErrorT = Any

    class _OfALibrary:
        __class_getitem__ = classmethod(GenericAlias)


class Exchange(Computed, _OfALibrary[RequestT, ResponseT, ErrorT]):
    """A response or failure and what led to it. Frozen: a duty changes nothing.

    To a type checker its request, response and error are httpx's; `statuspolicy.httpx2.Exchange`
    is the same class with httpx2's, and says so as `Exchange[httpx2.Request, httpx2.Response,
    httpx2.TransportError]`.

    request: the request as it was sent, without the changes of `prepare`.
    response: the response, its body unread; None for a failure.
    error: the failure; None for a response.
    fields: the header section of the response, names in lower case.
    steps: the steps of the trace so far, oldest first.
    limits: the limits of this exchange.
    now: seconds since the epoch, at this response.
    elapsed: seconds since the first response or failure of the exchange.
    answers: the earlier answers to this request, as codes (a hop is a new request).
    hops: the number of redirects followed so far.
    main: the main exchange, where this is the answer to a side request; else None.
    can_ask: whether the application has a `confirm`.
    can_renew: whether another connection can be used.
    can_sign: whether a `prepare` signs each send anew.
    reused: whether the connection is known to have served another request before.
    unsent: whether the server is known not to have received any byte of the request.
    begun: whether some bytes of the request are known to have been sent, so that the server may
        have read them.
    left: seconds until `Limits.total` ends the exchange.
    abroad: whether credentials are no longer sent, since the exchange has left its first origin.
    proxied: whether a request that was answered 305 or 407 is known to have gone to a proxy.
    can_await: whether a duty may return an awaitable.
    duty: the duty of the row of this answer.
    interim: the interim responses before this one, where the transport shows them.
    began: the first bytes of a response that could not be parsed, where they are known.
    maybe_acted_on: whether the server may have acted on an earlier send of this request, whose
        response was lost or was a server error. A 404, 409, 412 or 423 may then be caused by
        that earlier success. False for a safe method.
    """

    __module__ = "statuspolicy"

    request: RequestT
    response: ResponseT | None
    error: ErrorT | None
    fields: Fields
    steps: tuple[Step, ...]
    limits: Limits
    now: float
    elapsed: float = 0.0
    answers: tuple[int | str, ...] = ()
    hops: int = 0
    main: Exchange[RequestT, ResponseT, ErrorT] | None = None
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

        Row 600 is for a failure: a response that could not be parsed has the code 600.
        """
        if self.response is not None:
            return self.response.status_code
        if self.error is None:
            return ""
        key = failures.row_key(self.error)
        return key if isinstance(key, int) else type(self.error).__name__

    @property
    def attempt(self) -> int:
        """How often this request was sent."""
        return len(self.answers) + 1

    @property
    def redirected(self) -> bool:
        """Whether the response is a redirect."""
        return 300 <= (self.status or 0) < 400 and self.status != 304

    @property
    def safe(self) -> bool:
        """Whether the method is safe: the request only reads (RFC 9110 §9.2.1)."""
        return self.request.method in SAFE

    @property
    def idempotent(self) -> bool:
        """Whether the request, sent twice, does the same as once (RFC 9110 §9.2.2)."""
        if self.request.method in IDEMPOTENT:
            return True
        # An empty key identifies nothing.
        return bool(self.request.headers.get("idempotency-key", "").strip())

    @lazy
    def told(self) -> float | None:
        """Seconds that the server asks to wait; None where it names no valid time."""
        return seconds_to_wait(self.status, self.fields, self.now)

    @property
    def unacted(self) -> bool:
        """Whether the server is known not to have acted on the request."""
        if self.error is not None:
            return self.unsent or failures.unacted(self.error, self.begun, self.request)
        if self.status == 408:
            # RFC 9110 §15.5.9: the server gave up waiting for a request that it never read,
            # where it had kept the connection for the next one and now closes it.
            return self.reused and "close" in (self.fields.get("connection") or "").lower()
        if self.status in _REFUSED_FOR_NOW:
            return self.told is not None
        return self.status in _REFUSED

    @property
    def leaves_doubt(self) -> bool:
        """Whether the server may have acted on an unsafe request."""
        status = self.status
        if status is None or status == 408:
            return not self.unacted
        return status < 300 or (status >= 500 and status not in _NOT_DONE)

    @property
    def body(self) -> bytes | None:
        """The decoded content of the response, where it was read (`Inspect`); else None."""
        return None if self.response is None else content_of(self.response)

    def times(self, code: int | str) -> int:
        """How often this request was answered with `code` before."""
        return self.answers.count(code)
