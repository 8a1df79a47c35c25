"""Clients of httpx2 from `import statuspolicy`, and what is wrong with either. Never run."""

from typing import TypeAlias, assert_type

import httpx
import httpx2

import statuspolicy as sp

Exchange: TypeAlias = sp.Exchange[httpx2.Request, httpx2.Response, httpx2.TransportError]


class MyClient(httpx.Client):
    """A subclass, as applications have."""


class MyClient2(httpx2.AsyncClient):
    """The same of the other library."""


assert_type(sp.wrap(MyClient()), MyClient)
assert_type(sp.unwrap(sp.wrap(MyClient2())), MyClient2)


def for_httpx(exchange: sp.Exchange) -> sp.Verdict:
    assert_type(exchange.request, httpx.Request)
    return sp.Again(exchange.request)


def for_httpx2(exchange: Exchange) -> sp.Verdict:
    assert_type(exchange.request, httpx2.Request)
    return sp.Again(exchange.request)


def confirm(first: httpx2.Request, following: httpx2.Request, response: httpx2.Response) -> bool:
    return first.url.host == following.url.host and response.is_redirect


table = sp.STANDARD | {503: for_httpx2, 502: for_httpx, httpx2.ReadError: sp.retry()}
client = assert_type(sp.wrap(httpx2.Client(), table=table, confirm=confirm), httpx2.Client)
assert_type(sp.trace(client.get("https://example.org/")), sp.Trace)

# What is no client, no verdict's part, no duty: `warn_unused_ignores` says where one is let pass.
sp.wrap(5)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
sp.wrap(httpx.HTTPTransport())  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
sp.Again(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sp.Use(httpx.Request("GET", "https://example.org/"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sp.wrap(httpx.Client(), confirm=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sp.wrap(httpx.Client(), prepare=confirm)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
