"""Cache(collapse=True): those who ask the same wait once, together, and never one after another."""

import threading
from contextlib import suppress

import anyio
import pytest

from statuspolicy.cache.collapsing import CollapsedRequests
from tests.cache.test_clients import at_once
from tests.library import httpx, sp

URL = "http://a.example/x"
STALE = {"Cache-Control": "max-age=0", "ETag": '"a"'}
BOUND = {"Cache-Control": "max-age=0, must-revalidate", "ETag": '"a"'}
ONCE = sp.STANDARD | dict.fromkeys(("5xx", httpx.TransportError), sp.surface)
MANY = 12


class Origin(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """It answers, or fails; counts the requests, and rounds.

    What is with it at one time is of one round: rounds are what a client waits for one after
    another.

    crowd: the first request is answered once so many would ask.
    """

    def __init__(self, headers, would_ask):
        self.headers, self.outcome = headers, None
        self.would_ask, self.crowd = would_ask, 0
        self.asked = self.rounds = self.there = 0
        self.lock = threading.Lock()

    def _comes(self):
        with self.lock:
            self.asked += 1
            self.rounds += self.there == 0
            self.there += 1
            return self.asked == 1

    def _goes(self, request):
        with self.lock:
            self.there -= 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if isinstance(self.outcome, int):
            return httpx.Response(self.outcome)
        if "if-none-match" in request.headers and self.outcome is None:
            return httpx.Response(304, headers=self.headers)
        return httpx.Response(200, headers=self.outcome or self.headers, content=b"body")

    def handle_request(self, request):
        first = self._comes()
        for _ in range(1000):
            threading.Event().wait(0.02)  # so that the others come meanwhile
            if not first or len(self.would_ask) >= self.crowd:
                break
        return self._goes(request)

    async def handle_async_request(self, request):
        first = self._comes()
        for _ in range(1000):
            await anyio.sleep(0.02)
            if not first or len(self.would_ask) >= self.crowd:
                break
        return self._goes(request)


@pytest.fixture
def opened(open_session, monkeypatch):
    would_ask, collapsed_request = [], CollapsedRequests.collapsed_request

    def counted(collapsed_requests, key, timeouts):
        would_ask.append(key)
        return collapsed_request(collapsed_requests, key, timeouts)

    monkeypatch.setattr(CollapsedRequests, "collapsed_request", counted)

    def opened(headers=STALE, crowd=MANY, **wrap):
        origin = Origin(headers, would_ask)
        wrap = {"table": ONCE, "cache": sp.Cache(collapse=True), "clock": sp.SystemClock()} | wrap
        session = open_session({"transport": origin}, **wrap)
        session.get(URL)
        origin.asked = origin.rounds = 0
        origin.crowd = crowd
        would_ask.clear()
        return session, origin

    return opened


def asking(session, got, **options):
    """A call for `at_once` that notes the response or the error that comes."""

    def get():
        try:
            got.append(session.client.get(URL, **options))
        except httpx.TransportError as error:
            got.append(error)

    async def aget():
        try:
            got.append(await session.client.get(URL, **options))
        except httpx.TransportError as error:
            got.append(error)

    return get if session.portal is None else aget


def together(session, count=MANY, **options):
    got = []
    at_once(session, [asking(session, got, **options)] * count)
    assert len(got) == count
    return got


FAILURES = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.ReadTimeout,
    httpx.RemoteProtocolError, httpx.WriteError, httpx.WriteTimeout,
)  # fmt: skip


def test_many_who_wait_for_one_that_fails_have_failed_with_it(opened):
    """n requests behind a dead server take one timeout, not n."""
    for failure in FAILURES:
        session, origin = opened(BOUND)
        origin.outcome = failure("gone")
        got = together(session)
        assert (origin.asked, origin.rounds) == (1, 1), failure
        assert {(type(error), str(error)) for error in got} == {(failure, "gone")}
        assert len({id(error) for error in got}) == MANY, "each has an error of its own"
        assert all(str(error.request.url) == URL for error in got)
        collapsed = ["collapsed" in sp.trace(error)[-1].cache for error in got]
        assert collapsed.count(False) == 1


def test_many_who_wait_for_one_that_fails_stand_in_with_it(opened):
    session, origin = opened()
    origin.outcome = httpx.ReadTimeout("late")
    got = together(session)
    assert origin.asked == 1
    assert [response.content for response in got] == [b"body"] * MANY


def test_many_repeat_together_what_failed(opened):
    session, origin = opened(BOUND, 4, table=sp.STANDARD, clock=sp.testing.FakeClock())
    origin.outcome = httpx.ReadTimeout("late")
    got = together(session, 4)
    assert {type(error) for error in got} == {httpx.ReadTimeout}
    assert origin.asked <= 12, "four attempts each, some of them together"


def test_who_is_more_patient_than_the_one_that_fails_asks_himself(opened):
    session, origin = opened(BOUND, 6)
    origin.outcome = httpx.ReadTimeout("late")
    got = []
    calls = [asking(session, got, timeout=1)] + [asking(session, got, timeout=60)] * 5
    at_once(session, calls)
    assert len(got) == 6
    assert 1 <= origin.asked <= 6
    assert origin.rounds <= 4


