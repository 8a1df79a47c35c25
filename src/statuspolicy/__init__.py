"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

from typing import TYPE_CHECKING, Any

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
from .plan import Overrides
from .row import Row, Table, resume, surface
from .tables import STANDARD, STRICT
from .transport import AsyncPolicyTransport, PolicyTransport
from .verdicts import Again, Aside, Follow, Refuse, Settle, Use, Verdict
from .wrap import unwrap, wrap

if TYPE_CHECKING:
    from statuspolicy.cache.config import Cache
    from statuspolicy.cache.entry import Entry
    from statuspolicy.cache.redis import RedisStorage
    from statuspolicy.cache.sqlite import SQLiteStorage
    from statuspolicy.cache.status import CacheStatus
    from statuspolicy.cache.storage import MemoryStorage, Storage

# What most programs never use is loaded when it is asked for.
_LATER = {
    "Cache": "cache.config",
    "CacheStatus": "cache.status",
    "Entry": "cache.entry",
    "MemoryStorage": "cache.storage",
    "RedisStorage": "cache.redis",
    "SQLiteStorage": "cache.sqlite",
    "Storage": "cache.storage",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"statuspolicy.{_LATER[name]}"), name)
    return value


__all__ = [
    "STANDARD",
    "STRICT",
    "Again",
    "Aside",
    "AsyncPolicyTransport",
    "Cache",
    "CacheStatus",
    "Clock",
    "Cool",
    "CoolingDown",
    "Entry",
    "Exchange",
    "Follow",
    "Limits",
    "Memory",
    "MemoryStorage",
    "Overrides",
    "PolicyTransport",
    "ProtocolViolation",
    "RedirectBlackHole",
    "RedirectCapExceeded",
    "RedirectLoop",
    "RedisStorage",
    "Refuse",
    "RetryBudget",
    "Row",
    "SQLiteStorage",
    "Settle",
    "Step",
    "Storage",
    "SystemClock",
    "Table",
    "TotalTimeout",
    "Trace",
    "UnparsableResponse",
    "Use",
    "Verdict",
    "breaker",
    "events",
    "public_addresses_only",
    "reset",
    "resume",
    "retry",
    "surface",
    "trace",
    "unwrap",
    "wrap",
]
