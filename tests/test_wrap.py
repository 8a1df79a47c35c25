"""`wrap`: a whole client, its routes, its jar, and what a call says."""

import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
import respx

from statuspolicy.testing import Answer, FakeClock, StatusServer
from tests.each import each
from tests.library import httpx, sp


def echo(name: str):
    return httpx.MockTransport(lambda request: httpx.Response(200, text=name))


def redirect(location: str):
    return httpx.MockTransport(lambda request: httpx.Response(302, headers={"location": location}))


# ── what it is given, and gives back ───────────────────────────────────────────────────


def test_wrap_returns_the_client_that_it_was_given(kind):
    client = httpx.Client() if kind == "sync" else httpx.AsyncClient()
    assert sp.wrap(client) is client


def test_a_wrapped_client_takes_in_cookies_as_before_and_unwrap_leaves_its_own(kind):
    """Also those that were set after it was wrapped."""
    client = sp.wrap(httpx.Client() if kind == "sync" else httpx.AsyncClient())
    assert isinstance(client.cookies, httpx.Cookies)
    client.cookies["a"] = "1"
    sp.unwrap(client)
    assert type(client.cookies) is httpx.Cookies
    assert dict(client.cookies) == {"a": "1"}


def test_to_wrap_twice_is_an_error_that_says_so():
    client = sp.wrap(httpx.Client())
    with pytest.raises(
        ValueError, match=r"wrapped already: .* statuspolicy.unwrap\(client\) first"
    ):
        sp.wrap(client)


def test_to_wrap_a_client_with_a_policy_transport_is_an_error_too():
    """`unwrap` would not help: it knows only what `wrap` did."""
    message = "This client has a PolicyTransport already: give wrap a client without one"
    with pytest.raises(ValueError, match=message):
        sp.wrap(httpx.Client(transport=sp.PolicyTransport()))


@each("nothing", [None, httpx, "client", httpx.HTTPTransport()])
def test_what_is_no_client_is_named(nothing):
    with pytest.raises(TypeError, match=r"give a Client or AsyncClient of httpx or httpx2"):
        sp.wrap(nothing)
    with pytest.raises(TypeError, match=r"give a Client or AsyncClient of httpx or httpx2"):
        sp.unwrap(nothing)