def test_many_who_wait_for_an_answer_that_is_not_stored_go_on_at_once(opened):
    """A server that is busy, or no longer lets it be stored, keeps none waiting for another."""
    for outcome in (503, 500, 404, {"Cache-Control": "no-store"}):
        session, origin = opened(BOUND)
        origin.outcome = outcome
        got = together(session)
        assert 2 <= origin.rounds <= 4, outcome
        assert origin.asked == MANY
        assert len({response.status_code for response in got}) == 1


def test_many_who_wait_for_a_new_answer_get_it_within_two_more(opened):
    session, origin = opened()
    origin.outcome = {"Cache-Control": "max-age=60", "ETag": '"b"'}
    got = together(session)
    assert {response.content for response in got} == {b"body"}
    assert origin.asked <= 3


def test_what_is_no_failure_of_the_server_is_not_shared(opened):
    """The pool of one client, or the total of one exchange."""
    session, origin = opened(BOUND, 4)
    origin.outcome = httpx.PoolTimeout("full")
    got = together(session, 4)
    assert origin.asked == 4
    assert 2 <= origin.rounds <= 3
    assert {type(error) for error in got} == {httpx.PoolTimeout}


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_where_the_one_that_asks_is_cancelled_the_next_asks(opened):
    session, origin = opened(crowd=6)

    async def program():
        got = []
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as first:
                tasks.start_soon(cancelling, first)
                for _ in range(5):
                    tasks.start_soon(following, got)
                await session.client.get(URL)
        return got

    would_ask, origin.crowd = origin.would_ask, 7

    async def cancelling(scope):
        while len(would_ask) < 6:
            await anyio.sleep(0.01)
        scope.cancel()

    async def following(got):
        await anyio.sleep(0.01)
        got.append(await session.client.get(URL))

    got = session.run(program)
    assert [response.content for response in got] == [b"body"] * 5
    assert origin.asked == 2


@pytest.mark.parametrize("kind", ["sync"])
def test_where_the_one_that_asks_is_interrupted_the_next_asks(opened):
    session, origin = opened()
    ready, failing = threading.Event(), origin.handle_request
    origin.crowd = 0

    def interrupted(request):
        origin.handle_request = failing
        ready.set()
        while len(origin.would_ask) < 5:
            threading.Event().wait(0.01)
        threading.Event().wait(0.02)
        raise KeyboardInterrupt

    origin.handle_request = interrupted
    got = []

    def first():
        with suppress(KeyboardInterrupt):
            session.client.get(URL)

    def following():
        assert ready.wait(10)
        got.append(session.client.get(URL))

    at_once(session, [first] + [following] * 4)
    assert [response.content for response in got] == [b"body"] * 4
    assert origin.asked == 1


def test_who_waits_waits_no_longer_than_his_own_timeouts(opened):
    session, origin = opened(crowd=0)
    got = []
    patient = httpx.Timeout(None)
    hangs = threading.Event() if session.portal is None else session.run(anyio.Event)
    inner = origin.handle_request, origin.handle_async_request

    def hang(request):
        origin.handle_request = inner[0]
        hangs.wait(10)
        return inner[0](request)

    async def ahang(request):
        origin.handle_async_request = inner[1]
        await hangs.wait()
        return await inner[1](request)

    origin.handle_request, origin.handle_async_request = hang, ahang

    def hurried():
        threading.Event().wait(0.02)
        got.append(session.client.get(URL, timeout=0.01))
        hangs.set()

    async def ahurried():
        await anyio.sleep(0.02)
        got.append(await session.client.get(URL, timeout=0.01))
        hangs.set()

    hurries = hurried if session.portal is None else ahurried
    at_once(session, [asking(session, got, timeout=patient), hurries])
    assert [response.content for response in got] == [b"body"] * 2
    assert "collapsed" not in sp.trace(got[0])[-1].cache


def test_nothing_is_kept_of_those_who_asked(opened):
    session, _ = opened()
    together(session)
    client_cache = session.client._transport.config.cache
    assert client_cache.collapsed_requests.under_way == {}


# ── flights ────────────────────────────────────────────────────────────────────────────


def test_a_request_inside_its_own_validation_does_not_wait_for_itself():
    collapsed_requests = CollapsedRequests()
    first, second = (collapsed_requests.collapsed_request("a", None) for _ in range(2))
    assert first.acquire(1e9)
    assert not second.acquire(1e9)
    assert second.alone
    second.release()
    first.release()
    first.release()
    assert collapsed_requests.collapsed_request("a", None).acquire(0.0)

    async def tasks():
        first, second = (collapsed_requests.collapsed_request("b", None) for _ in range(2))
        assert await first.aacquire(1e9)
        assert not await second.aacquire(1e9)
        assert second.alone
        first.arelease()

    anyio.run(tasks)


def test_who_never_entered_can_leave():
    collapsed_requests = CollapsedRequests()
    collapsed_requests.collapsed_request("a", None).release()
    assert collapsed_requests.under_way == {}


def test_other_event_loops_and_threads_ask_for_themselves():
    collapsed_requests = CollapsedRequests()
    assert collapsed_requests.collapsed_request("a", None).acquire(0.0)

    async def task():
        assert await collapsed_requests.collapsed_request("a", None).aacquire(0.0)

    anyio.run(task)
    anyio.run(task, backend="trio")
