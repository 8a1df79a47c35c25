# `statuspolicy` as a type checker sees it for httpx2.

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, TypeVar, overload

import httpx2

import statuspolicy
from statuspolicy import STANDARD as STANDARD
from statuspolicy import STRICT as STRICT
from statuspolicy import Again as Again
from statuspolicy import Alternative as Alternative
from statuspolicy import Aside as Aside
from statuspolicy import Cache as Cache
from statuspolicy import CacheStatus as CacheStatus
from statuspolicy import Challenge as Challenge
from statuspolicy import Clock as Clock
from statuspolicy import Cool as Cool
from statuspolicy import Entry as Entry
from statuspolicy import Follow as Follow
from statuspolicy import Inspect as Inspect
from statuspolicy import Limits as Limits
from statuspolicy import Memory as Memory
from statuspolicy import MemoryStorage as MemoryStorage
from statuspolicy import Multistatus as Multistatus
from statuspolicy import Overrides as Overrides
from statuspolicy import Part as Part
from statuspolicy import RedisStorage as RedisStorage
from statuspolicy import Refuse as Refuse
from statuspolicy import RetryBudget as RetryBudget
from statuspolicy import Row as Row
from statuspolicy import Settle as Settle
from statuspolicy import SQLiteStorage as SQLiteStorage
from statuspolicy import Step as Step
from statuspolicy import Storage as Storage
from statuspolicy import SystemClock as SystemClock
from statuspolicy import Table as Table
from statuspolicy import Trace as Trace
from statuspolicy import Use as Use
from statuspolicy import Verdict as Verdict
from statuspolicy import breaker as breaker
from statuspolicy import challenges as challenges
from statuspolicy import resume as resume
from statuspolicy import retry as retry
from statuspolicy import surface as surface
from statuspolicy import upgrade_to_https as upgrade_to_https
from statuspolicy.httpx2 import events as events

Exchange: TypeAlias = statuspolicy.Exchange[httpx2.Request, httpx2.Response, httpx2.TransportError]

_Duty: TypeAlias = Callable[[Exchange], Verdict | Awaitable[Verdict]]
_Transport: TypeAlias = httpx2.BaseTransport | httpx2.AsyncBaseTransport
_Confirm: TypeAlias = Callable[
    [httpx2.Request, httpx2.Request, httpx2.Response], bool | Awaitable[bool]
]
_AllowHop: TypeAlias = Callable[[httpx2.Request, httpx2.Request], bool | Awaitable[bool]]
_Prepare: TypeAlias = Callable[
    [httpx2.Request, int], httpx2.Request | Awaitable[httpx2.Request | None] | None
]
_Observer: TypeAlias = Callable[[events.Event], object]
_Resolver: TypeAlias = Callable[
    [Exchange], httpx2.Request | Verdict | Awaitable[httpx2.Request | Verdict | None] | None
]
_Found: TypeAlias = httpx2.URL | str | None

_ClientT = TypeVar("_ClientT", bound=httpx2.Client | httpx2.AsyncClient)

# ── clients ───────────────────────────────────────────────────────────────────────────

def wrap(
    client: _ClientT,
    *,
    table: Table = ...,
    limits: Limits = ...,
    cache: Cache | None = None,
    memory: Memory | None = None,
    confirm: _Confirm | None = None,
    allow_hop: _AllowHop | None = None,
    prepare: _Prepare | None = None,
    fresh: Callable[[], _Transport] | None = None,
    observer: _Observer | None = None,
    clock: Clock | None = None,
) -> _ClientT: ...
def unwrap(client: _ClientT) -> _ClientT: ...
def trace(result: httpx2.Response | BaseException) -> Trace: ...

class PolicyTransport(httpx2.BaseTransport):
    def __init__(
        self,
        inner: httpx2.BaseTransport | None = None,
        *,
        table: Table = ...,
        limits: Limits = ...,
        cookies: httpx2.Cookies | Callable[[], httpx2.Cookies] | None = None,
        route: Callable[[httpx2.URL], httpx2.BaseTransport] | None = None,
        cache: Cache | None = None,
        memory: Memory | None = None,
        confirm: _Confirm | None = None,
        allow_hop: _AllowHop | None = None,
        prepare: _Prepare | None = None,
        fresh: Callable[[], httpx2.BaseTransport] | None = None,
        observer: _Observer | None = None,
        clock: Clock | None = None,
    ) -> None: ...
    def handle_request(self, request: httpx2.Request) -> httpx2.Response: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

