"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

from statuspolicy.account import trace
from statuspolicy.clock import Clock, SystemClock
from statuspolicy.duties.retry import retry
from statuspolicy.duties.verify import reset
from statuspolicy.errors import (
    ProtocolViolation,
    RedirectBlackHole,
    RedirectCapExceeded,
    RedirectLoop,
    UnparsableResponse,
)
from statuspolicy.exchange import Exchange
from statuspolicy.limits import Limits, RetryBudget
from statuspolicy.memory import Memory
from statuspolicy.plan import Overrides
from statuspolicy.row import Row, Table, surface
from statuspolicy.tables import STANDARD, STRICT
from statuspolicy.trace import Step, Trace
from statuspolicy.transport import AsyncPolicyTransport, PolicyTransport
from statuspolicy.verdicts import Again, Aside, Follow, Refuse, Settle, Use, Verdict
from statuspolicy.wrap import unwrap, wrap

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
