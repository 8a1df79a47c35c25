"""401 and 407 on real sockets, and what many requests at once make of one challenge."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from statuspolicy.memory.locks import ExchangeLock, _locks_of_this_loop
from statuspolicy.testing import Answer
from tests.library import httpx, sp

BEARER = {"WWW-Authenticate": 'Bearer realm="r"'}
ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


def table(credentials):
    return sp.STANDARD | {401: sp.authenticate(credentials), 407: sp.authenticate(credentials)}


@pytest.fixture
def guarded(status_server):
    """A resource that wants the newest token; the bytes `tokens` are what it is now."""
    status_server.tokens = 0

    def token(received):
        status_server.tokens += 1
        return Answer(200, body=b"%d" % status_server.tokens)

    def resource(received):
        wanted = f"Bearer {status_server.tokens}"
        if status_server.tokens and received.headers.get("authorization") == wanted:
            return Answer(200, body=b"in")
        return Answer(401, BEARER, body=b"who?")

    status_server.script("/token", token)
    return status_server.script("/me", resource)


def fetched(server, kind):
    """A callable that asks for a token with a client of its own."""
    if kind == "sync":
        return lambda challenge: "Bearer " + httpx.get(server.url + "/token").text

    async def token(challenge):
        async with httpx.AsyncClient() as client:
            return "Bearer " + (await client.get(server.url + "/token")).text

    return token


def test_401_a_token_is_fetched_and_sent(guarded, kind, open_session, status_server):
    session = open_session(dict(ONE), table=table(fetched(status_server, kind)))
    response = session.request("POST", guarded, content=b"body")
    assert (response.status_code, response.text) == (200, "in")
    assert [(r.status_code, r.text) for r in response.history] == [(401, "who?")]
    assert [r.target for r in status_server.received] == ["/me", "/token", "/me"]
    assert [r.body for r in status_server.received if r.target == "/me"] == [b"body"] * 2


def test_the_401_that_is_handed_over_can_be_read(guarded, open_session):
    session = open_session(table=table(lambda challenge: "Bearer no"))
    response = session.get(guarded)
    assert (response.status_code, response.text) == (401, "who?")
    assert sp.trace(response).reason == "the credentials were refused"


class Fetching(httpx.Auth):
    requires_response_body = True
    token = "old"

    def auth_flow(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            answer = yield httpx.Request("GET", request.url.join("/token"))
            self.token = answer.text
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request


class InThreadsAndTasks(httpx.Auth):
    """With a flow of its own for either."""

    def sync_auth_flow(self, request):
        answer = yield httpx.Request("GET", request.url.join("/token"))
        request.headers["Authorization"] = f"Bearer {answer.read().decode()}"
        yield request

    async def async_auth_flow(self, request):
        await anyio.lowlevel.checkpoint()
        answer = yield httpx.Request("GET", request.url.join("/token"))
        request.headers["Authorization"] = f"Bearer {(await answer.aread()).decode()}"
        yield request


@pytest.mark.parametrize("auth", [Fetching, InThreadsAndTasks])
def test_a_flow_s_own_requests_go_on_the_side_over_a_pool_of_one(
    auth, guarded, open_session, status_server
):
    session = open_session(dict(ONE), table=table(auth()))
    response = session.get(guarded)
    assert (response.status_code, response.text) == (200, "in")
    assert [s.verdict for s in sp.trace(response)][-2:] == ["repeat", "settle"]
    assert status_server.connections == 1


class Failing(httpx.Auth):
    async def async_auth_flow(self, request):
        response = yield request
        assert response.status_code == 401
        raise httpx.ProtocolError("no such scheme")

    def sync_auth_flow(self, request):
        response = yield request
        assert response.status_code == 401
        raise httpx.ProtocolError("no such scheme")


class Ended(httpx.Auth):
    async def async_auth_flow(self, request):
        yield request

    def sync_auth_flow(self, request):
        yield request


@pytest.mark.parametrize(
    ("auth", "why"),
    [
        (Failing(), "the challenge can't be answered"),
        (Ended(), "the auth flow has no other credentials"),
    ],
)
def test_a_flow_that_ends_or_fails_hands_the_401_over(auth, why, guarded, open_session):
    response = open_session(table=table(auth)).get(guarded)
    assert (response.status_code, response.text) == (401, "who?")
    assert why in sp.trace(response).reason


def test_a_coroutine_function_in_a_sync_client_is_a_type_error(guarded):
    async def token(challenge):
        return "Bearer t"

    with (
        sp.wrap(httpx.Client(), table=table(token)) as client,
        pytest.raises(TypeError, match="plain"),
    ):
        client.get(guarded)


# ── many at once ───────────────────────────────────────────────────────────────────────


def many(session, urls):
    """Ask for all of them at once; the answers."""
    if session.portal is None:
        with ThreadPoolExecutor(len(urls)) as pool:
            return list(pool.map(session.get, urls))

    async def ask():
        answers = []

        async def one(url):
            answers.append(await session.client.get(url))

        async with anyio.create_task_group() as group:
            for url in urls:
                group.start_soon(one, url)
        return answers

    return session.run(ask)


@pytest.mark.parametrize("how", ["callable", "auth"])
def test_requests_that_are_refused_at_the_same_time_share_one_token(
    how, guarded, kind, open_session, status_server
):
    credentials = Fetching() if how == "auth" else fetched(status_server, kind)
    session = open_session(table=table(credentials))
    answers = many(session, [f"{guarded}?{n}" for n in range(12)])
    assert [answer.text for answer in answers] == ["in"] * 12
    assert status_server.tokens == 1
    # It has expired, and is fetched once more.
    status_server.tokens = 10
    answers = many(session, [f"{guarded}?{n}" for n in range(12)])
    assert [answer.text for answer in answers] == ["in"] * 12
    assert status_server.tokens == 11


def test_a_token_is_shared_over_a_pool_of_one(guarded, open_session, status_server):
    """Who waits for a token holds no connection that is needed to fetch it."""
    client = {"limits": httpx.Limits(max_connections=1), "timeout": 10}
    session = open_session(client, table=table(Fetching()))
    answers = many(session, [f"{guarded}?{n}" for n in range(6)])
    assert [answer.text for answer in answers] == ["in"] * 6
    assert status_server.tokens == 1


def test_401_who_is_challenged_while_he_fetches_the_token_gets_that_challenge(
    guarded, kind, open_session
):
    """The same client fetches it, and its row has no answer but the one under way."""
    seen = []

    def plain(challenge):
        seen.append(session.client.get(guarded + "?inner").status_code)

    async def coroutine(challenge):
        seen.append((await session.client.get(guarded + "?inner")).status_code)

    session = open_session(table=table(plain if kind == "sync" else coroutine))
    assert session.get(guarded).status_code == 401
    assert seen == [401]


def test_a_callable_that_raises_lets_the_next_request_in(guarded, kind, open_session):
    def plain(challenge):
        raise LookupError("no key")

    async def coroutine(challenge):
        raise LookupError("no key")

    session = open_session(table=table(plain if kind == "sync" else coroutine))
    for _ in range(2):
        with pytest.raises(LookupError, match="no key"):
            session.get(guarded)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_401_who_is_cancelled_lets_the_next_request_in(backend, guarded, status_server):
    """While a callable is awaited, and while a request for the token is under way."""
    status_server.script("/slow", Answer(200, {"Content-Length": "9"}, b"t", stall=True))

    class Slow(httpx.Auth):
        def auth_flow(self, request):
            yield httpx.Request("GET", request.url.join("/slow"))

    async def slow(challenge):
        await anyio.sleep_forever()

    async def main():
        for credentials in (slow, Slow()):
            rows = table(credentials)
            async with sp.wrap(httpx.AsyncClient(timeout=None), table=rows) as client:
                for _ in range(2):
                    with anyio.move_on_after(0.3) as scope:
                        await client.get(guarded)
                    assert scope.cancelled_caught
                turn = next(iter(rows[401]._purses.values())).turn
                assert await turn.aacquire(0.5)
                turn.arelease()

    anyio.run(main, backend=backend)


def test_401_a_turn_that_does_not_come_is_not_waited_for_without_end(guarded, open_session):
    duty = sp.authenticate(lambda challenge: "Bearer t")
    session = open_session(table=sp.STANDARD | {401: duty}, limits=sp.Limits(deadline=0))
    session.get(guarded)
    (purse,) = duty._purses.values()
    assert session.run(enter, purse.turn, session.portal)
    response = session.get(guarded)
    assert sp.trace(response).reason == "another exchange kept the lock for 0 s"


def enter(turn, in_loop):
    if not in_loop:
        return turn.acquire(0)

    async def taken():
        # By a task that is no more, as a lock of anyio belongs to its task.
        async with anyio.create_task_group() as group:
            group.start_soon(turn.aacquire, 1)
        return True

    return taken()


def test_a_turn_is_one_for_each_event_loop_and_left_to_the_next():
    turn, order = ExchangeLock(), []

    async def main():
        async def at_it(n):
            assert await turn.aacquire(5)
            order.append(n)
            await anyio.lowlevel.checkpoint()
            order.append(n)
            turn.arelease()

        async with anyio.create_task_group() as group:
            group.start_soon(at_it, 1)
            group.start_soon(at_it, 2)

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)
    assert order in (
        [1, 1, 2, 2] * 2,
        [2, 2, 1, 1] * 2,
        [1, 1, 2, 2, 2, 2, 1, 1],
        [2, 2, 1, 1, 1, 1, 2, 2],
    )


def test_turns_that_nobody_uses_any_more_are_let_go_of():
    async def main():
        for _ in range(3):
            turn = ExchangeLock()
            assert await turn.aacquire(1)
            turn.arelease()
        del turn
        gc.collect()
        return len(_locks_of_this_loop())

    assert anyio.run(main) == 0


def test_a_turn_in_threads_is_left_to_the_next():
    turn = ExchangeLock()
    assert turn.acquire(1)
    came = []
    thread = threading.Thread(target=lambda: came.append(turn.acquire(float("inf"))))
    thread.start()
    turn.release()
    thread.join(5)
    assert came == [True]
    began = time.monotonic()
    assert not turn.acquire(0)
    assert time.monotonic() - began < 5


# ── a proxy ────────────────────────────────────────────────────────────────────────────

PROXY = {"Proxy-Authenticate": 'Basic realm="p"'}
SECRET = "Basic dXNlcjpwYXNzd29yZA=="


@pytest.fixture
def proxy(status_server):
    """A proxy for `http://origin.example/` that wants credentials."""
    status_server.script(
        "/a",
        lambda r: Answer(200 if r.headers.get("proxy-authorization") == SECRET else 407, PROXY),
    )
    status_server.script("/hop", Answer(302, {"Location": "http://other.example/b"}))
    status_server.script("/b", 200)
    return status_server


def test_407_of_a_proxy_is_answered_to_the_proxy(proxy, open_session):
    session = open_session({"proxy": proxy.url}, table=table(httpx.BasicAuth("user", "password")))
    response = session.get("http://origin.example/a")
    assert response.status_code == 200
    assert [r.headers.get("proxy-authorization") for r in proxy.received] == [None, SECRET]
    assert "authorization" not in proxy.received[1].headers


@pytest.mark.parametrize("credentials", [httpx.BasicAuth("user", "password"), lambda _: SECRET])
def test_407_of_a_proxy_is_answered_after_a_redirect_to_another_origin(
    credentials, proxy, open_session
):
    """And what is at home at the origin stays there; each request is challenged anew."""

    def guarded(answer):
        def answers(request):
            paid = request.headers.get("proxy-authorization") == SECRET
            return answer(request) if paid else Answer(407, PROXY)

        return answers

    def with_more(exchange):
        fields = {**exchange.request.headers, "X-More": "yes"}
        return sp.Again(httpx.Request("GET", exchange.request.url, headers=fields))

    went = iter([Answer(503, {"Retry-After": "1"}), Answer(410), Answer(200)])
    proxy.script("/hop", guarded(lambda r: Answer(302, {"Location": "http://other.example/b"})))
    proxy.script("/b", guarded(lambda r: next(went)))
    session = open_session({"proxy": proxy.url}, table=table(credentials) | {410: with_more})
    mine = {"Authorization": "Bearer mine", "Proxy-Authorization": "Basic old"}
    response = session.get("http://origin.example/hop", headers=mine)
    assert response.status_code == 200
    assert [r.status_code for r in response.history] == [407, 302, 407]
    assert [r.headers.get("proxy-authorization") for r in proxy.received] == [
        "Basic old", SECRET, None, SECRET, SECRET, SECRET,
    ]  # fmt: skip
    sent = [r.headers.get("authorization") for r in proxy.received]
    assert sent == ["Bearer mine"] * 2 + [None] * 4
    assert proxy.received[-1].headers["x-more"] == "yes"


def test_407_twice_after_a_redirect_to_another_origin_is_handed_over(proxy, open_session):
    wrong = iter("abcdef")
    proxy.script("/b", Answer(407, PROXY))
    session = open_session({"proxy": proxy.url}, table=table(lambda _: f"Basic {next(wrong)}"))
    response = session.get("http://origin.example/hop")
    assert response.status_code == 407
    assert sp.trace(response).reason == "the credentials were refused"
    assert len(proxy.received) == 3


def test_407_on_the_way_to_a_monitor_of_another_origin_is_answered(proxy, open_session):
    proxy.script("/job", Answer(202, {"Location": "http://other.example/a"}))
    rows = table(httpx.BasicAuth("user", "password")) | {202: sp.poll()}
    session = open_session({"proxy": proxy.url}, table=rows)
    response = session.request(
        "POST", "http://origin.example/job", headers={"Authorization": "Bearer mine"}
    )
    assert response.status_code == 200
    assert [r.headers.get("proxy-authorization") for r in proxy.received] == [None, None, SECRET]
    assert [r.headers.get("authorization") for r in proxy.received] == ["Bearer mine", None, None]


def test_407_that_was_answered_is_in_the_history_with_its_body(proxy, open_session):
    proxy.script("/a", Answer(407, PROXY, b"pay first"), 200)
    session = open_session({"proxy": proxy.url}, table=table(httpx.BasicAuth("user", "password")))
    response = session.get("http://origin.example/a")
    assert [(r.status_code, r.text) for r in response.history] == [(407, "pay first")]


def test_407_of_an_origin_gets_nothing(proxy, open_session):
    session = open_session(table=table(httpx.BasicAuth("user", "password")))
    response = session.get(proxy.url + "/a")
    assert response.status_code == 407
    assert len(proxy.received) == 1
    assert "the 407 may not come from a proxy" in sp.trace(response).reason


def test_407_to_connect_is_raised_with_the_trace(proxy, open_session):
    proxy.script("origin.example:443", Answer(407, PROXY))
    session = open_session({"proxy": proxy.url}, table=table(httpx.BasicAuth("user", "password")))
    with pytest.raises(httpx.ProxyError) as raised:
        session.get("https://origin.example/a")
    trace = sp.trace(raised.value)
    assert (trace[0].row, len(trace)) == ("407", 1)
    assert "httpx.Proxy(url, auth=...)" in trace.reason
