"""The public surface of `statuspolicy.httpx2`, as a type checker sees it. Never run."""

from typing import assert_type

import httpx2

import statuspolicy.httpx2 as sp
from statuspolicy import Limits, Memory
from statuspolicy.httpx2 import testing


class MyClient(httpx2.Client):
    """A subclass, as SDKs have."""


client = assert_type(sp.wrap(httpx2.Client(), limits=Limits(), memory=Memory()), httpx2.Client)
async_client = assert_type(sp.wrap(httpx2.AsyncClient()), httpx2.AsyncClient)
assert_type(sp.unwrap(sp.wrap(MyClient())), MyClient)


def my_duty(exchange: sp.Exchange) -> sp.Verdict:
    assert_type(exchange.request, httpx2.Request)
    assert_type(exchange.response, httpx2.Response | None)
    assert_type(exchange.error, httpx2.TransportError | None)
    if exchange.main is not None:
        assert_type(exchange.main.request, httpx2.Request)
    return sp.Again(exchange.request, after=exchange.told or 0.0)


async def my_async_duty(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Use(httpx2.Response(200))


def my_aside(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Aside(httpx2.Request("POST", "https://example.org/token"), then=my_duty)


def token(challenge: sp.Challenge) -> str:
    return f"Bearer {challenge.realm}"


def chooser(request: httpx2.Request, response: httpx2.Response) -> httpx2.URL | None:
    return request.url.join(response.headers["x-choice"])


table = assert_type(
    sp.STANDARD
    | {
        503: my_duty,
        502: my_async_duty,
        401: sp.authenticate(token),
        300: sp.choose(chooser),
        301: sp.moved(lambda request, following: print(request.url, following.url), my_duty),
        404: sp.surface,
        409: sp.resolve(lambda exchange: exchange.request),
        202: sp.poll(progress=lambda progress: print(progress.response.url)),
        305: sp.use_proxy(lambda request, proxy: httpx2.HTTPTransport(proxy=str(proxy))),
        httpx2.ConnectError: sp.retry(),
        "ReadError": sp.breaker(sp.retry()),
    },
    sp.Table,
)


def confirm(
    request: httpx2.Request, next_request: httpx2.Request, response: httpx2.Response
) -> bool:
    return request.url.host == next_request.url.host


def observe(event: sp.events.Event) -> None:
    if isinstance(event, sp.events.Settled):
        assert_type(event.response, httpx2.Response | None)
    elif isinstance(event, sp.events.Decision):
        assert_type(event.step, sp.Step)


sp.wrap(httpx2.Client(), confirm=confirm, observer=observe, allow_hop=sp.public_addresses_only)
httpx2.Client(transport=sp.PolicyTransport(httpx2.HTTPTransport(), table=table, confirm=confirm))
httpx2.AsyncClient(transport=sp.AsyncPolicyTransport(httpx2.AsyncHTTPTransport()))

try:
    response = client.get("https://example.org/")
    assert_type(sp.trace(response), sp.Trace)
except sp.RedirectLoop as error:
    too_many: httpx2.TooManyRedirects = error
except sp.CoolingDown as error:
    assert_type(error.seconds, float)

story = testing.replay(httpx2.Request("GET", "https://example.org/"), [(302, {}), 200])
assert_type(story.response, httpx2.Response | None)
