"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

import typing as _typing

from statuspolicy.account import trace
from statuspolicy.async_transport import AsyncPolicyTransport
from statuspolicy.clock import Clock, SystemClock
from statuspolicy.cooldown import Cool
from statuspolicy.duties.cooling import breaker
from statuspolicy.duties.retry import retry
from statuspolicy.duties.verify import reset
from statuspolicy.exchange import Exchange
from statuspolicy.limits import Limits, RetryBudget
from statuspolicy.memory import Memory
from statuspolicy.plan import Overrides
from statuspolicy.row import Row, Table, resume, surface
from statuspolicy.tables import STANDARD, STRICT
from statuspolicy.trace import Step, Trace
from statuspolicy.transport import PolicyTransport
from statuspolicy.verdicts import Again, Aside, Follow, Inspect, Refuse, Settle, Use, Verdict
from statuspolicy.wrap import unwrap, wrap

# What most programs never name is loaded where it is named first; type checkers see it all.
if _typing.TYPE_CHECKING:
    from statuspolicy import events
    from statuspolicy.addresses import public_addresses_only
    from statuspolicy.cache.config import Cache
    from statuspolicy.cache.entry import Entry
    from statuspolicy.cache.redis import RedisStorage
    from statuspolicy.cache.sqlite import SQLiteStorage
    from statuspolicy.cache.status import CacheStatus
    from statuspolicy.cache.storage import MemoryStorage, Storage
    from statuspolicy.challenge import Challenge, challenges
    from statuspolicy.dav import Multistatus, Part, multistatus
    from statuspolicy.downloads.loops import adownload, download
    from statuspolicy.duties.authenticate import authenticate
    from statuspolicy.duties.choose import alternatives, choose, upgrade_to_https
    from statuspolicy.duties.poll import poll
    from statuspolicy.duties.proxy import use_proxy
    from statuspolicy.duties.resolve import extend, perform, resolve
    from statuspolicy.duties.ticket import Progress
    from statuspolicy.duties.told import gone, moved
    from statuspolicy.errors import (
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
    from statuspolicy.expecting import expect_continue
    from statuspolicy.links import Alternative
    from statuspolicy.polling import poll_token, resume_poll
else:
    _LATER = {
        "adownload": "statuspolicy.downloads.loops",
        "alternatives": "statuspolicy.duties.choose",
        "authenticate": "statuspolicy.duties.authenticate",
        "challenges": "statuspolicy.challenge",
        "choose": "statuspolicy.duties.choose",
        "download": "statuspolicy.downloads.loops",
        "events": "statuspolicy.events",
        "expect_continue": "statuspolicy.expecting",
        "extend": "statuspolicy.duties.resolve",
        "gone": "statuspolicy.duties.told",
        "moved": "statuspolicy.duties.told",
        "multistatus": "statuspolicy.dav",
        "perform": "statuspolicy.duties.resolve",
        "poll": "statuspolicy.duties.poll",
        "poll_token": "statuspolicy.polling",
        "public_addresses_only": "statuspolicy.addresses",
        "resolve": "statuspolicy.duties.resolve",
        "resume_poll": "statuspolicy.polling",
        "upgrade_to_https": "statuspolicy.duties.choose",
        "use_proxy": "statuspolicy.duties.proxy",
        "Alternative": "statuspolicy.links",
        "Cache": "statuspolicy.cache.config",
        "CacheStatus": "statuspolicy.cache.status",
        "Challenge": "statuspolicy.challenge",
        "CoolingDown": "statuspolicy.errors",
        "DigestMismatch": "statuspolicy.errors",
        "DownloadError": "statuspolicy.errors",
        "Entry": "statuspolicy.cache.entry",
        "MemoryStorage": "statuspolicy.cache.storage",
        "Multistatus": "statuspolicy.dav",
        "Part": "statuspolicy.dav",
        "Progress": "statuspolicy.duties.ticket",
        "ProtocolViolation": "statuspolicy.errors",
        "RedirectBlackHole": "statuspolicy.errors",
        "RedirectCapExceeded": "statuspolicy.errors",
        "RedirectLoop": "statuspolicy.errors",
        "RedisStorage": "statuspolicy.cache.redis",
        "SQLiteStorage": "statuspolicy.cache.sqlite",
        "Storage": "statuspolicy.cache.storage",
        "TotalTimeout": "statuspolicy.errors",
        "UnparsableResponse": "statuspolicy.errors",
    }

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        where = _LATER[name]
        module = import_module(where)
        globals()[name] = module if where == f"statuspolicy.{name}" else getattr(module, name)
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
