"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

from statuspolicy.challenge import Challenge, challenges
from statuspolicy.clock import Clock, SystemClock
from statuspolicy.cooldown import Cool
from statuspolicy.limits import Limits, RetryBudget
from statuspolicy.links import Alternative
from statuspolicy.memory import Memory
from statuspolicy.trace import Step, Trace

from . import events
from .account import trace
from .addresses import public_addresses_only
from .dav import Multistatus, Part, multistatus
from .duties.authenticate import authenticate
from .duties.choose import alternatives, choose, upgrade_to_https
from .duties.cooling import breaker
from .duties.poll import poll
from .duties.proxy import use_proxy
from .duties.resolve import extend, perform, resolve
from .duties.retry import retry
from .duties.ticket import Progress
from .duties.told import gone, moved
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
from .plan import Overrides
from .polling import poll_token, resume_poll
from .row import Row, Table, resume, surface
from .tables import STANDARD, STRICT
from .transport import AsyncPolicyTransport, PolicyTransport
from .verdicts import Again, Aside, Follow, Inspect, Refuse, Settle, Use, Verdict
from .wrap import unwrap, wrap

__all__ = [
    "STANDARD",
    "STRICT",
    "Again",
    "Alternative",
    "Aside",
    "AsyncPolicyTransport",
    "Challenge",
    "Clock",
    "Cool",
    "CoolingDown",
    "Exchange",
    "Follow",
    "Inspect",
    "Limits",
    "Memory",
    "Multistatus",
    "Overrides",
    "Part",
    "PolicyTransport",
    "Progress",
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
    "alternatives",
    "authenticate",
    "breaker",
    "challenges",
    "choose",
    "events",
    "extend",
    "gone",
    "moved",
    "multistatus",
    "perform",
    "poll",
    "poll_token",
    "public_addresses_only",
    "reset",
    "resolve",
    "resume",
    "resume_poll",
    "retry",
    "surface",
    "trace",
    "unwrap",
    "upgrade_to_https",
    "use_proxy",
    "wrap",
]
