"""What a request's body waits for, as a type checker sees it. Never run."""

from collections.abc import Awaitable, Callable
from typing import assert_type

import httpx

import statuspolicy as sp

hook = assert_type(sp.expect_continue(), Callable[[httpx.Request], Awaitable[None]])
sp.wrap(httpx.Client(event_hooks={"request": [sp.expect_continue(above=10_000)]}))
sp.wrap(httpx.AsyncClient(event_hooks={"request": [hook]}))
sp.Limits(expect_wait=0.5)

for step in sp.trace(httpx.Response(200)):
    for told in step.interim:
        assert_type(told.code, int)
        for link in told.links:
            assert_type(link.target, str)
            assert_type(link.parameters.get("rel"), str | None)
            assert_type(link.is_("preload"), bool)


def my_duty(exchange: sp.Exchange) -> sp.Verdict:
    assert_type(exchange.began, bytes)
    return sp.Settle(why=", ".join(str(told.code) for told in exchange.interim))
