"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

import typing as _typing

from statuspolicy.clock import Clock, SystemClock
from statuspolicy.cooldown import Cool
from statuspolicy.limits import Limits, RetryBudget
from statuspolicy.memory import Memory
from statuspolicy.trace import Step, Trace

from .account import trace
from .duties.cooling import breaker
from .duties.retry import retry
from .duties.verify import reset
from .exchange import Exchange
from .plan import Overrides
from .row import Row, Table, resume, surface
from .tables import STANDARD, STRICT
from .transport import AsyncPolicyTransport, PolicyTransport
from .verdicts import Again, Aside, Follow, Inspect, Refuse, Settle, Use, Verdict
from .wrap import unwrap, wrap

# What most programs never name is loaded where it is named first; type checkers see it all.
if _typing.TYPE_CHECKING:
    from statuspolicy.cache.config import Cache
    from statuspolicy.cache.entry import Entry
    from statuspolicy.cache.redis import RedisStorage
    from statuspolicy.cache.sqlite import SQLiteStorage
    from statuspolicy.cache.status import CacheStatus
    from statuspolicy.cache.storage import MemoryStorage, Storage
    from statuspolicy.challenge import Challenge, challenges
    from statuspolicy.links import Alternative

    from . import events
    from .addresses import public_addresses_only
    from .dav import Multistatus, Part, multistatus
    from .downloads.loops import adownload, download
    from .duties.authenticate import authenticate
    from .duties.choose import alternatives, choose, upgrade_to_https
    from .duties.poll import poll
    from .duties.proxy import use_proxy
    from .duties.resolve import extend, perform, resolve
    from .duties.ticket import Progress
    from .duties.told import gone, moved
    from .errors import (
        CoolingDown,
        DigestMismatch,
        DownloadError,
        ProtocolViolation,
        RedirectBlackHole,
        RedirectCapExceeded,
        RedirectLoop,
        TotalTimeout,
        UnparsableResponse,
    )
    from .expecting import expect_continue
    from .polling import poll_token, resume_poll
else:
    _LATER = {
        "adownload": ".downloads.loops",
        "alternatives": ".duties.choose",
        "authenticate": ".duties.authenticate",
        "challenges": "statuspolicy.challenge",
        "choose": ".duties.choose",
        "download": ".downloads.loops",
        "events": ".events",
        "expect_continue": ".expecting",
        "extend": ".duties.resolve",
        "gone": ".duties.told",
        "moved": ".duties.told",
        "multistatus": ".dav",
        "perform": ".duties.resolve",
        "poll": ".duties.poll",
        "poll_token": ".polling",
        "public_addresses_only": ".addresses",
        "resolve": ".duties.resolve",
        "resume_poll": ".polling",
        "upgrade_to_https": ".duties.choose",
        "use_proxy": ".duties.proxy",
        "Alternative": "statuspolicy.links",
        "Cache": "statuspolicy.cache.config",
        "CacheStatus": "statuspolicy.cache.status",
        "Challenge": "statuspolicy.challenge",
        "CoolingDown": ".errors",
        "DigestMismatch": ".errors",
        "DownloadError": ".errors",
        "Entry": "statuspolicy.cache.entry",
        "MemoryStorage": "statuspolicy.cache.storage",
        "Multistatus": ".dav",
        "Part": ".dav",
        "Progress": ".duties.ticket",
        "ProtocolViolation": ".errors",
        "RedirectBlackHole": ".errors",
        "RedirectCapExceeded": ".errors",
        "RedirectLoop": ".errors",
        "RedisStorage": "statuspolicy.cache.redis",
        "SQLiteStorage": "statuspolicy.cache.sqlite",
        "Storage": "statuspolicy.cache.storage",
        "TotalTimeout": ".errors",
        "UnparsableResponse": ".errors",
    }

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module = import_module(_LATER[name], __name__)
        globals()[name] = module if _LATER[name] == f".{name}" else getattr(module, name)
        return globals()[name]

    def __dir__():
        return [*globals(), *_LATER]


__all__ = [
    "STANDARD",
    "STRICT",
    "Again",
    "Alternative",
    "Aside",
    "AsyncPolicyTransport",
    "Cache",
    "CacheStatus",
    "Challenge",
    "Clock",
    "Cool",
    "CoolingDown",
    "DigestMismatch",
    "DownloadError",
    "Entry",
    "Exchange",
    "Follow",
    "Inspect",
    "Limits",
    "Memory",
    "MemoryStorage",
    "Multistatus",
    "Overrides",
    "Part",
    "PolicyTransport",
    "Progress",
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
    "adownload",
    "alternatives",
    "authenticate",
    "breaker",
    "challenges",
    "choose",
    "download",
    "events",
    "expect_continue",
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
