"""Waits end where time does not pass: with a clock that stands still, as a frozen one of a test,
and with a sleep that returns at once."""

from importlib import import_module
from threading import Event

import anyio
import pytest

from statuspolicy.testing import FakeClock
from tests.library import httpx, sp
from tests.raw_server import serving

URL = "http://home.example"
CONNECTION = import_module("statuspolicy.wire.stream")  # one for both libraries


class Still(FakeClock):
    """Its time never passes."""

    def sleep(self, seconds):
        self.waits.append(seconds)
        assert len(self.waits) < 500, "it waits for ever"


class Slow(Still):
    """Its time passes, but a sleep returns long before its end."""

    def monotonic(self):
        self.now += 0.000_01
        return super().monotonic()


def origin(*answers):
    """A transport of either kind that gives these answers, then 200."""
    rest = [*answers]
    return httpx.MockTransport(lambda _: rest.pop(0) if rest else httpx.Response(200, text="ok"))


def told(status, seconds="7"):
    return httpx.Response(status, headers={"Retry-After": seconds})


@pytest.fixture(params=[Still, Slow])
def clock(request):
    return request.param()


def test_429_the_next_call_waits_once_for_the_retry_after(open_session, clock):
    limits = sp.Limits(attempts=1)
    session = open_session({"transport": origin(told(429))}, limits=limits, clock=clock)
    assert session.get(URL).status_code == 429
    assert session.get(f"{URL}/other").status_code == 200
    (waited,) = clock.waits
    assert 6.9 < waited < 7 + 3.5 + 1


def test_503_a_retry_after_and_a_backoff_are_waited_for_once_each(open_session, clock):
    answers = told(503), httpx.Response(503), httpx.Response(503)
    session = open_session({"transport": origin(*answers)}, clock=clock)
    assert session.get(URL).status_code == 200
    assert len(clock.waits) <= 6
    assert sum(clock.waits) < 60


def test_503_retries_without_end_end_with_the_deadline(open_session, clock):
    table = sp.STANDARD | {503: sp.retry(attempts=100_000)}
    answers = [told(503, "1") for _ in range(200)]
    session = open_session({"transport": origin(*answers)}, table=table, clock=clock)
    assert session.get(URL).status_code == 503
    assert 100 < sum(clock.waits) <= 150


def test_421_a_half_open_origin_whose_probe_never_ends_is_asked_in_the_end(open_session, clock):
    memory = sp.Memory()
    session = open_session({"transport": origin()}, clock=clock, memory=memory)
    memory.cool(URL, sp.Cool(5.0, probe=True), clock.monotonic())
    memory.approach(URL, clock.monotonic() + 5.0)  # a probe is sent, and never answered
    assert session.get(URL).status_code == 200
    assert 34.9 < sum(clock.waits) < 40


def test_503_a_cooling_origin_is_waited_for_no_longer_than_the_deadline(open_session, clock):
    class Tiring(sp.Memory):
        """Another client is told to wait, again and again."""

        def approach(self, origin, now):
            self.cool(origin, sp.Cool(20.0), now)
            return super().approach(origin, now)

    memory = Tiring()
    session = open_session({"transport": origin()}, clock=clock, memory=memory)
    memory.cool(URL, sp.Cool(20.0), clock.monotonic())
    assert session.get(URL).status_code == 200
    assert 120 < sum(clock.waits) <= 150


def test_202_a_poll_ends_within_its_time(open_session, clock):
    table = sp.STANDARD | {202: sp.poll(interval=30, within=100, times=1000)}
    answers = [httpx.Response(202, headers={"Location": "/status"}) for _ in range(1000)]
    session = open_session({"transport": origin(*answers)}, table=table, clock=clock)
    assert session.get(URL).status_code == 202
    assert 60 < sum(clock.waits) <= 100


# A body that is left is httpx's own generator, of which trio tells when it is collected.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_post_to_a_server_that_reads_nothing_ends_with_the_timeout(backend, monkeypatch):
    monkeypatch.setattr(CONNECTION, "monotonic", lambda: 0.0)

    async def post(url):
        async with sp.wrap(httpx.AsyncClient(timeout=httpx.Timeout(5, write=0.1))) as client:
            with anyio.fail_after(5), pytest.raises(httpx.WriteTimeout):
                await client.post(url, content=b"x" * 30_000_000)

    done = Event()

    def serve(peer):
        peer.head()
        done.wait(20)

    with serving(serve) as server:
        anyio.run(post, server.url, backend=backend)
        done.set()
