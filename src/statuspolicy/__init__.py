"""Middleware for httpx: each response is handled as its HTTP status code asks of a client."""

import typing as _typing

from statuspolicy.client.async_transport import AsyncPolicyTransport
from statuspolicy.client.trace import trace
from statuspolicy.client.transport import PolicyTransport
from statuspolicy.client.wrap import unwrap, wrap
from statuspolicy.engine.clock import Clock, SystemClock
from statuspolicy.engine.config import Overrides
from statuspolicy.memory.cooldowns import Cool
from statuspolicy.memory.memory import Memory
from statuspolicy.message.steps import Step, Trace
from statuspolicy.policy.duties.cooling import breaker
from statuspolicy.policy.duties.retry import retry
from statuspolicy.policy.duties.verify import reset
from statuspolicy.policy.exchange import Exchange
from statuspolicy.policy.limits import Limits, RetryBudget
from statuspolicy.policy.standard import STANDARD, STRICT
from statuspolicy.policy.table import Row, Table, resume, surface
from statuspolicy.policy.verdicts import Again, Aside, Follow, Inspect, Refuse, Settle, Use, Verdict

# Names that most programs never use are imported at their first use; type checkers see them all.
if _typing.TYPE_CHECKING:
    from statuspolicy.cache.config import Cache
    from statuspolicy.cache.entry import Entry
    from statuspolicy.cache.status import CacheStatus
    from statuspolicy.cache.storage.memory import MemoryStorage, Storage
    from statuspolicy.cache.storage.redis import RedisStorage
    from statuspolicy.cache.storage.sqlite import SQLiteStorage
    from statuspolicy.client.multistatus import Multistatus, Part, multistatus
    from statuspolicy.client.public_addresses import public_addresses_only
    from statuspolicy.client.resume_poll import poll_token, resume_poll
    from statuspolicy.downloads.download import adownload, download
    from statuspolicy.engine import events
    from statuspolicy.fields.challenges import Challenge, challenges
    from statuspolicy.fields.links import Alternative
    from statuspolicy.message.errors import (
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
    from statuspolicy.message.expect_continue import expect_continue
    from statuspolicy.policy.duties.auth.authenticate import authenticate
    from statuspolicy.policy.duties.hooks import gone, moved
    from statuspolicy.policy.duties.negotiate import alternatives, choose, upgrade_to_https
    from statuspolicy.policy.duties.polling.poll import poll
    from statuspolicy.policy.duties.polling.token import Progress
    from statuspolicy.policy.duties.proxy import use_proxy
    from statuspolicy.policy.duties.resolve import extend, perform, resolve
else:
    _LATER = {
        "adownload": "statuspolicy.downloads.download",
        "alternatives": "statuspolicy.policy.duties.negotiate",
        "authenticate": "statuspolicy.policy.duties.auth.authenticate",
        "challenges": "statuspolicy.fields.challenges",
        "choose": "statuspolicy.policy.duties.negotiate",
        "download": "statuspolicy.downloads.download",
        "events": "statuspolicy.engine.events",
        "expect_continue": "statuspolicy.message.expect_continue",
        "extend": "statuspolicy.policy.duties.resolve",
        "gone": "statuspolicy.policy.duties.hooks",
        "moved": "statuspolicy.policy.duties.hooks",
        "multistatus": "statuspolicy.client.multistatus",
        "perform": "statuspolicy.policy.duties.resolve",
        "poll": "statuspolicy.policy.duties.polling.poll",
        "poll_token": "statuspolicy.client.resume_poll",
        "public_addresses_only": "statuspolicy.client.public_addresses",
        "resolve": "statuspolicy.policy.duties.resolve",
        "resume_poll": "statuspolicy.client.resume_poll",
        "upgrade_to_https": "statuspolicy.policy.duties.negotiate",
        "use_proxy": "statuspolicy.policy.duties.proxy",
        "Alternative": "statuspolicy.fields.links",
        "Cache": "statuspolicy.cache.config",
        "CacheStatus": "statuspolicy.cache.status",
        "Challenge": "statuspolicy.fields.challenges",
        "CoolingDown": "statuspolicy.message.errors",
        "DigestMismatch": "statuspolicy.message.errors",
        "DownloadError": "statuspolicy.message.errors",
        "Entry": "statuspolicy.cache.entry",
        "MemoryStorage": "statuspolicy.cache.storage.memory",
        "Multistatus": "statuspolicy.client.multistatus",
        "Part": "statuspolicy.client.multistatus",
        "Progress": "statuspolicy.policy.duties.polling.token",
        "ProtocolViolation": "statuspolicy.message.errors",
        "RedirectBlackHole": "statuspolicy.message.errors",
        "RedirectCapExceeded": "statuspolicy.message.errors",
        "RedirectLoop": "statuspolicy.message.errors",
        "RedisStorage": "statuspolicy.cache.storage.redis",
        "SQLiteStorage": "statuspolicy.cache.storage.sqlite",
        "Storage": "statuspolicy.cache.storage.memory",
        "TotalTimeout": "statuspolicy.message.errors",
        "UnparsableResponse": "statuspolicy.message.errors",
    }

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        where = _LATER[name]
        module = import_module(where)
        globals()[name] = module if name == "events" else getattr(module, name)
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