@each(
    ("option", "message"),
    [
        ({"table": {503: sp.surface}}, "write statuspolicy.STANDARD"),
        ({"limits": 5}, r"write statuspolicy.Limits"),
        ({"memory": {}}, r"write statuspolicy.Memory\(\)"),
        ({"confirm": True}, "confirm=True: write a callable"),
        ({"fresh": 1}, "fresh=1: write a callable"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_leaves_the_client_as_it_was(option, message):
    client = httpx.Client()
    before = client._transport
    with pytest.raises(TypeError, match=message):
        sp.wrap(client, **option)
    assert client._transport is before
    assert "send" not in vars(client)


def test_unwrap_undoes_it():
    client = httpx.Client(mounts={"all://a.example": echo("a"), "all://b.example": None})
    before = (client._transport, dict(client._mounts))
    assert sp.unwrap(sp.wrap(client)) is client
    assert (client._transport, client._mounts) == before
    assert "send" not in vars(client)
    sp.wrap(client)


def test_to_unwrap_what_is_not_wrapped_is_an_error():
    with pytest.raises(ValueError, match="not wrapped"):
        sp.unwrap(httpx.Client())


# ── routes ─────────────────────────────────────────────────────────────────────────────


def test_each_hop_goes_through_the_mount_of_its_host():
    mounts = {
        "all://b.example": echo("b's mount"),
        "all://c.example": redirect("http://b.example/"),
    }
    with sp.wrap(httpx.Client(transport=redirect("http://c.example/"), mounts=mounts)) as client:
        assert client.get("http://a.example/").text == "b's mount"


def test_a_mount_of_none_means_the_default_transport():
    mounts = {"all://b.example": None}
    with sp.wrap(httpx.Client(transport=echo("default"), mounts=mounts)) as client:
        assert client.get("http://b.example/").text == "default"


def test_302_environment_proxies_hold_on_every_hop(monkeypatch, status_server):
    """The proxy is another server here: what comes through it has an absolute target."""
    with StatusServer() as proxy:
        proxy.script("/there", Answer(200, body=b"by proxy"))
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        status_server.script("/away", Answer(302, {"Location": "http://far.example/there"}))
        with sp.wrap(httpx.Client()) as client:
            assert client.get(status_server.url + "/away").text == "by proxy"
        assert [r.target for r in proxy.received] == ["http://far.example/there"]
        assert [r.target for r in status_server.received] == ["/away"]


def test_a_407_to_connect_is_row_407_and_the_error_carries_the_trace():
    told = []

    def ask(exchange):
        told.append(exchange.code)
        return sp.Settle("no credentials for the proxy")

    with StatusServer() as proxy:
        proxy.script("home.example:443", Answer(407, {"Proxy-Authenticate": "Basic"}))
        client = httpx.Client(proxy=proxy.url)
        with sp.wrap(client, table=sp.STANDARD | {407: ask}):
            with pytest.raises(httpx.ProxyError, match="407") as raised:
                client.get("https://home.example/")
    assert told == [407]
    assert sp.trace(raised.value).reason == "no credentials for the proxy"


# ── what the call says ─────────────────────────────────────────────────────────────────


def test_302_follow_redirects_false_on_a_call_counts(session, status_server):
    url = status_server.url + "/302?location=/200"
    response = session.get(url, follow_redirects=False)
    assert response.status_code == 302
    assert response.next_request.url.path == "/200"
    assert type(response) is httpx.Response
    assert session.get(url).status_code == 200


def test_302_follow_redirects_false_counts_for_streams_too(status_server):
    with sp.wrap(httpx.Client()) as client:
        url = status_server.url + "/302?location=/200"
        with client.stream("GET", url, follow_redirects=False) as response:
            assert response.status_code == 302


@pytest.mark.parametrize("follow", [True, False])
def test_a_location_that_cannot_be_parsed_destroys_nothing(follow, session, status_server):
    """The HTTP library alone raises here, whether it follows or not."""
    url = status_server.script("/bad", Answer(302, {"Location": "http://[::1"}, b"see"))
    response = session.get(url, follow_redirects=follow)
    assert (response.status_code, response.text) == (302, "see")


def test_302_the_clients_own_follow_redirects_changes_nothing(open_session, status_server):
    session = open_session({"follow_redirects": True})
    url = status_server.script("/loop", Answer(302, {"Location": "/loop"}))
    with pytest.raises(sp.RedirectLoop):
        session.get(url)


def test_a_table_for_one_request(session, status_server):
    table = sp.STRICT | {302: sp.surface}
    url = status_server.url + "/302?location=/200"
    assert session.get(url, extensions={"statuspolicy": table}).status_code == 302
    assert session.get(url).status_code == 200


def test_overrides_for_one_request(session, status_server):
    overrides = sp.Overrides(limits=sp.Limits(redirects=0), table=sp.STANDARD)
    with pytest.raises(sp.RedirectCapExceeded):
        session.get(
            status_server.url + "/302?location=/200", extensions={"statuspolicy": overrides}
        )


def test_307_confirm_for_one_request(session, status_server):
    overrides = sp.Overrides(confirm=lambda *_: False)
    url = status_server.url + "/307?location=/200"
    response = session.request("PUT", url, extensions={"statuspolicy": overrides})
    assert response.status_code == 307


def test_a_coroutine_duty_in_a_sync_client_is_told_what_to_do(status_server):
    async def duty(exchange):
        return sp.Settle()

    with sp.wrap(httpx.Client(), table=sp.STANDARD | {500: duty}) as client:
        with pytest.raises(TypeError, match=r"httpx\.AsyncClient"):
            client.get(status_server.url + "/500")


def test_an_awaitable_that_cannot_be_closed_is_refused_in_a_sync_client_too(status_server):
    class Later:
        def __await__(self):
            yield

    with sp.wrap(httpx.Client(), table=sp.STANDARD | {500: lambda exchange: Later()}) as client:
        with pytest.raises(TypeError, match="plain function"):
            client.get(status_server.url + "/500")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_coroutine_duty_in_an_async_client_is_awaited(backend, status_server):
    async def duty(exchange):
        await anyio.sleep(0)
        return sp.Again(exchange.request)

    async def main():
        async with sp.wrap(httpx.AsyncClient(), table=sp.STANDARD | {500: duty}) as client:
            return await client.get(status_server.url + "/500?then=200")

    assert anyio.run(main, backend=backend).status_code == 200


@pytest.mark.parametrize("outer_follows", [True, False])
def test_what_a_call_says_reaches_no_other_client_that_a_hook_uses(outer_follows, status_server):
    seen = []
    url = status_server.url + "/302?location=/200"
    with sp.wrap(httpx.Client()) as other:
        hooks = {
            "request": [lambda _: seen.append(other.get(url, follow_redirects=not outer_follows))],
            "response": [lambda _: seen.append(other.get(url, follow_redirects=not outer_follows))],
        }
        with sp.wrap(httpx.Client(event_hooks=hooks)) as client:
            response = client.get(url, follow_redirects=outer_follows)
    assert response.status_code == (200 if outer_follows else 302)
    assert [r.status_code for r in seen] == [302 if outer_follows else 200] * 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("outer_follows", [True, False])
def test_what_an_async_call_says_reaches_no_other_client_that_a_hook_uses(
    backend, outer_follows, status_server
):
    seen = []
    url = status_server.url + "/302?location=/200"

    async def main():
        async with sp.wrap(httpx.AsyncClient()) as other:

            async def hook(_):
                seen.append(await other.get(url, follow_redirects=not outer_follows))

            hooks = {"request": [hook], "response": [hook]}
            async with sp.wrap(httpx.AsyncClient(event_hooks=hooks)) as client:
                return await client.get(url, follow_redirects=outer_follows)

    assert anyio.run(main, backend=backend).status_code == (200 if outer_follows else 302)
    assert [r.status_code for r in seen] == [302 if outer_follows else 200] * 2


def test_what_a_call_says_reaches_no_bare_transport_that_a_hook_uses(status_server):
    seen = []
    url = status_server.url + "/302?location=/200"
    with httpx.Client(transport=sp.PolicyTransport()) as other:
        hooks = {"request": [lambda _: seen.append(other.get(url))]}
        with sp.wrap(httpx.Client(event_hooks=hooks)) as client:
            assert client.get(url, follow_redirects=False).status_code == 302
    assert [r.status_code for r in seen] == [200]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_an_async_call_says_reaches_no_bare_transport_that_a_hook_uses(backend, status_server):
    url = status_server.url + "/302?location=/200"

    async def main():
        async with httpx.AsyncClient(transport=sp.AsyncPolicyTransport()) as other:

            async def hook(_):
                assert (await other.get(url)).status_code == 200

            async with sp.wrap(httpx.AsyncClient(event_hooks={"request": [hook]})) as client:
                return await client.get(url, follow_redirects=False)

    assert anyio.run(main, backend=backend).status_code == 302


class PlainSend(httpx.AsyncClient):
    """Whose `send` is no coroutine function, but returns a coroutine."""

    def send(self, request, **options):
        return super().send(request, **options)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_302_follow_redirects_false_counts_where_send_is_a_plain_function(backend, status_server):
    url = status_server.url + "/302?location=/200"

    async def main():
        async with sp.wrap(PlainSend()) as client:
            stopped = await client.get(url, follow_redirects=False)
            return stopped, await client.get(url)

    stopped, followed = anyio.run(main, backend=backend)
    assert (stopped.status_code, followed.status_code) == (302, 200)
    assert stopped.next_request.url.path == "/200"


# ── the response that stays true ───────────────────────────────────────────────────────


def test_url_request_history_and_cookies_are_of_the_hops(session, status_server):
    url = status_server.url + "/302?location=/303?location=/200"
    response = session.get(url)
    assert response.url.path == "/200"
    assert response.request.url == response.url
    assert [r.status_code for r in response.history] == [302, 303]
    assert [r.request.url.path for r in response.history] == ["/302", "/303"]
    assert all(r.elapsed.total_seconds() >= 0 for r in response.history)
    with pytest.raises(httpx.HTTPStatusError, match="/404"):
        session.get(status_server.url + "/302?location=/404").raise_for_status()


def test_the_clients_jar_is_shared_also_after_it_was_replaced(session, status_server):
    session.client.cookies = httpx.Cookies({"new": "1"})
    url = status_server.script("/set", Answer(302, {"Location": "/200", "Set-Cookie": "a=1"}))
    session.get(url)
    assert session.client.cookies["a"] == "1"
    assert status_server.received[1].headers["cookie"] in ("a=1; new=1", "new=1; a=1")


def test_a_response_pickles_with_its_trace(session, status_server):
    response = session.get(status_server.url + "/302?location=/200?body=kept")
    again = pickle.loads(pickle.dumps(response))
    assert (again.text, again.url, len(again.history)) == ("kept", response.url, 1)
    assert sp.trace(again) == sp.trace(response)


def test_an_error_pickles_with_its_trace(session, status_server):
    url = status_server.script("/loop", Answer(302, {"Location": "/loop"}))
    with pytest.raises(sp.RedirectLoop) as raised:
        session.get(url)
    again = pickle.loads(pickle.dumps(raised.value))
    assert sp.trace(again) == sp.trace(raised.value)
    assert str(again.request.url) == url


def test_the_error_is_about_the_hop_that_failed(session, status_server):
    status_server.script("/a", Answer(302, {"Location": "/b"}))
    status_server.script("/b", Answer(302, {"Location": "/a"}))
    with pytest.raises(sp.RedirectLoop) as raised:
        session.get(status_server.url + "/a")
    assert raised.value.request.url.path == "/b"
    assert raised.value.response.status_code == 302


class OnDemand(httpx.Auth):
    """Gives its token to whoever asks for one."""

    def auth_flow(self, request):
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = "Bearer token"
            yield request


def test_auth_flows_see_the_true_history(session, status_server):
    """The client's own auth runs above: its 401 comes first in the history."""
    status_server.script(
        "/me",
        lambda r: (
            Answer(200)
            if "authorization" in r.headers
            else Answer(401, {"WWW-Authenticate": "Bearer"})
        ),
    )
    response = session.get(status_server.url + "/302?location=/me", auth=OnDemand())
    assert [r.status_code for r in response.history] == [401, 302][: len(response.history)]
    assert response.status_code == 200


def challenge(received):
    if "authorization" in received.headers:
        return Answer(200)
    return Answer(401, {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})


class OneShot:
    """An iterator that is no generator; of either kind."""

    def __init__(self, *parts):
        self.parts = list(parts)

    def __iter__(self):
        return self

    def __next__(self):
        if not self.parts:
            raise StopIteration
        return self.parts.pop(0)


class AsyncOneShot(OneShot):
    __iter__ = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.parts:
            raise StopAsyncIteration
        return self.parts.pop(0)


def generated(*parts):
    yield from parts


async def agenerated(*parts):
    for part in parts:
        yield part


@pytest.mark.parametrize("shape", ["iterator", "generator"])
def test_an_auth_flow_s_second_request_carries_the_whole_body(
    shape, kind, open_session, status_server
):
    make = {
        ("iterator", True): OneShot,
        ("iterator", False): AsyncOneShot,
        ("generator", True): generated,
        ("generator", False): agenerated,
    }[shape, kind == "sync"]
    session = open_session({"auth": httpx.DigestAuth("user", "pass")})
    url = status_server.script("/upload", challenge)
    response = session.request("POST", url, content=make(b"one", b"two", b"three"))
    assert response.status_code == 200
    assert [r.body for r in status_server.received] == [b"onetwothree"] * 2
    assert "authorization" in status_server.received[1].headers


def test_an_auth_flow_sends_no_body_in_part_where_it_was_not_kept(
    kind, open_session, status_server
):
    limits = sp.Limits(replay_bytes=5)
    session = open_session({"auth": httpx.DigestAuth("user", "pass")}, limits=limits)
    url = status_server.script("/upload", challenge)
    make = generated if kind == "sync" else agenerated
    with pytest.raises(
        httpx.LocalProtocolError, match="used up by an earlier send and can't be sent again"
    ):
        session.request("POST", url, content=make(b"one", b"two"))
    assert [r.body for r in status_server.received] == [b"onetwo"]


@pytest.mark.parametrize("read", [True, False])
def test_an_answer_from_the_side_that_is_used_is_its_own_hosts(read, open_session):
    def answer(request):
        if request.url.host == "other.example":
            return httpx.Response(200, text="there", headers={"set-cookie": "there=1"})
        return httpx.Response(202, text="here", headers={"set-cookie": "here=1"})

    def monitor(exchange):
        request = httpx.Request("GET", "http://other.example/result")
        return sp.Aside(request, lambda e: sp.Use(e.response), read=read)

    session = open_session(
        {"transport": httpx.MockTransport(answer)}, table=sp.STANDARD | {202: monitor}
    )
    response = session.get("http://home.example/job")
    assert str(response.url) == str(response.request.url) == "http://other.example/result"
    assert (response.text, response.history) == ("there", [])
    assert {(cookie.name, cookie.domain) for cookie in session.client.cookies.jar} == {
        ("here", "home.example"),
        ("there", "other.example"),
    }


def test_text_without_a_charset_is_read_alike_in_the_history(open_session, status_server):
    session = open_session({"default_encoding": "latin-1"})
    fields = {"Location": "/end", "Content-Type": "text/plain"}
    status_server.script("/end", Answer(200, {"Content-Type": "text/plain"}, b"caf\xe9 2"))
    url = status_server.script("/start", Answer(302, fields, b"caf\xe9 1"))
    response = session.get(url)
    assert response.text == "caf\xe9 2"
    assert [passed.text for passed in response.history] == ["caf\xe9 1"]


def test_event_hooks_fire_once_with_the_final_response(status_server):
    seen = []
    hooks = {
        "request": [lambda request: seen.append(request.url.path)],
        "response": [lambda response: seen.append(response.url.path)],
    }
    with sp.wrap(httpx.Client(event_hooks=hooks)) as client:
        client.get(status_server.url + "/302?location=/200")
    assert seen == ["/302", "/200"]


def test_a_stream_is_handed_over_unread(status_server):
    url = status_server.script("/big", Answer(200, body=b"x" * 100_000))
    with sp.wrap(httpx.Client()) as client:
        target = f"{status_server.url}/302?location=/big"
        with client.stream("GET", target) as response:
            assert not response.is_stream_consumed
            assert sum(map(len, response.iter_bytes())) == 100_000
        assert response.elapsed.total_seconds() > 0
    assert url


# ── in company ─────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(httpx.__name__ == "httpx2", reason="respx patches httpx alone")
def test_respx_entered_later_is_seen():
    """The inner method is looked up at each call, so patches of the class hold."""
    with sp.wrap(httpx.Client()) as client, respx.mock:
        respx.get("http://a.example/").mock(
            return_value=httpx.Response(302, headers={"location": "/b"})
        )
        respx.get("http://a.example/b").mock(return_value=httpx.Response(200))
        for _ in range(2):
            assert len(client.get("http://a.example/").history) == 1


def test_a_prebuilt_response_of_a_mock_may_be_returned_twice():
    prebuilt = {"/a": httpx.Response(302, headers={"location": "/b"}), "/b": httpx.Response(200)}
    transport = httpx.MockTransport(lambda request: prebuilt[request.url.path])
    with sp.wrap(httpx.Client(transport=transport)) as client:
        for _ in range(2):
            assert [r.status_code for r in client.get("http://h/a").history] == [302]
        assert client.get("http://h/b").history == []


def test_threads_share_a_client_and_not_an_exchange(status_server):
    clock = FakeClock()
    with sp.wrap(httpx.Client(), clock=clock) as client, ThreadPoolExecutor(8) as pool:

        def go(n: int) -> tuple[int, str]:
            response = client.get(f"{status_server.url}/302?location=/200?body={n}&n={n}")
            return len(response.history), response.url.path

        assert set(pool.map(go, range(80))) == {(1, "/200")}
    assert threading.active_count() < 50


def test_a_bare_transport_keeps_cookies_among_its_hops_and_takes_a_jar(status_server):
    status_server.script("/set", Answer(302, {"Location": "/200", "Set-Cookie": "a=1"}))
    with httpx.Client(transport=sp.PolicyTransport()) as client:
        client.get(status_server.url + "/set")
    assert status_server.received[1].headers["cookie"] == "a=1"
    jar = httpx.Cookies()
    for given in (jar, lambda: jar):
        with httpx.Client(transport=sp.PolicyTransport(cookies=given)) as client:
            client.get(status_server.url + "/set")
        assert jar["a"] == "1"
    with pytest.raises(TypeError, match="cookies="):
        sp.PolicyTransport(cookies={"a": "1"})


def test_a_bare_transport_knows_no_start_so_its_first_hop_has_no_elapsed(status_server):
    with httpx.Client(transport=sp.PolicyTransport()) as client:
        response = client.get(status_server.url + "/302?location=/303?location=/200")
    assert response.history[1].elapsed.total_seconds() >= 0
    with pytest.raises(RuntimeError, match="elapsed"):
        _ = response.history[0].elapsed


@pytest.mark.parametrize(
    ("transport", "inner"),
    [
        (sp.PolicyTransport, httpx.AsyncHTTPTransport()),
        (sp.AsyncPolicyTransport, httpx.HTTPTransport()),
        (sp.PolicyTransport, "http://proxy"),
    ],
)
def test_an_inner_transport_of_the_wrong_kind_is_named(transport, inner):
    with pytest.raises(TypeError, match="give an httpx"):
        transport(inner)


@pytest.mark.parametrize("kind", [sp.PolicyTransport, sp.AsyncPolicyTransport])
def test_a_policy_in_a_policy_is_refused(kind):
    with pytest.raises(TypeError) as caught:
        kind(kind())
    assert str(caught.value) == ("inner is a policy transport already: give the one that it wraps.")


def test_a_mount_that_is_a_policy_transport_is_refused_too():
    client = httpx.Client(mounts={"all://a.example": sp.PolicyTransport(), "all://b.example": None})
    with pytest.raises(ValueError, match="a PolicyTransport already"):
        sp.wrap(client)
    assert "send" not in vars(client)


def test_the_transports_close_what_they_wrap(status_server):
    with sp.PolicyTransport() as transport:
        request = httpx.Request("GET", status_server.url + "/200")
        transport.handle_request(request).read()
    transport.close()

    async def main():
        async with sp.AsyncPolicyTransport() as transport:
            await (await transport.handle_async_request(request)).aread()
        await transport.aclose()

    anyio.run(main)


# ── a fresh connection ─────────────────────────────────────────────────────────────────


class Http2(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers 421 as over HTTP/2, where a closed stream leaves its connection open."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.closed = 0

    def handle_request(self, request):
        status = self.statuses.pop(0)
        if status == 0:
            raise httpx.ConnectError("no")
        stream = httpx.ByteStream(b"x")
        return httpx.Response(status, stream=stream, extensions={"http_version": b"HTTP/2"})

    async def handle_async_request(self, request):
        return self.handle_request(request)

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


def fetch(kind: str, inner: Http2, **options):
    if kind == "sync":
        with httpx.Client(transport=sp.PolicyTransport(inner, **options)) as client:
            return client.get("https://h/")

    async def main():
        async with httpx.AsyncClient(transport=sp.AsyncPolicyTransport(inner, **options)) as client:
            return await client.get("https://h/")

    return anyio.run(main, backend=kind)


def test_over_http2_a_421_is_handed_over_where_no_other_connection_can_be_had(kind):
    response = fetch(kind, Http2(421))
    assert response.status_code == 421
    assert "fresh=" in sp.trace(response).reason


def test_421_over_http2_a_fresh_transport_takes_it_and_is_closed_with_its_response(kind):
    other = Http2(200)
    response = fetch(kind, Http2(421), fresh=lambda: other)
    assert (response.status_code, response.text, other.closed) == (200, "x", 1)


def test_421_a_fresh_transport_that_fails_is_closed_too(kind):
    other = Http2(0)
    table = sp.STANDARD | {httpx.ConnectError: sp.surface}
    with pytest.raises(httpx.ConnectError):
        fetch(kind, Http2(421), fresh=lambda: other, table=table)
    assert other.closed == 1


class Held(Http2):
    """A transport whose send is cut off from outside."""

    def handle_request(self, request):
        raise KeyboardInterrupt

    async def handle_async_request(self, request):
        await anyio.sleep(60)


def test_421_a_fresh_transport_whose_send_is_cut_off_is_closed():
    other = Held()
    with pytest.raises(KeyboardInterrupt):
        fetch("sync", Http2(421), fresh=lambda: other)
    assert other.closed == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_421_a_fresh_transport_whose_send_is_cancelled_is_closed(backend):
    other = Held()

    async def main():
        transport = sp.AsyncPolicyTransport(Http2(421), fresh=lambda: other)
        async with httpx.AsyncClient(transport=transport) as client:
            with anyio.move_on_after(0.05) as scope:
                await client.get("https://h/")
            return scope.cancelled_caught

    assert anyio.run(main, backend=backend)
    assert other.closed == 1


# ── memory ─────────────────────────────────────────────────────────────────────────────


class Marker:
    """Something that a caller hangs on a request."""


def raised_by(client, **extensions):
    """What keeps an eye on the error of a request, and on nothing else of it."""
    marker = Marker()
    try:
        client.get("http://h/", extensions={"marker": marker, **extensions})
    except httpx.HTTPError as error:
        return weakref.ref(error), weakref.ref(marker)
    raise AssertionError("nothing was raised")


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def fails(request):
    raise httpx.ReadError("broke")


@each(
    "table",
    [
        sp.STANDARD | {httpx.ReadError: sp.surface},
        sp.STANDARD | {httpx.ReadError: sp.retry(wait=0)},
        sp.STANDARD | {httpx.ReadError: lambda exchange: sp.Follow("/b")},
    ],
)
@each("overridden", [False, True])
@pytest.mark.usefixtures("no_collector")
def test_no_cycle_keeps_a_failure_and_its_request_alive(table, overridden):
    """As with httpx alone: they are gone with the last that names them."""
    with httpx.Client(transport=httpx.MockTransport(fails)) as client:
        assert [ref() for ref in raised_by(client)] == [None, None]
        sp.wrap(client, table=table)
        extensions = {"statuspolicy": table} if overridden else {}
        assert [ref() for ref in raised_by(client, **extensions)] == [None, None]


@pytest.mark.usefixtures("no_collector")
def test_no_cycle_keeps_a_failure_alive_that_came_after_what_was_plain():
    """A redirect and a repeat at once take no engine; it is called for the failure alone."""
    answers = [httpx.Response(302, headers={"location": "/b"}), busy_at_once()]

    def answered(request):
        if len(answers) == 0:
            raise httpx.ReadError("broke")
        return answers.pop(0)

    table = sp.STANDARD | {httpx.ReadError: sp.surface}
    with sp.wrap(httpx.Client(transport=httpx.MockTransport(answered)), table=table) as client:
        assert [ref() for ref in raised_by(client)] == [None, None]


def busy_at_once():
    return httpx.Response(503, headers={"retry-after": "0"})


@pytest.mark.usefixtures("no_collector")
def test_no_cycle_keeps_a_refusal_and_its_request_alive():
    loop = httpx.MockTransport(lambda _: httpx.Response(302, headers={"location": "/"}))
    with sp.wrap(httpx.Client(transport=loop)) as client:
        assert [ref() for ref in raised_by(client)] == [None, None]
