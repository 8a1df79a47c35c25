"""The public surface as a type checker sees it. Never run: mypy --strict and pyright read it."""

from collections.abc import Callable, Sequence
from typing import assert_type

import httpx
import tenacity

import statuspolicy as sp
from statuspolicy import testing

client = assert_type(sp.wrap(httpx.Client()), httpx.Client)
async_client = assert_type(sp.wrap(httpx.AsyncClient()), httpx.AsyncClient)
assert_type(sp.unwrap(client), httpx.Client)


def my_duty(exchange: sp.Exchange) -> sp.Verdict:
    if exchange.response is not None and exchange.told:
        return sp.Again(exchange.request, after=exchange.told)
    return sp.Settle(why="enough")


async def my_async_duty(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Follow("/elsewhere", method="GET", after=1.5, confirm=True)


def my_aside(exchange: sp.Exchange) -> sp.Verdict:
    request = httpx.Request("POST", "https://example.org/token")
    return sp.Aside(request, then=my_duty, within=60.0, times=3)


table = sp.STANDARD | {
    503: sp.retry(attempts=6),
    502: sp.retry(wait=tenacity.wait_exponential_jitter(), stop=tenacity.stop_after_attempt(5)),
    500: sp.retry(wait=0.5, unsafe=True),
    404: sp.surface,
    205: sp.reset(print),
    "5xx": my_duty,
    401: my_aside,
    409: my_async_duty,
    httpx.ConnectError: sp.breaker(sp.retry(), failures=3, seconds=10),
    200: sp.resume,
    504: sp.breaker(my_async_duty),
}
assert_type(table, sp.Table)
assert_type(table.row(503), sp.Row)
assert_type(table.row(503).phrase, str)
assert_type(len(table), int)


def confirm(request: httpx.Request, next_request: httpx.Request, response: httpx.Response) -> bool:
    return request.url.host == next_request.url.host


async def aconfirm(
    request: httpx.Request, next_request: httpx.Request, response: httpx.Response
) -> bool:
    return True


def allow_hop(request: httpx.Request, next_request: httpx.Request) -> bool:
    return next_request.url.host.endswith(".example.org")


def prepare(request: httpx.Request, attempt: int) -> None:
    request.headers["X-Attempt"] = str(attempt)


async def aprepare(request: httpx.Request, attempt: int) -> None:
    request.headers["Authorization"] = "Bearer fresh"


def observe(event: sp.events.Event) -> None:
    if isinstance(event, sp.events.Decision):
        assert_type(event.step, sp.Step)
    elif isinstance(event, sp.events.Settled):
        assert_type(event.response, httpx.Response | None)


limits = sp.Limits(redirects=3, attempts=2, retry_budget=sp.RetryBudget(tokens=5), deadline=10)
jar = httpx.Cookies()
transport = sp.PolicyTransport(
    httpx.HTTPTransport(),
    table=table,
    limits=limits,
    cookies=lambda: jar,
    memory=sp.Memory(entries=10),
    confirm=confirm,
    allow_hop=allow_hop,
    prepare=prepare,
    observer=observe,
    fresh=httpx.HTTPTransport,
    clock=testing.FakeClock(),
)
async_transport = sp.AsyncPolicyTransport(
    confirm=aconfirm, prepare=aprepare, allow_hop=sp.public_addresses_only, clock=sp.SystemClock()
)
httpx.Client(transport=transport)
httpx.AsyncClient(transport=async_transport)
sp.wrap(httpx.Client(), table=sp.STRICT, limits=limits, confirm=confirm)
sp.wrap(
    httpx.AsyncClient(),
    limits=sp.Limits(total=30, cooling="raise"),
    allow_hop=sp.public_addresses_only,
    prepare=aprepare,
    observer=observe,
)

response = client.get("https://example.org/", extensions={"statuspolicy": sp.STRICT})
client.get(
    "https://example.org/",
    extensions={"statuspolicy": sp.Overrides(table=table, limits=limits, resume=True)},
)
trace = assert_type(sp.trace(response), sp.Trace)
assert_type(trace[0], sp.Step)
assert_type(trace.waited, float)
for step in trace:
    assert_type(step.code, int | str)

try:
    client.get("https://example.org/")
except (sp.RedirectLoop, sp.RedirectCapExceeded, sp.RedirectBlackHole) as error:
    assert_type(sp.trace(error), sp.Trace)
    too_many: httpx.TooManyRedirects = error
except sp.CoolingDown as error:
    assert_type(error.seconds, float)
except sp.TotalTimeout as error:
    timeout: httpx.TimeoutException = error
except (sp.UnparsableResponse, sp.ProtocolViolation) as error:
    protocol: httpx.RemoteProtocolError = error

cache = sp.Cache(
    storage=sp.MemoryStorage(max_bytes=1_000_000),
    user="me",
    entry_bytes=10_000,
    cache_status=True,
    collapse=True,
)
sp.wrap(httpx.Client(), cache=cache)
sp.wrap(httpx.AsyncClient(), cache=sp.Cache(user=lambda request: str(request.url.host)))
sp.PolicyTransport(cache=cache)
storage: sp.Storage = sp.MemoryStorage()
assert_type(storage.load("https://example.org/", "me"), Sequence[sp.Entry])
assert_type(trace[0].cache, str)

clock: sp.Clock = testing.FakeClock()
story = testing.replay(httpx.Request("GET", "https://example.org/"), [(302, {}), 200])
assert_type(story, testing.Story)
duty: Callable[[sp.Exchange], sp.Verdict] = sp.surface

with testing.StatusServer() as server:
    assert_type(server.url, str)
    server.script("/a", 503, testing.Answer(200, {"ETag": '"x"'}), b"raw")

file: sp.Storage = sp.SQLiteStorage("cache.db", max_bytes=100_000_000)
fleet: sp.Storage = sp.RedisStorage("redis://127.0.0.1", prefix="mine:", ttl=3600.0)
sp.wrap(httpx.Client(), cache=sp.Cache(storage=file, user="ann"))
sp.wrap(httpx.AsyncClient(), cache=sp.Cache(storage=fleet, user=lambda request: "ann"))
