"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

from statuspolicy.clock import Clock, SystemClock
from statuspolicy.cooldown import Cool
from statuspolicy.limits import Limits, RetryBudget
from statuspolicy.memory import Memory
from statuspolicy.trace import Step, Trace

from . import events
from .account import trace
from .addresses import public_addresses_only
from .duties.cooling import breaker
from .duties.retry import retry
from .duties.verify import reset
from .errors import (
    CoolingDown,
    ProtocolViolation,
    RedirectBlackHole,
    RedirectCapExceeded,
    RedirectLoop,
    TotalTimeout,
    UnparsableResponse,
)
from .exchange import Exchange
from .expecting import expect_continue
from .plan import Overrides
from .row import Row, Table, resume, surface
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
    "Cool",
    "CoolingDown",
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
    "TotalTimeout",
    "Trace",
    "UnparsableResponse",
    "Use",
    "Verdict",
    "breaker",
    "events",
    "expect_continue",
    "public_addresses_only",
    "reset",
    "resume",
    "retry",
    "surface",
    "trace",
    "unwrap",
    "wrap",
]
