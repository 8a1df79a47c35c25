"""The public surface of `statuspolicy.httpx2`, as a type checker sees it. Never run."""

from typing import assert_type

import httpx2

import statuspolicy.httpx2 as sp
from statuspolicy import Limits, Memory
from statuspolicy.httpx2 import testing

client = assert_type(sp.wrap(httpx2.Client(), limits=Limits(), memory=Memory()), httpx2.Client)
async_client = assert_type(sp.wrap(httpx2.AsyncClient()), httpx2.AsyncClient)


def my_duty(exchange: sp.Exchange) -> sp.Verdict:
    assert_type(exchange.request, httpx2.Request)
    return sp.Again(exchange.request, after=exchange.told or 0.0)


table = assert_type(sp.STANDARD | {503: my_duty, httpx2.ConnectError: sp.retry()}, sp.Table)
httpx2.Client(transport=sp.PolicyTransport(httpx2.HTTPTransport(), table=table))
httpx2.AsyncClient(transport=sp.AsyncPolicyTransport(httpx2.AsyncHTTPTransport()))

try:
    response = client.get("https://example.org/")
    assert_type(sp.trace(response), sp.Trace)
except sp.RedirectLoop as error:
    too_many: httpx2.TooManyRedirects = error

story = testing.replay(httpx2.Request("GET", "https://example.org/"), [(302, {}), 200])
assert_type(story.response, httpx2.Response | None)
