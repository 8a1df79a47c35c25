"""`Limits.total`: an exchange ends in time, whatever a server does; `deadline` ends no response."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from math import inf, nan

import anyio.lowlevel
import pytest

from statuspolicy.fields.retry_after import retry_after
from statuspolicy.fields.section import Fields
from statuspolicy.testing import Answer, FakeClock, replay
from tests.conftest import Session
from tests.each import each
from tests.library import httpx, sp

HOME = "https://home.example/a"
TOTAL = 0.1  # seconds that an exchange gets on a socket here
SLACK = 1.0  # seconds that a busy machine may add; a server here goes on for 10 s, a read for 5 s
ONE = {"limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(5)}


def get(url: str = HOME, **options) -> httpx.Request:
    return httpx.Request("GET", url, **options)


def later(clock: FakeClock, seconds: float, status: int = 200, **headers: str):
    """An answer that takes so long."""

    def answer(request: httpx.Request) -> httpx.Response:
        clock.now += seconds
        return httpx.Response(status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


# ── what it may be ─────────────────────────────────────────────────────────────────────


@each("total", [0, 0.0, -1, True, False, "x", nan, -inf, (1,)])
def test_a_total_that_is_no_number_above_0_is_refused(total):
    with pytest.raises(
        ValueError, match=r"Limits\(total=.*\): write a number of seconds above 0, or None\."
    ):
        sp.Limits(total=total)


@each("total", [None, 0.001, 1, 30.0, inf])
def test_none_and_any_number_above_0_are_totals(total):
    assert sp.Limits(total=total).total == total


def test_there_is_none_unless_it_is_set():
    assert sp.Limits().total is None


# ── what is decided by it ──────────────────────────────────────────────────────────────


@each(
    ("seconds", "waits"),
    [("9", [9.0]), ("10", []), ("11", []), ("0", [])],
)
def test_503_a_wait_that_would_end_after_it_is_not_begun(seconds, waits):
    story = replay(
        get(), [(503, {"retry-after": seconds}), 200], limits=sp.Limits(total=10, cooling="send")
    )
    assert story.waits == waits
    if seconds in ("0", "9"):
        assert story.response.status_code == 200
    else:
        assert story.response.status_code == 503
        reason = "Limits.total=10 would be over before the next answer"
        assert (story.trace.reason, len(story.sent)) == (reason, 1)


@each(("takes", "sent"), [(0.6, 2), (0.99, 2), (1.0, 1), (1.5, 1)])
@each(
    ("status", "headers"),
    [(503, {"retry_after": "0"}), (408, {}), (302, {"location": "/b"})],
)
def test_302_408_503_nothing_is_sent_after_it(status, headers, takes, sent):
    clock = FakeClock()
    story = replay(
        get(), [later(clock, takes, status, **headers), 200], clock=clock, limits=sp.Limits(total=1)
    )
    assert len(story.sent) == sent
    if sent == 1:
        assert story.response.status_code == status
        assert "Limits.total=1 would be over" in story.trace.reason
        assert not story.response.has_redirect_location


@pytest.mark.parametrize(("total", "waits"), [(30, []), (60, []), (61, [60.0])])
def test_202_a_wait_before_a_request_on_the_side_that_would_end_after_it_is_not_begun(total, waits):
    story = replay(
        httpx.Request("POST", HOME),
        [(202, {"location": "/m", "retry-after": "60"}), 200],
        table=sp.STANDARD | {202: sp.poll()},
        limits=sp.Limits(total=total),
    )
    assert (story.waits, len(story.sent)) == (waits, 1 + len(waits))
    assert story.response.status_code == (200 if waits else 202)
    assert waits or f"Limits.total={total} would be over" in story.trace.reason


def test_limits_total_begins_with_the_first_send_and_does_not_begin_again():
    """Unlike `deadline`, which begins with the first answer; and each hop counts."""
    clock = FakeClock()
    script = [
        later(clock, 0.4, 302, location="/b"),
        later(clock, 0.4, 503, retry_after="0"),
        later(clock, 0.4, 503, retry_after="0"),
    ]
    story = replay(get(), script, clock=clock, limits=sp.Limits(total=1))
    assert [r.url.path for r in story.sent] == ["/a", "/b", "/b"]
    assert "Limits.total=1" in story.trace.reason


def test_307_the_time_that_somebody_takes_to_confirm_counts():
    clock = FakeClock()

    def confirm(*_):
        clock.now += 2
        return True

    request = httpx.Request("POST", HOME)
    script = [(307, {"location": "/b"})]
    story = replay(request, script, clock=clock, confirm=confirm, limits=sp.Limits(total=1))
    assert (story.response.status_code, len(story.sent)) == (307, 1)
    assert "Limits.total=1 would be over" in story.trace.reason


def test_nobody_waits_longer_for_a_cooling_origin_than_is_left():
    memory = sp.Memory()
    replay(get(), [(503, {"retry-after": "20"})], memory=memory, limits=sp.Limits(attempts=1))
    story = replay(get(), [200], memory=memory, limits=sp.Limits(total=10))
    assert story.waits == []
    story = replay(get(), [200], memory=memory, limits=sp.Limits(total=21))
    assert 20 <= story.waits[0] <= 21


def test_an_answer_that_came_after_it_is_handed_over_all_the_same():
    """What is there is there; its body has to be read in time, by whoever sends."""
    clock = FakeClock()
    story = replay(get(), [later(clock, 5)], clock=clock, limits=sp.Limits(total=1))
    assert story.response.status_code == 200


# ── each attempt's timeouts ────────────────────────────────────────────────────────────


class Noted:
    """A transport that notes the timeouts of each request, and takes its time."""

    def __init__(self, *script: int, takes: float = 0.0, clock: FakeClock | None = None) -> None:
        self.timeouts: list[dict[str, float | None]] = []
        self._script, self._takes, self._clock = list(script), takes, clock

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.timeouts.append(request.extensions["timeout"])
        if self._clock is not None:
            self._clock.now += self._takes
        return httpx.Response(self._script.pop(0), headers={"retry-after": "0"})


def test_no_timeout_of_an_attempt_is_longer_than_what_is_left(open_session):
    clock = FakeClock()
    noted = Noted(503, 503, 200, takes=4.0, clock=clock)
    timeout = httpx.Timeout(5, connect=0.5)
    session = open_session(
        {"transport": httpx.MockTransport(noted), "timeout": timeout},
        clock=clock,
        limits=sp.Limits(total=10),
    )
    request = session.client.build_request("GET", HOME)
    response = session.run(session.client.send, request)
    assert response.status_code == 200
    assert noted.timeouts == [
        {"connect": 0.5, "read": left, "write": left, "pool": left} for left in (5, 5, 2)
    ]
    # The caller's own, and what the policy hands over with the response, are as they were.
    own = {"connect": 0.5, "read": 5, "write": 5, "pool": 5}
    assert request.extensions["timeout"] == response.request.extensions["timeout"] == own


def test_limits_total_counts_the_time_of_the_clients_hooks(open_session, kind):
    clock, noted = FakeClock(), Noted(200)

    def hook(request):
        clock.now += 4

    async def async_hook(request):
        clock.now += 4

    hooks = {"request": [hook if kind == "sync" else async_hook]}
    session = open_session(
        {"transport": httpx.MockTransport(noted), "timeout": 30, "event_hooks": hooks},
        clock=clock,
        limits=sp.Limits(total=10),
    )
    session.get(HOME)
    assert noted.timeouts[0]["read"] == 6


def test_401_all_requests_of_an_auth_flow_have_one_total_together(open_session):
    class Asks(httpx.Auth):
        def auth_flow(self, request):
            for _ in range(9):
                yield request

    def answer(request):
        session.clock.now += 4
        return httpx.Response(401)

    client = {"transport": httpx.MockTransport(answer), "auth": Asks()}
    session = open_session(client, limits=sp.Limits(total=10))
    with pytest.raises(sp.TotalTimeout):
        session.get(HOME)
    assert session.clock.monotonic() == 12  # the third was under way


@pytest.mark.parametrize("timeout", [None, httpx.Timeout(None), 0.0])
def test_no_timeout_is_as_long_as_what_is_left_and_0_is_0(timeout, open_session):
    noted = Noted(200)
    session = open_session(
        {"transport": httpx.MockTransport(noted), "timeout": timeout}, limits=sp.Limits(total=10)
    )
    session.get(HOME)
    expected = 0.0 if timeout == 0.0 else 10.0
    assert noted.timeouts == [dict.fromkeys(("connect", "read", "write", "pool"), expected)]


def test_without_a_total_timeouts_are_the_callers_own(open_session):
    noted = Noted(503, 200)
    session = open_session({"transport": httpx.MockTransport(noted), "timeout": None})
    session.get(HOME)
    assert noted.timeouts == [dict.fromkeys(("connect", "read", "write", "pool"))] * 2


def test_a_request_s_own_total_takes_the_place_of_the_clients(open_session):
    noted = Noted(200, 200, 200)
    session = open_session(
        {"transport": httpx.MockTransport(noted), "timeout": 5}, limits=sp.Limits(total=3)
    )
    for limits in (sp.Limits(), sp.Limits(total=1), None):
        session.get(HOME, extensions={"statuspolicy": sp.Overrides(limits=limits)})
    assert [timeout["read"] for timeout in noted.timeouts] == [5, 1, 3]


def test_what_a_mock_takes_too_long_for_is_late(open_session):
    clock = FakeClock()

    def answer(request):
        clock.now += 10
        raise httpx.ReadTimeout("of the transport")

    session = open_session(
        {"transport": httpx.MockTransport(answer)}, clock=clock, limits=sp.Limits(total=10)
    )
    with pytest.raises(sp.TotalTimeout) as raised:
        session.get(HOME)
    assert isinstance(raised.value.__cause__, httpx.ReadTimeout)
    assert sp.trace(raised.value)[-1].code == "TotalTimeout"


# ── on sockets ─────────────────────────────────────────────────────────────────────────


@contextmanager
def dripping(head: bytes, *parts: bytes) -> Iterator[tuple[str, threading.Event]]:
    """A server that sends a head, and then its parts one by one, the last one endlessly.

    Its URL, and whether the client has gone.
    """
    gone, ours = threading.Event(), list[socket.socket]()
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            ours.append(connection)
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.recv(65536)
                connection.sendall(head)
                with suppress(ConnectionError):  # it left something unread
                    for part in chain(parts[:-1], repeat(parts[-1], 500)):
                        if select.select([connection], [], [], 0.02)[0]:
                            break
                        connection.sendall(part)
                    if connection.recv(1):
                        return
                gone.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", gone
    finally:
        for opened in (listener, *ours):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


HEAD = b"HTTP/1.1 200 OK\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 1000\r\n\r\n"
STALLED = Answer(raw=HEAD + b"Content-Length: 100\r\n\r\nhalf", stall=True)
SILENT = Answer(raw=b"", stall=True)


def streamed(session, url: str) -> None:
    """Read a body piece by piece."""

    def sync() -> None:
        with session.client.stream("GET", url) as response:
            for _ in response.iter_raw():
                pass

    async def task() -> None:
        async with session.client.stream("GET", url) as response:
            async for _ in response.aiter_raw():
                pass

    session.run(sync if session.portal is None else task)


@contextmanager
def late(total: float = TOTAL) -> Iterator[Callable[[], sp.TotalTimeout]]:
    """What is done here fails when its total is over, and not before."""
    began = time.monotonic()
    with pytest.raises(sp.TotalTimeout) as raised:
        yield lambda: raised.value
    took = time.monotonic() - began
    assert total <= took + 0.01
    assert took < total + SLACK


@pytest.fixture
def timed(open_session, status_server):
    """A session with a total and a pool of one, which has sent a request before."""

    def opened(**limits):
        given = sp.Limits(**({"total": TOTAL} | limits))
        session = open_session(dict(ONE), limits=given, clock=sp.SystemClock())
        well(session, status_server)
        return session

    return opened


def one_is_open(server) -> bool:
    """The one that is kept, soon: a server notices a moment later that a client has gone."""
    end = time.monotonic() + 2
    while server.open_connections != 1 and time.monotonic() < end:
        select.select([], [], [], 0.001)
    return server.open_connections == 1


def well(session, server) -> None:
    """Its pool of one is free."""
    unbounded = sp.Overrides(limits=sp.Limits())
    url = server.url + "/200?body=fine"
    assert session.get(url, extensions={"statuspolicy": unbounded}, timeout=2).text == "fine"


def test_a_server_that_never_answers_is_left_in_time(timed, status_server):
    session = timed()
    url = status_server.script("/silent", SILENT)
    with late() as error:
        session.get(url)
    assert isinstance(error(), httpx.TimeoutException)
    assert error().request.url == url
    assert (
        str(error()) == f"GET {url} did not finish, with its body read, within Limits.total=0.1 s."
    )
    assert [step.code for step in sp.trace(error())] == ["TotalTimeout"]
    well(session, status_server)
    assert one_is_open(status_server)


BODY = HEAD + b"Content-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "read"),
    [
        (HEAD + b"X: ", Session.get),
        (BODY, Session.get),
        (BODY, streamed),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4;x=", Session.get),
        (MOVED, Session.get),
    ],
    ids=["header section", "body", "streamed body", "chunk header", "body to drain"],
)
def test_a_server_that_drips_is_left_in_time(head, read, timed, status_server):
    """Each byte of it comes within its timeout."""
    session = timed()
    with dripping(head, b"x") as (url, gone), late() as error:
        read(session, url)
    assert str(error().request.url).startswith(url)  # of the hop that it did not come to, too
    assert gone.wait(5)
    well(session, status_server)


def test_what_ends_while_its_body_is_read_tells_all_that_led_there(timed, status_server):
    session = timed(total=1)  # which leaves a busy machine time for the redirect
    status_server.script("/stalled", STALLED)
    with late(1) as error:
        session.get(status_server.url + "/302?location=/stalled")
    assert [step.code for step in sp.trace(error())] == [302, 200]


@pytest.mark.parametrize("read", [Session.get, streamed], ids=["read", "streamed"])
def test_a_body_that_stalls_is_left_in_time(read, timed, status_server):
    session = timed()
    url = status_server.script("/stalled", STALLED)
    with late() as error:
        read(session, url)
    assert error().request.url == url
    well(session, status_server)
    assert one_is_open(status_server)


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_a_reader_that_takes_too_long_itself_is_late_at_its_next_read(
    kind, open_session, status_server
):
    session = open_session(limits=sp.Limits(total=10))
    url = status_server.script("/stalled", STALLED)
    request = session.client.build_request("GET", url)
    response = session.run(session.client.send, request, stream=True)
    read = []

    def sync():
        for part in response.iter_raw():
            read.append(part)
            session.clock.now += 10

    async def task():
        async for part in response.aiter_raw():
            read.append(part)
            session.clock.now += 10

    with pytest.raises(sp.TotalTimeout) as raised:
        session.run(sync if kind == "sync" else task)
    session.run(response.close if kind == "sync" else response.aclose)
    assert read == [b"half"]
    assert raised.value.request.url == url
    well(session, status_server)


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_what_is_over_between_two_parts_leaves_no_generator_behind(open_session):
    """One that nobody ends is an error of the event loop's, whenever it is found."""
    ended = []

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self):
            try:
                while True:
                    await anyio.lowlevel.checkpoint()
                    session.clock.now += 1
                    yield b"x"
            finally:
                ended.append(True)

    class Slowly(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            return httpx.Response(200, stream=Slow())

    async def task() -> None:
        with pytest.raises(sp.TotalTimeout):
            await session.client.get(HOME)
        assert ended == [True]

    session = open_session({"transport": Slowly()}, limits=sp.Limits(total=3))
    session.run(task)


def test_503_a_chain_of_repeats_is_left_in_time_and_the_error_tells_it(timed, status_server):
    session = timed(total=1)  # which leaves a busy machine time for the first two
    busy = Answer(503, {"Retry-After": "0"}, b"busy")
    url = status_server.script("/busy", busy, busy, SILENT)
    with late(1) as error:
        session.get(url)
    assert [step.code for step in sp.trace(error())] == [503, 503, "TotalTimeout"]
    assert "statuspolicy sent 3 requests:" in error().__notes__[0]
    well(session, status_server)


def test_the_wait_for_a_connection_of_the_pool_is_left_in_time(timed, status_server):
    session = timed()
    client, url = session.client, status_server.script("/stalled", STALLED)
    unbounded = {"statuspolicy": sp.Overrides(limits=sp.Limits())}
    request = client.build_request("GET", url, extensions=unbounded)
    held = session.run(client.send, request, stream=True)
    with late():
        session.get(status_server.url + "/200")
    session.run(held.close if session.portal is None else held.aclose)
    well(session, status_server)


def test_a_request_may_have_a_limits_total_of_its_own(open_session, status_server):
    session = open_session(dict(ONE), clock=sp.SystemClock())
    url = status_server.script("/silent", SILENT)
    overrides = sp.Overrides(limits=sp.Limits(total=0.05))
    with late(0.05) as error:
        session.get(url, extensions={"statuspolicy": overrides})
    assert "Limits.total=0.05 s" in str(error())
    well(session, status_server)


def test_what_is_in_time_is_whole_and_its_connection_lives_on(timed, status_server):
    session = timed(total=30)
    body = b"x" * 300_000
    status_server.script("/moved", Answer(302, {"Location": "/big"}, b"moved"))
    status_server.script("/big", Answer(200, body=body))
    for _ in range(2):
        response = session.get(status_server.url + "/moved")
        assert response.content == body
        assert response.history[0].text == "moved"
    assert status_server.connections == 1


# ── the deadline ───────────────────────────────────────────────────────────────────────


def test_a_deadline_cuts_no_first_attempt():
    clock = FakeClock()
    story = replay(get(), [later(clock, 1000)], clock=clock, limits=sp.Limits(deadline=0))
    assert story.response.status_code == 200


def test_a_deadline_caps_no_timeout(open_session):
    noted = Noted(503, 200)
    session = open_session(
        {"transport": httpx.MockTransport(noted), "timeout": 5}, limits=sp.Limits(deadline=1)
    )
    session.get(HOME)
    assert [timeout["read"] for timeout in noted.timeouts] == [5, 5]


def test_a_deadline_cuts_no_slow_header_section_and_no_slow_body(open_session):
    session = open_session(limits=sp.Limits(deadline=0.001), clock=sp.SystemClock())
    with dripping(HEAD + b"Content-Length: 3\r\n", b"\r\n", b"x") as (url, _):
        assert session.get(url).text == "xxx"


# ── retry-after-ms ─────────────────────────────────────────────────────────────────────

NOW = 784111717.0  # Sun, 06 Nov 1994 08:48:37 GMT
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"  # a minute later


@each(
    ("milliseconds", "beside", "seconds"),
    [
        # alone
        (["1500"], [], 1.5),
        (["0"], [], 0.0),
        (["7"], [], 0.007),
        (["250", "250"], [], 0.25),
        # the same, more finely
        (["1500"], ["2"], 1.5),
        (["1200"], ["1"], 1.2),
        (["250"], ["1"], 0.25),
        (["0"], ["0"], 0.0),
        (["2000"], ["2"], 2.0),
        (["1001"], ["2"], 1.001),
        (["59500"], [DATE], 59.5),
        # something else: the later one
        (["1000"], ["2"], 2.0),
        (["500"], ["60"], 60.0),
        (["0"], [DATE], 60.0),
        (["90000"], ["60"], 90.0),
        (["61500"], [DATE], 61.5),
        (["9" * 400], ["60"], inf),
        # nothing
        ([], [], None),
        (["1.5"], [], None),
        (["-5"], ["3"], 3.0),
        (["+5"], ["3"], 3.0),
        (["soon"], ["3"], 3.0),
        ([""], ["3"], 3.0),
        (["٣"], ["3"], 3.0),
        (["100, 200"], ["3"], 3.0),
        (["100", "200"], ["3"], 3.0),
        # the other one is unreadable
        (["1500"], ["soon"], 1.5),
        (["1500"], ["3", "5"], 1.5),
        (["soon"], ["soon"], None),
    ],
)
def test_retry_after_ms_says_the_same_more_finely_or_the_later_one_counts(
    milliseconds, beside, seconds
):
    lines = [(b"retry-after-ms", value.encode()) for value in milliseconds]
    lines += [(b"Retry-After", value.encode()) for value in beside]
    assert retry_after(Fields(lines), NOW) == seconds


@each(
    ("answer", "told", "waited"),
    [
        ((429, {"retry-after-ms": "250"}), 0.25, 0.25),
        ((503, {"retry-after": "1", "retry-after-ms": "600"}), 0.6, 0.6),
        ((503, {"retry-after": "2"}), 2.0, 2.0),
        ((503, {"retry-after": "0"}), 0.0, 0.0),
        ((429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "3"}), 3.0, 3.0),
        ((302, {"location": "/b", "retry-after-ms": "100"}), 0.1, 0.1),
        ((408, {}), None, 0.0),
        (httpx.ReadError("gone"), None, None),
    ],
)
def test_retry_after_stands_in_a_step(answer, told, waited):
    story = replay(get(), [answer, 200])
    assert [step.told for step in story.trace] == [told, None]
    if waited is not None:
        assert story.trace[0].wait == waited
        assert story.waits == ([waited] if waited else [])


def test_503_a_step_says_it_where_nobody_waits_so_long_too():
    story = replay(get(), [(503, {"retry-after": "1000"})])
    (step,) = story.trace
    assert (step.told, step.wait, step.verdict) == (1000.0, 0.0, "settle")