class AsyncPolicyTransport(httpx2.AsyncBaseTransport):
    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport | None = None,
        *,
        table: Table = ...,
        limits: Limits = ...,
        cookies: httpx2.Cookies | Callable[[], httpx2.Cookies] | None = None,
        route: Callable[[httpx2.URL], httpx2.AsyncBaseTransport] | None = None,
        cache: Cache | None = None,
        memory: Memory | None = None,
        confirm: _Confirm | None = None,
        allow_hop: _AllowHop | None = None,
        prepare: _Prepare | None = None,
        fresh: Callable[[], httpx2.AsyncBaseTransport] | None = None,
        observer: _Observer | None = None,
        clock: Clock | None = None,
    ) -> None: ...
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response: ...
    async def aclose(self) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

# ── duties ────────────────────────────────────────────────────────────────────────────

def authenticate(
    credentials: httpx2.Auth | Callable[[Challenge], str | Awaitable[str | None] | None],
) -> _Duty: ...
def choose(
    chooser: Callable[[httpx2.Request, httpx2.Response], _Found | Awaitable[_Found]],
) -> _Duty: ...
def extend(extension: _Resolver) -> _Duty: ...
def gone(on_gone: Callable[[httpx2.Request, httpx2.Response], object]) -> _Duty: ...
def moved(
    on_moved: Callable[[httpx2.Request, httpx2.Request], object], duty: _Duty | None = None
) -> _Duty: ...
def perform(act: Callable[[Exchange], object]) -> _Duty: ...
def reset(on_reset: Callable[[httpx2.Request, httpx2.Response], object] | None = None) -> _Duty: ...
def resolve(resolver: _Resolver, *, even_if_acted_on: bool = False) -> _Duty: ...
def use_proxy(
    accept_proxy: Callable[
        [httpx2.Request, httpx2.URL], _Transport | Awaitable[_Transport | None] | None
    ],
) -> _Duty: ...

class Progress(statuspolicy.Progress):
    response: httpx2.Response  # type: ignore[assignment]

class poll(statuspolicy.poll):  # noqa: N801 - a duty is called as a function is
    def __init__(
        self,
        *,
        monitor: str | Callable[[httpx2.Response], _Found] | None = None,
        done: Callable[[httpx2.Response], bool] | None = None,
        result: str | Callable[[httpx2.Response], _Found] | None = None,
        progress: Callable[[Progress], object] | None = None,
        interval: float = 1.0,
        within: float = 600.0,
        times: int = 120,
    ) -> None: ...

def poll_token(response: httpx2.Response, how: statuspolicy.poll = ...) -> str: ...
@overload
def resume_poll(
    client: httpx2.Client,
    token: str,
    how: statuspolicy.poll = ...,
    *,
    headers: Mapping[str, str] | None = None,
    origin: httpx2.URL | str | None = None,
) -> httpx2.Response: ...
@overload
def resume_poll(
    client: httpx2.AsyncClient,
    token: str,
    how: statuspolicy.poll = ...,
    *,
    headers: Mapping[str, str] | None = None,
    origin: httpx2.URL | str | None = None,
) -> Awaitable[httpx2.Response]: ...

# ── what else is asked ────────────────────────────────────────────────────────────────

def alternatives(response: httpx2.Response) -> tuple[Alternative, ...]: ...
def expect_continue(above: int = 1_000_000) -> Callable[[httpx2.Request], Awaitable[None]]: ...
def multistatus(response: httpx2.Response) -> Multistatus: ...

class _PublicAddressesOnly:
    in_async: _AllowHop
    def __call__(self, request: httpx2.Request, next_request: httpx2.Request) -> bool: ...

public_addresses_only: _PublicAddressesOnly

def download(
    client: httpx2.Client,
    url: httpx2.URL | str,
    path: str | os.PathLike[str],
    *,
    segments: int = 1,
    resume: bool = True,
    progress: Callable[[int, int | None], object] | None = None,
    sha256: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Path: ...
async def adownload(
    client: httpx2.AsyncClient,
    url: httpx2.URL | str,
    path: str | os.PathLike[str],
    *,
    segments: int = 1,
    resume: bool = True,
    progress: Callable[[int, int | None], object] | None = None,
    sha256: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Path: ...

# ── errors ────────────────────────────────────────────────────────────────────────────

class RedirectLoop(httpx2.TooManyRedirects): ...
class RedirectCapExceeded(httpx2.TooManyRedirects): ...
class RedirectBlackHole(httpx2.TooManyRedirects): ...
class ProtocolViolation(httpx2.RemoteProtocolError): ...
class UnparsableResponse(httpx2.RemoteProtocolError): ...
class TotalTimeout(httpx2.TimeoutException): ...

class CoolingDown(httpx2.TransportError):
    seconds: float
    def __init__(
        self, message: str, *, request: httpx2.Request | None = None, seconds: float = 0.0
    ) -> None: ...

class DownloadError(httpx2.RemoteProtocolError): ...
class DigestMismatch(DownloadError): ...
