"""The duties that a program calls in, as a type checker sees them. Never run."""

from collections.abc import Awaitable
from typing import assert_type

import httpx

import statuspolicy as sp

client = sp.wrap(httpx.Client())
async_client = sp.wrap(httpx.AsyncClient())


# ── 401, 407 ───────────────────────────────────────────────────────────────────────────


def token(challenge: sp.Challenge) -> str | None:
    assert_type(challenge.realm, str)
    assert_type(challenge.stale, bool)
    return f"Bearer {challenge.parameters.get('scope', '')}" if challenge.scheme else None


async def async_token(challenge: sp.Challenge) -> str:
    return challenge.token68


assert_type(sp.challenges('Basic realm="x"'), tuple[sp.Challenge, ...])
table = sp.STANDARD | {
    401: sp.authenticate(token),
    407: sp.authenticate(httpx.BasicAuth("user", "password")),
}
table = table | {401: sp.authenticate(async_token)}


# ── 202 ────────────────────────────────────────────────────────────────────────────────


def show(progress: sp.Progress) -> None:
    assert_type(progress.looks, int)
    assert_type(progress.token, str)
    assert_type(progress.response, httpx.Response)


def is_done(response: httpx.Response) -> bool:
    return response.json() is not None


how = sp.poll(
    monitor="/links/status", done=is_done, result="Content-Location", progress=show, within=3600
)
table = table | {202: how}
table = table | {202: sp.poll(monitor=lambda response: response.url.join("/status"), interval=0.5)}
saved = assert_type(sp.poll_token(httpx.Response(202), how), str)
assert_type(sp.resume_poll(client, saved, origin="https://a.example"), httpx.Response)
assert_type(
    sp.resume_poll(async_client, saved, how, headers={"Authorization": "Bearer t"}),
    Awaitable[httpx.Response],
)


# ── 207 ────────────────────────────────────────────────────────────────────────────────

for part in assert_type(sp.multistatus(httpx.Response(207)), sp.Multistatus):
    assert_type(part, sp.Part)
    assert_type(part.status, int | None)
    assert_type(part.error, tuple[str, ...])


async def asynchronously(response: httpx.Response) -> None:
    async for part in sp.multistatus(response):
        assert_type(part.href, str)


# ── 300, 301, 406, 409, 410, 412, 423, 426, 449, 510 ───────────────────────────────────


def submit(exchange: sp.Exchange) -> httpx.Request | None:
    assert_type(exchange.body, bytes | None)
    return exchange.request if exchange.body else None


async def fetch(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Aside(exchange.request, then=sp.surface)


def chooser(request: httpx.Request, response: httpx.Response) -> str | None:
    offers = assert_type(sp.alternatives(response), tuple[sp.Alternative, ...])
    return next((offer.url for offer in offers if offer.language == "en"), None)


def on_moved(request: httpx.Request, next_request: httpx.Request) -> None:
    assert_type(next_request.url, httpx.URL)


async def on_gone(request: httpx.Request, response: httpx.Response) -> None:
    assert_type(response.status_code, int)


def accept_proxy(request: httpx.Request, proxy: httpx.URL) -> httpx.HTTPTransport | None:
    return httpx.HTTPTransport(proxy=proxy) if proxy.host == "proxy.example" else None


def inspecting(exchange: sp.Exchange) -> sp.Verdict:
    return sp.Inspect(lambda read: sp.Settle() if read.body else sp.Settle("empty"))


table = table | {
    300: sp.choose(chooser),
    301: sp.moved(on_moved),
    305: sp.use_proxy(accept_proxy),
    308: sp.moved(on_moved, sp.STRICT[308]),
    406: sp.choose(chooser),
    409: sp.resolve(submit),
    410: sp.gone(on_gone),
    412: sp.resolve(fetch),
    418: inspecting,
    423: sp.resolve(submit),
    426: sp.upgrade_to_https,
    449: sp.perform(submit),
    510: sp.extend(submit),
}
assert_type(table, sp.Table)
