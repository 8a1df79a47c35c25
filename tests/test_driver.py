"""client/driver.py and its I/O: which responses are drained, which are closed, and when."""

import anyio
import pytest

from statuspolicy.client.sync_io import SyncIO
from statuspolicy.engine.state import ExchangeState
from statuspolicy.testing import Answer, FakeClock
from tests.library import httpx, sp

PLAN = sp.PolicyTransport().config


def test_two_threads_that_drain_answers_to_one_request_leave_its_timeouts_as_they_were():
    """One after the other lowers them, and the first to end is not the last that began."""
    for extensions in ({"timeout": {"read": 5.0}}, {}):
        request = httpx.Request("GET", "http://h/", extensions=dict(extensions))
        state = ExchangeState(PLAN, request)
        first, second = SyncIO(state, None, None, None), SyncIO(state, None, None, None)
        first._hurry(request)
        second._hurry(request)
        assert request.extensions["timeout"]["read"] == 1.0
        first._unhurry()
        second._unhurry()
        assert request.extensions == extensions


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


def test_401_an_aside_goes_over_a_pool_of_one_and_its_token_is_sent(
    guarded, open_session, status_server
):
    session = open_session(dict(ONE), table=with_token(again))
    response = session.get(guarded)
    assert (response.status_code, [r.text for r in response.history]) == (200, ["who?"])
    assert status_server.received[2].headers["authorization"] == "Bearer t"
    assert status_server.connections == 1


def test_what_was_put_away_for_an_aside_is_readable_in_the_history(guarded, open_session):
    session = open_session(dict(ONE), table=with_token(elsewhere))
    response = session.get(guarded)
    assert response.text == "t"
    assert [r.text for r in response.history] == ["who?"]


def test_401_where_an_aside_settles_the_response_put_away_is_handed_over(guarded, open_session):
    session = open_session(dict(ONE), table=with_token(lambda answer: sp.Settle("no")))
    response = session.get(guarded)
    assert (response.status_code, response.text) == (401, "who?")


@pytest.mark.parametrize("size", [1001, 2000, 1_000_000])
def test_401_a_body_that_is_too_long_to_put_away_is_handed_over_whole_and_nothing_is_asked(
    size, open_session, status_server
):
    url = status_server.script("/me", Answer(401, body=b"x" * size))
    limits = sp.Limits(drain_bytes=1000)
    session = open_session(table=with_token(lambda answer: sp.Settle("no")), limits=limits)
    response = session.get(url)
    assert (response.status_code, response.content) == (401, b"x" * size)
    assert "is longer than Limits.drain_bytes" in sp.trace(response).reason
    assert [r.target for r in status_server.received] == ["/me"]


def monitored(**options):
    """202: ask on the side, and hand over what came from there."""

    def monitor(exchange: sp.Exchange) -> sp.Verdict:
        request = httpx.Request("GET", exchange.request.url.join("/result"))
        return sp.Aside(request, lambda answer: sp.Use(answer.response), **options)

    return sp.STANDARD | {202: monitor}


CHUNK = b"400\r\n" + b"x" * 0x400 + b"\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


# Above 1000 bytes, and more than one read of a socket.
LONG = [
    Answer(200, body=b"x" * 300_000),
    Answer(raw=HEAD + CHUNK * 300 + b"0\r\n\r\n"),
]


@pytest.mark.parametrize(
    ("result", "size"),
    [
        (Answer(200, body=b"x" * 300_000), 300_000),
        (Answer(raw=HEAD + CHUNK * 200 + b"0\r\n\r\n"), 204_800),
        (Answer(200, body=b"x" * 1001), 1001),
        (Answer(200, body=b"x" * 1000), 1000),
    ],
    ids=["length", "chunked", "one above", "just kept"],
)
def test_an_answer_from_the_side_that_is_used_is_handed_over_whole(
    result, size, open_session, status_server
):
    url = status_server.script("/job", Answer(202))
    status_server.script("/result", result)
    limits = sp.Limits(drain_bytes=1000)
    session = open_session(dict(ONE), table=monitored(read=True), limits=limits)
    for _ in range(2):  # and its connection is there for the next
        response = session.get(url)
        assert (response.status_code, response.content) == (200, b"x" * size)
        assert response.url.path == "/result"
    assert status_server.connections == 1


def streamed(session, url):
    """What a caller gets of a body, and what broke it."""
    parts = []

    def sync():
        with session.client.stream("GET", url) as response:
            parts.extend(response.iter_raw())

    async def task():
        async with session.client.stream("GET", url) as response:
            async for part in response.aiter_raw():
                parts.append(part)

    try:
        session.run(sync if session.portal is None else task)
    except httpx.TransportError as error:
        return b"".join(parts), error
    return b"".join(parts), None


