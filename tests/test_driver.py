"""The drivers and their hands: what is drained, what is closed, and when."""

import anyio
import httpx
import pytest

import statuspolicy as sp
from statuspolicy.testing import Answer


def with_token(then):
    def challenge(exchange: sp.Exchange) -> sp.Verdict:
        url = exchange.request.url.join("/token")
        return sp.Aside(httpx.Request("POST", url), then)

    return sp.STANDARD | {401: challenge}


def again(answer: sp.Exchange) -> sp.Verdict:
    request = answer.main.request
    headers = {**request.headers, "Authorization": f"Bearer {answer.response.text}"}
    return sp.Again(httpx.Request(request.method, request.url, headers=headers), unacted=True)


def elsewhere(answer: sp.Exchange) -> sp.Verdict:
    return sp.Follow(f"/200?body={answer.response.text}")


@pytest.fixture
def guarded(status_server):
    """A resource that wants a token, and the place that gives one."""
    status_server.script("/token", Answer(200, body=b"t"))
    return status_server.script(
        "/me", lambda r: Answer(200 if "authorization" in r.headers else 401, body=b"who?")
    )


ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5, pool=0.5)}


def test_an_aside_goes_over_a_pool_of_one_and_its_token_is_sent(
    guarded, open_session, status_server
):
    session = open_session(dict(ONE), table=with_token(again))
    response = session.get(guarded)
    assert (response.status_code, response.history) == (200, [])
    assert status_server.received[2].headers["authorization"] == "Bearer t"
    assert status_server.connections == 1


def test_what_was_put_away_for_an_aside_is_readable_in_the_history(guarded, open_session):
    session = open_session(dict(ONE), table=with_token(elsewhere))
    response = session.get(guarded)
    assert response.text == "t"
    assert [r.text for r in response.history] == ["who?"]


def test_where_an_aside_settles_the_response_put_away_is_handed_over(guarded, open_session):
    session = open_session(dict(ONE), table=with_token(lambda answer: sp.Settle("no")))
    response = session.get(guarded)
    assert (response.status_code, response.text) == (401, "who?")


def test_a_body_that_was_too_long_to_put_away_is_said_to_be_lost(open_session, status_server):
    url = status_server.script("/me", Answer(401, body=b"x" * 2000))
    limits = sp.Limits(drain_bytes=1000)
    session = open_session(table=with_token(lambda answer: sp.Settle("no")), limits=limits)
    response = session.get(url)
    assert (response.status_code, response.content) == (401, b"")
    assert "was not kept" in sp.trace(response).reason


class Endless(httpx.AsyncByteStream):
    """A body that never ends and never waits, so that no cancellation reaches it."""

    sent = 0

    async def __aiter__(self):
        while True:
            self.sent += 65536
            yield b"x" * 65536


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_body_that_never_waits_is_left_within_a_bound(backend):
    stream = Endless()

    class Foreign(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            if request.url.path == "/a":
                return httpx.Response(302, headers={"Location": "/b"}, stream=stream)
            return httpx.Response(200)

    async def main():
        transport = sp.AsyncPolicyTransport(Foreign())
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get("http://h/a")

    assert anyio.run(main, backend=backend).status_code == 200
    assert stream.sent < 1_000_000


def test_a_slow_body_is_left_between_two_of_its_parts():
    """In a thread nothing ends a read, but the clock is looked at after each."""

    class Slow(httpx.SyncByteStream):
        closed = False

        def __iter__(self):
            for _ in range(1000):
                clock.now += 0.4
                yield b"x"

        def close(self):
            self.closed = True

    from statuspolicy.testing import FakeClock

    clock, stream = FakeClock(), Slow()

    def answer(request):
        if request.url.path == "/a":
            return httpx.Response(302, headers={"Location": "/b"}, stream=stream)
        return httpx.Response(200)

    transport = sp.PolicyTransport(httpx.MockTransport(answer), clock=clock)
    with httpx.Client(transport=transport) as client:
        response = client.get("http://h/a")
    assert response.status_code == 200
    assert clock.monotonic() < 2
    assert stream.closed


def test_a_request_without_timeouts_has_none_after_a_drain(status_server):
    request = httpx.Request("GET", status_server.url + "/302?location=/200&body=x")
    with sp.PolicyTransport() as transport:
        response = transport.handle_request(request)
        assert response.read() == b""
        response.close()
    assert request.extensions == {}


def test_a_response_that_was_closed_before_is_not_drained():
    """A foreign transport may hand out what it has read and closed."""

    def answer(request):
        response = httpx.Response(200)
        if request.url.path == "/a":
            response = httpx.Response(302, headers={"Location": "/b"}, content=iter([b"gone"]))
            response.close()
        return response

    with httpx.Client(transport=sp.PolicyTransport(httpx.MockTransport(answer))) as client:
        response = client.get("http://h/a")
    assert response.status_code == 200
    with pytest.raises(httpx.ResponseNotRead):
        _ = response.history[0].content


def test_an_error_without_a_request_takes_the_clients():
    def duty(exchange):
        return sp.Refuse(sp.ProtocolViolation("not this"))

    answer = httpx.MockTransport(lambda request: httpx.Response(500))
    table = sp.STANDARD | {500: duty}
    with httpx.Client(transport=sp.PolicyTransport(answer, table=table)) as client:
        with pytest.raises(sp.ProtocolViolation, match="not this") as raised:
            client.get("http://h/a")
    assert raised.value.request.url.path == "/a"
