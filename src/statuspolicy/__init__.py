"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

from statuspolicy.clock import Clock, SystemClock
from statuspolicy.limits import Limits, RetryBudget
from statuspolicy.memory import Memory
from statuspolicy.trace import Step, Trace

from .account import trace
from .duties.retry import retry
from .duties.verify import reset
from .errors import (
    ProtocolViolation,
    RedirectBlackHole,
    RedirectCapExceeded,
    RedirectLoop,
    UnparsableResponse,
)
from .exchange import Exchange
from .plan import Overrides
from .row import Row, Table, surface
from .tables import STANDARD, STRICT
from .transport import AsyncPolicyTransport, PolicyTransport
from .verdicts import Again, Aside, Follow, Refuse, Settle, Use, Verdict
from .wrap import unwrap, wrap

__all__ = [
    "STANDARD",
    "STRICT",
    "Again",
    "Aside",
    "AsyncPolicyTransport",
    "Clock",
    "Exchange",
    "Follow",
    "Limits",
    "Memory",
    "Overrides",
    "PolicyTransport",
    "ProtocolViolation",
    "RedirectBlackHole",
    "RedirectCapExceeded",
    "RedirectLoop",
    "Refuse",
    "RetryBudget",
    "Row",
    "Settle",
    "Step",
    "SystemClock",
    "Table",
    "Trace",
    "UnparsableResponse",
    "Use",
    "Verdict",
    "reset",
    "retry",
    "surface",
    "trace",
    "unwrap",
    "wrap",
]