BROKEN = b"HTTP/1.1 %d Odd\r\nContent-Length: 5000\r\n\r\n" + b"half" * 100


@pytest.mark.parametrize("read", [True, False])
def test_a_body_that_breaks_while_it_is_put_away_breaks_for_its_reader(
    read, open_session, status_server
):
    url = status_server.script("/job", Answer(202))
    status_server.script("/result", BROKEN % 200)
    session = open_session(dict(ONE), table=monitored(read=read))
    got, error = streamed(session, url)
    assert got == b"half" * 100
    assert isinstance(error, httpx.RemoteProtocolError)
    assert session.get(status_server.url + "/200").status_code == 200  # the pool of one is free


def test_a_main_response_that_breaks_while_it_is_put_away_breaks_for_its_reader(
    open_session, status_server
):
    url = status_server.script("/job", BROKEN % 202)
    session = open_session(dict(ONE), table=monitored())
    got, error = streamed(session, url)
    assert got == b"half" * 100
    assert isinstance(error, httpx.RemoteProtocolError)
    assert [r.target for r in status_server.received] == ["/job"]
    assert session.get(status_server.url + "/200").status_code == 200


@pytest.mark.parametrize("result", LONG, ids=["length", "chunked"])
def test_an_answer_from_the_side_that_is_too_long_and_not_used_is_left(
    result, open_session, status_server
):
    url = status_server.script("/job", Answer(202, body=b"main"))
    status_server.script("/result", result)

    def look(exchange: sp.Exchange) -> sp.Verdict:
        request = httpx.Request("GET", exchange.request.url.join("/result"))
        return sp.Aside(request, lambda answer: sp.Settle("seen"))

    limits = sp.Limits(drain_bytes=1000)
    session = open_session(dict(ONE), table=sp.STANDARD | {202: look}, limits=limits)
    response = session.get(url)
    assert (response.status_code, response.text) == (202, "main")
    assert session.get(status_server.url + "/200").status_code == 200


@pytest.mark.parametrize("main", LONG, ids=["length", "chunked"])
def test_a_response_that_was_too_long_to_put_away_may_be_left_unread(
    main, open_session, status_server
):
    """Nothing is left behind: no connection, and in trio no generator that was never closed."""
    table = sp.STANDARD | {200: monitored()[202]}
    url = status_server.script("/job", main)
    session = open_session(dict(ONE), table=table, limits=sp.Limits(drain_bytes=1000))

    def sync():
        with session.client.stream("GET", url) as response:
            return response.status_code

    async def task():
        async with session.client.stream("GET", url) as response:
            return response.status_code

    assert session.run(sync if session.portal is None else task) == 200
    assert len(status_server.received) == 1
    assert session.get(status_server.url + "/404").status_code == 404


