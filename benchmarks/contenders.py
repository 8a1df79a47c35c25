"""Who does the same work, each the way that its own documentation shows, sync and async."""

import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import anysqlite
import hishel
import httpx
import httpx_retries
import stamina
import tenacity
from hishel.httpx import AsyncCacheTransport, CacheTransport
from inner import URL
from measure import LOOP, Timed, asynchronous, sync

import statuspolicy as sp

# Repeats at once, as the others are told to, and is never out of tokens.
EAGER = sp.STANDARD | {503: sp.retry(wait=0.0)}
LIMITS = sp.Limits(retry_budget=sp.RetryBudget(tokens=1e9))


class Skipping(sp.SystemClock):
    """A clock whose waits are over at once, and whose time is that much later then."""

    ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds

    async def asleep(self, seconds: float) -> None:
        self.ahead += seconds


class Sleepless(httpx_retries.Retry):
    """httpx-retries without its sleep of 0 seconds; what it reads before that it still reads."""

    def sleep(self, response: httpx.Response | Exception) -> None:
        self.elapsed_sleep += self._seconds(response)

    async def asleep(self, response: httpx.Response | Exception) -> None:
        self.elapsed_sleep += self._seconds(response)

    def _seconds(self, response: httpx.Response | Exception) -> float:
        return self._calculate_sleep(
            response.headers if isinstance(response, httpx.Response) else {}
        )


def drained(transport: httpx.BaseTransport) -> Callable[[], Any]:
    """A call at transport level whose final response is read, as a client reads it."""
    request = httpx.Request("GET", URL)  # its own: httpx-retries leaves its state there

    def call() -> httpx.Response:
        response = transport.handle_request(request)
        response.read()
        return response

    return call


def adrained(transport: httpx.AsyncBaseTransport) -> Callable[[], Awaitable[Any]]:
    request = httpx.Request("GET", URL)

    async def call() -> httpx.Response:
        response = await transport.handle_async_request(request)
        await response.aread()
        return response

    return call


def by_hand(call: Callable[[], Any]) -> Callable[[], Any]:
    """The loop that one writes oneself: no method looked at, no bound, no wait."""

    def looped() -> Any:
        while (response := call()).status_code == 503:
            pass
        return response

    return looped


def aby_hand(call: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    async def looped() -> Any:
        while (response := await call()).status_code == 503:
            pass
        return response

    return looped


def with_tenacity(call: Callable[[], Any]) -> Callable[[], Any]:
    return tenacity.retry(sleep=lambda seconds: None, **_TENACITY)(call)


def with_atenacity(call: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    async def no_sleep(seconds: float) -> None:
        pass

    @tenacity.retry(sleep=no_sleep, **_TENACITY)
    async def called() -> Any:
        return await call()

    return called


_TENACITY: dict[str, Any] = {
    "retry": tenacity.retry_if_result(lambda response: response.status_code == 503),
    "stop": tenacity.stop_after_attempt(5),
    "wait": tenacity.wait_none(),
}


def with_stamina(call: Callable[[], Any]) -> Callable[[], Any]:
    @stamina.retry(**_STAMINA)
    def checked() -> Any:
        return call().raise_for_status()

    return checked


def with_astamina(call: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    @stamina.retry(**_STAMINA)
    async def checked() -> Any:
        return (await call()).raise_for_status()

    return checked


# It can't be told not to sleep (it sleeps 0 seconds), but not to write a line about each.
stamina.instrumentation.set_on_retry_hooks([])
_STAMINA: dict[str, Any] = {
    "on": httpx.HTTPStatusError,
    "attempts": 5,
    "wait_initial": 0,
    "wait_max": 0,
    "wait_jitter": 0,
}


def with_hishel(inner: httpx.BaseTransport) -> CacheTransport:
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    return CacheTransport(inner, hishel.SqliteStorage(connection=connection), rfc=True)


def with_ahishel(inner: httpx.AsyncBaseTransport) -> AsyncCacheTransport:
    async def connect() -> Any:
        return await anysqlite.connect(":memory:", isolation_level=None)

    storage = hishel.AsyncSqliteStorage(connection=LOOP.run(connect()))
    return AsyncCacheTransport(inner, storage, rfc=True)


class Kind(NamedTuple):
    """All that differs between sync and async."""

    suffix: str
    client: Any
    policy: Any
    timed: Callable[..., Timed]
    drained: Callable[[Any], Callable[[], Any]]
    by_hand: Callable[[Callable[[], Any]], Callable[[], Any]]
    with_tenacity: Callable[[Callable[[], Any]], Callable[[], Any]]
    with_stamina: Callable[[Callable[[], Any]], Callable[[], Any]]
    with_hishel: Callable[[Any], Any]

    def sent(self, transport: Any) -> Timed:
        """A call at transport level, its response as it comes."""
        handle = "handle_async_request" if self.suffix else "handle_request"
        return self.timed(partial(getattr(transport, handle), httpx.Request("GET", URL)))

    def got(self, transport: Any, url: str, **options: Any) -> Callable[[], Any]:
        """A call through a client."""
        return partial(self.client(transport=transport, **options).get, url)

    def wrapped(self, transport: Any, url: str, **options: Any) -> Timed:
        """A call through a client that statuspolicy wraps."""
        return self.timed(partial(sp.wrap(self.client(transport=transport), **options).get, url))


KINDS = (
    Kind(
        "",
        httpx.Client,
        sp.PolicyTransport,
        sync,
        drained,
        by_hand,
        with_tenacity,
        with_stamina,
        with_hishel,
    ),
    Kind(
        ", async",
        httpx.AsyncClient,
        sp.AsyncPolicyTransport,
        asynchronous,
        adrained,
        aby_hand,
        with_atenacity,
        with_astamina,
        with_ahishel,
    ),
)