class Foreign(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of somebody else's transport, which fails in its own way."""

    closed = 0

    def __iter__(self):
        yield b"some"
        raise OSError("the disk is gone")

    async def __aiter__(self):
        yield b"some"
        raise OSError("the disk is gone")

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


@pytest.mark.parametrize(
    "first", [(302, {"Location": "/b"}), (503, {"Retry-After": "1"}), (302, {"Location": "/a"})]
)
def test_302_an_intermediate_whose_body_fails_in_its_own_way_is_just_dropped(first, open_session):
    stream, answers = Foreign(), []

    def answer(request):
        answers.append(request.url.path)
        if len(answers) == 1:
            return httpx.Response(first[0], headers=first[1], stream=stream)
        return httpx.Response(200)

    session = open_session({"transport": httpx.MockTransport(answer)})
    if first[1].get("Location") == "/a":
        with pytest.raises(sp.RedirectLoop):
            session.get("http://h/a")
    else:
        assert session.get("http://h/a").status_code == 200
    assert stream.closed == 1


def test_a_204_that_a_mock_has_read_is_handed_over_empty(open_session):
    transport = httpx.MockTransport(lambda request: httpx.Response(204, content=b"stray"))
    session = open_session({"transport": transport})
    response = session.get("http://h/a")
    assert (response.status_code, response.content, response.text) == (204, b"", "")


def test_an_async_factory_in_a_sync_client_is_told_what_to_do(status_server):
    async def factory():
        yield b"body"

    with sp.wrap(httpx.Client(), clock=FakeClock()) as client:
        with pytest.raises(TypeError) as raised:
            client.put(
                status_server.url + "/503?retry-after=1&then=200",
                content=iter([b"body"]),
                extensions={"statuspolicy.body": factory},
            )
    assert "which only an AsyncClient can send: return bytes" in str(raised.value)
    assert 'extensions["statuspolicy.body"]' in str(raised.value)


@pytest.mark.parametrize("factory", [b"body", "body", 5])
def test_a_factory_that_is_none_is_told_what_to_write(factory, open_session, status_server):
    """Said where the body would be sent again; the answer that was there by then is closed."""
    session = open_session(dict(ONE))
    extensions = {"statuspolicy.body": factory}
    url = status_server.url + "/503?retry-after=1&then=200"
    with pytest.raises(TypeError, match="write a callable that returns the request's body"):
        session.request("PUT", url, content=b"body", extensions=extensions)
    assert session.get(status_server.url + "/200").status_code == 200


class Endless(httpx.AsyncByteStream):
    """A body that never ends and never waits, so that no cancellation reaches it."""

    sent = 0

    async def __aiter__(self):
        while True:
            self.sent += 65536
            yield b"x" * 65536


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_302_a_body_that_never_waits_is_left_within_a_bound(backend):
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_body_that_never_waits_and_was_begun_is_left_within_a_bound(backend):
    """Its beginning was read to be put away; then its reader goes without a look at it."""
    stream = Endless()

    class Foreign(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            return httpx.Response(202, stream=stream)

    async def main():
        transport = sp.AsyncPolicyTransport(Foreign(), table=monitored())
        async with httpx.AsyncClient(transport=transport) as client:
            async with client.stream("GET", "http://h/a") as response:
                return response.status_code

    assert anyio.run(main, backend=backend) == 202
    assert 64 * 1024 < stream.sent < 1_000_000


def test_302_a_slow_body_is_left_between_two_of_its_parts():
    """In a thread nothing ends a read, but the clock is looked at after each."""

    class Slow(httpx.SyncByteStream):
        closed = False

        def __iter__(self):
            for _ in range(1000):
                clock.now += 0.4
                yield b"x"

        def close(self):
            self.closed = True

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


def test_302_a_request_without_timeouts_has_none_after_a_drain(status_server):
    request = httpx.Request("GET", status_server.url + "/302?location=/200&body=x")
    with sp.PolicyTransport() as transport:
        response = transport.handle_request(request)
        assert response.read() == b""
        response.close()
    assert request.extensions == {}


def test_302_a_response_that_was_closed_before_is_not_drained():
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


def test_a_side_answer_that_breaks_in_its_own_way_breaks_only_for_its_reader():
    """The main response that was put away is still there to be handed over."""

    class Broken(httpx.SyncByteStream):
        def __iter__(self):
            yield b"x"
            raise OSError("reset")

    def answer(request):
        if request.url.path == "/token":
            return httpx.Response(200, stream=Broken())
        return httpx.Response(401, content=b"who?")

    table = with_token(lambda answer: sp.Settle("no token"))
    transport = sp.PolicyTransport(httpx.MockTransport(answer), table=table)
    with httpx.Client(transport=transport) as client:
        response = client.get("http://h/me")
    assert (response.status_code, response.text) == (401, "who?")


class OwnResponse(httpx.Response):
    """A response class of a transport, with a `close` of its own."""

    closed = 0

    def close(self) -> None:
        self.closed += 1
        super().close()

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


class Unread(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __iter__(self):
        raise AssertionError("a 408 is closed unread")

    async def __aiter__(self):
        raise AssertionError("a 408 is closed unread")
        yield b""


class AnswersLate(httpx.BaseTransport, httpx.AsyncBaseTransport):
    def __init__(self) -> None:
        self.late = OwnResponse(408, stream=Unread())

    def handle_request(self, request):
        return httpx.Response(200) if self.late.closed else self.late

    async def handle_async_request(self, request):
        return self.handle_request(request)


def test_408_a_response_of_a_transport_s_own_class_is_closed_by_its_own_method():
    inner = AnswersLate()
    response = sp.PolicyTransport(inner).handle_request(httpx.Request("GET", "http://h/"))
    assert (response.status_code, inner.late.closed, inner.late.is_closed) == (200, 1, True)


def test_408_in_a_task_a_response_of_a_transport_s_own_class_is_closed_by_its_own_method():
    inner = AnswersLate()
    send = sp.AsyncPolicyTransport(inner).handle_async_request
    response = anyio.run(send, httpx.Request("GET", "http://h/"))
    assert (response.status_code, inner.late.closed, inner.late.is_closed) == (200, 1, True)


def test_total_holds_for_the_transport_that_a_policy_makes_itself(status_server):
    url = status_server.script("/stall", Answer(raw=b"", stall=True))
    with sp.PolicyTransport(limits=sp.Limits(total=0.1)) as transport:
        with pytest.raises(sp.TotalTimeout, match=r"total=0\.1"):
            transport.handle_request(httpx.Request("GET", url))
