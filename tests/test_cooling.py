"""docs/rules.md#cooldown, 421 by STRICT, breakers and budgets: what an exchange leaves behind."""

import random
from importlib import import_module
from threading import Event, Thread

import anyio
import pytest

from statuspolicy import events
from statuspolicy.engine.effects import Reply
from statuspolicy.testing import FakeClock, replay
from tests.exchanges import exchange
from tests.library import httpx, sp

HOME, OTHER = "https://home.example", "https://other.example"
COOLDOWN = import_module("statuspolicy.memory.cooldowns")  # one for both libraries
TOLD = {"retry-after": "10"}
ONCE = sp.Limits(attempts=1)


class World:
    """A client's memory and clock, which its exchanges share."""

    def __init__(self, **options):
        self.memory, self.clock, self.options = sp.Memory(), FakeClock(), options

    def play(self, *script, to=HOME, method="GET", headers=None, **options):
        request = httpx.Request(method, f"{to}/a", headers=headers)
        shared = {"memory": self.memory, "clock": self.clock}
        return replay(request, script, **shared, **(self.options | options))

    def cool(self, seconds=10.0, origin=HOME, **how):
        return self.memory.cool(origin, sp.Cool(seconds, **how), self.clock.monotonic())

    def rest(self, origin=HOME):
        """Seconds for which an origin rests; 0 where it doesn't."""
        met = self.memory.approach(origin, self.clock.monotonic())
        return 0.0 if met is None else met.least


@pytest.fixture
def world():
    return World()


@pytest.fixture(autouse=True)
def _seeded():
    state = random.getstate()
    random.seed(7)
    yield
    random.setstate(state)


@pytest.fixture
def prompt(monkeypatch):
    """Without jitter: who is held back comes at the first moment."""
    monkeypatch.setattr(COOLDOWN, "uniform", lambda low, high: low)


@pytest.fixture
def tardy(monkeypatch):
    """With all the jitter that there can be."""
    monkeypatch.setattr(COOLDOWN, "uniform", lambda low, high: high)


def codes(story):
    return [step.code for step in story.trace]


# ── what cools an origin ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "told",
    [
        TOLD,
        {"retry-after": "Sun, 09 Sep 2001 01:46:50 GMT"},
        {"ratelimit": '"a";r=0;t=10'},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000000010"},
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_429_and_503_that_told_cool_their_origin(status, told, method, world):
    world.play((status, told), method=method, limits=ONCE)
    assert world.rest() == pytest.approx(10.0)
    assert world.rest(OTHER) == 0


@pytest.mark.parametrize("status", [408, 413, 421, 425, 500, 502, 504, 509])
def test_408_413_421_425_500_502_cool_no_origin_told_or_not(status, world):
    world.play((status, TOLD), limits=ONCE)
    assert not world.memory.cooling


@pytest.mark.parametrize("told", [{}, {"retry-after": "0"}, {"retry-after": "soon"}])
@pytest.mark.parametrize("status", [429, 503])
def test_429_503_what_names_no_time_cools_nothing(status, told, world):
    world.play((status, told), limits=ONCE)
    assert not world.memory.cooling


@pytest.mark.parametrize(("retry_after", "rest"), [(10.0, 10.0), (9.9, 0.0), (0.0, 0.0)])
def test_503_a_wait_above_the_limit_is_handed_over_and_cools_nothing(retry_after, rest, world):
    story = world.play((503, TOLD), limits=sp.Limits(attempts=1, retry_after=retry_after))
    assert (story.response.status_code, world.rest()) == (503, rest)
    assert story.trace[0].told == 10.0


def test_429_503_where_nothing_repeats_the_code_nothing_cools(world):
    world.play((429, TOLD), table=sp.STRICT)
    world.play((503, TOLD), table=sp.STANDARD | {503: sp.surface})
    assert not world.memory.cooling


def test_503_an_answer_that_is_handed_over_cools_its_origin_too(world):
    """A POST that its row doesn't repeat was told all the same."""
    table = sp.STANDARD | {503: sp.retry(unsafe=False)}
    story = world.play((503, TOLD), method="POST", table=table)
    assert (len(story.sent), world.rest()) == (1, 10.0)


def test_302_503_an_answer_on_the_way_cools_the_origin_that_gave_it(world):
    world.play((302, {"location": f"{OTHER}/b"}), (503, TOLD), limits=ONCE)
    assert (world.rest(HOME), world.rest(OTHER)) == (0.0, 10.0)


# ── the next request ───────────────────────────────────────────────────────────────────


def test_503_the_next_request_to_a_cooling_origin_waits_before_its_first_send(world):
    world.play((503, TOLD), limits=ONCE)
    world.clock.now += 4
    story = world.play(200)
    (wait,) = story.waits
    assert 6.0 <= wait <= 11.0
    assert story.response.status_code == 200
    held, settled = story.trace
    assert (held.code, held.verdict, held.wait) == ("cooling", "wait", wait)
    assert held.reason == f"{HOME} is cooling down"
    assert (held.method, held.url) == ("GET", f"{HOME}/a")
    assert (settled.code, settled.verdict) == (200, "settle")


def test_a_wait_before_the_first_send_is_no_request_but_time(world):
    world.cool()
    story = world.play(502, 200)
    assert codes(story) == ["cooling", 502, 200]
    assert (len(story.sent), story.trace.requests) == (2, 2)
    assert story.trace.waited == pytest.approx(sum(story.waits))
    assert story.trace.waited >= 10.0
    assert f"wait after {story.waits[0]:.3g} s" in str(story.trace)


def test_waiting_is_no_attempt(world):
    world.cool()
    story = world.play(502, 502, 502, 502)
    assert len(story.sent) == sp.Limits().attempts


def test_a_request_to_another_origin_is_sent_at_once(world):
    world.cool()
    assert world.play(200, to=OTHER).waits == []


def test_when_the_rest_is_over_the_next_is_sent_at_once(world):
    world.cool()
    world.clock.now += 10
    story = world.play(200)
    assert (story.waits, codes(story)) == ([], [200])
    assert not world.memory.cooling


@pytest.mark.parametrize(
    "limits",
    [
        {"retry_after": 10.0},
        {"deadline": 10.0},
        {"total": 10.1},
        {"retry_after": 10.0, "deadline": 10.0, "total": 10.1},
    ],
)
def test_it_waits_where_its_limits_allow(limits, world, prompt):
    world.cool()
    story = world.play(200, limits=sp.Limits(**limits))
    assert (story.waits, codes(story)) == ([10.0], ["cooling", 200])


@pytest.mark.parametrize("limits", [{"retry_after": 9.9}, {"deadline": 9.9}, {"total": 9.9}])
def test_503_it_is_sent_at_once_where_its_limits_allow_no_wait_and_its_answer_handed_over(
    limits, world
):
    world.cool()
    story = world.play((503, {"retry-after": "12"}), limits=sp.Limits(**limits))
    assert (story.waits, codes(story)) == ([], [503])
    assert story.response.status_code == 503


@pytest.mark.parametrize(
    ("limits", "wait"),
    [({"deadline": 12.0}, 11.0), ({"total": 12.0}, 11.0), ({"retry_after": 12.0}, 15.0)],
)
def test_jitter_leaves_room_where_all_has_to_be_over(limits, wait, world, tardy):
    """Half of what there is; `retry_after` bounds what was asked for, not what is added."""
    world.cool()
    story = world.play(200, limits=sp.Limits(**limits))
    assert (story.waits, story.response.status_code) == ([wait], 200)


def test_a_rest_that_takes_all_of_the_total_is_not_waited_for(world, prompt):
    world.cool()
    story = world.play(200, limits=sp.Limits(total=10.0))
    assert (story.waits, codes(story)) == ([], [200])


def test_302_503_a_hop_s_rest_ends_before_the_deadline_of_the_whole_exchange(world, prompt):
    """100 s are gone when the other origin is asked, and it rests for 60 s more."""

    def moved(request):
        world.cool(60.0, origin=OTHER)
        return httpx.Response(302, headers={"location": f"{OTHER}/b"})

    assert world.play((503, {"retry-after": "100"}), moved, 200).waits == [100.0]


def test_who_was_held_back_come_spread_out():
    waits = []
    for _ in range(50):
        world = World()
        world.cool()
        waits += world.play(200).waits
    assert len(waits) == 50
    assert 10.0 <= min(waits) < 10.5
    assert 14.5 < max(waits) <= 15.0


class Renewing(FakeClock):
    """While somebody waits, another answer begins a new rest, `times` times."""

    def __init__(self, world, times):
        super().__init__()
        self.world, self.times = world, times

    def sleep(self, seconds):
        super().sleep(seconds)
        if self.times:
            self.times -= 1
            self.world.cool()


def test_a_rest_that_was_renewed_meanwhile_is_waited_for_too(world, prompt):
    world.clock = Renewing(world, 2)
    world.cool()
    story = world.play(200)
    assert (story.waits, codes(story)) == ([10.0] * 3, ["cooling"] * 3 + [200])


def test_all_waits_together_end_before_the_deadline(world, prompt):
    world.clock = Renewing(world, 9)
    world.cool()
    story = world.play(200, limits=sp.Limits(deadline=35.0))
    assert story.waits == [10.0] * 3


def test_the_observer_hears_of_the_wait(world, prompt):
    seen = []
    world.cool()
    world.play(200, observer=seen.append)
    kinds = [type(event) for event in seen[:3]]
    assert kinds == [events.Decision, events.Wait, events.Attempt]
    assert seen[1].seconds == 10.0


# ── who began it, and the others ───────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(5))
def test_429_who_began_the_rest_waits_exactly_what_it_was_told(seed, world):
    random.seed(seed)
    assert world.play((429, TOLD), 200).waits == [10.0]


def test_503_who_began_it_anew_waits_exactly_that_too(world):
    assert world.play((503, TOLD), (503, {"retry-after": "20"}), 200).waits == [10.0, 20.0]


def busy(world, told="10", status=503, rest=10.0):
    """An answer that comes when another one has begun a rest."""

    def answer(request):
        world.cool(rest)
        return httpx.Response(status, headers={"retry-after": told} if told else {})

    return answer


def test_all_others_that_were_told_come_later_and_spread_out():
    waits = [World() for _ in range(50)]
    waits = [world.play(busy(world), 200).waits[0] for world in waits]
    assert 10.0 <= min(waits) < 10.5
    assert 14.5 < max(waits) <= 15.0


@pytest.mark.parametrize(("told", "least"), [("1", 10.0), ("20", 20.0)])
def test_the_longer_of_what_it_was_told_and_the_rest_is_waited_for(told, least, world, prompt):
    assert world.play(busy(world, told), 200).waits == [least]


def test_503_who_began_it_keeps_to_what_it_was_told_though_others_made_it_longer(world):
    world.clock = Renewing(world, 1)
    assert world.play((503, TOLD), 200).waits == [10.0]


def test_what_it_was_told_is_never_cut_to_end_with_the_limits(world, tardy):
    """502 told 11 s, the origin rests for 10 s, and there are 10.5 s: handed over."""
    answer = busy(world, "11", 502)
    story = world.play(answer, limits=sp.Limits(deadline=10.5))
    assert (story.response.status_code, story.waits) == (502, [])


def test_the_others_are_told_why_they_wait_longer(world):
    story = world.play(busy(world), 200)
    assert story.trace[0].reason == f"the server asks to wait; {HOME} is cooling down"
    assert story.trace[0].told == 10.0


BACKOFF = sp.STANDARD | {502: sp.retry(wait=0.25)}


def test_a_repeat_of_another_kind_waits_for_the_rest_too(world, prompt):
    story = world.play(busy(world, None, 502), 200, table=BACKOFF)
    assert story.waits == [10.0]
    assert story.trace[0].reason == f"with backoff; {HOME} is cooling down"


def test_a_backoff_that_is_longer_than_the_rest_stays_as_it_is(world, tardy):
    story = world.play(busy(world, None, 502, 0.1), 200, table=BACKOFF)
    assert story.waits == [0.25]
    assert story.trace[0].reason == "with backoff"


def test_a_failure_at_a_cooling_origin_is_repeated_after_the_rest_too(world, prompt):
    def refused(request):
        world.cool()
        return Reply(httpx.ConnectError("refused"))

    table = sp.STANDARD | {httpx.ConnectError: sp.retry(wait=0.5)}
    assert world.play(refused, 200, table=table).waits == [10.0]


@pytest.mark.parametrize("limits", [{"retry_after": 9.0}, {"deadline": 9.0}, {"total": 9.0}])
def test_a_repeat_that_would_wait_beyond_its_limits_is_not_sent_early_but_handed_over(
    limits, world
):
    story = world.play(busy(world, None, 502), table=BACKOFF, limits=sp.Limits(**limits))
    assert (story.response.status_code, story.waits) == (502, [])


# ── send, raise ────────────────────────────────────────────────────────────────────────


def test_where_so_configured_it_is_sent_at_once(world):
    world.cool()
    story = world.play(200, limits=sp.Limits(cooling="send"))
    assert (story.waits, codes(story)) == ([], [200])
    assert world.rest() == 10.0


def test_where_it_is_sent_at_once_a_repeat_keeps_to_its_own_wait(world):
    limits = sp.Limits(cooling="send")
    assert world.play(busy(world, "3"), 200, limits=limits).waits == [3.0]
    assert World().play(busy(world, None, 502), 200, limits=limits, table=BACKOFF).waits == [0.25]


def test_where_so_configured_it_is_refused_at_once(world):
    world.cool()
    world.clock.now += 4
    story = world.play(limits=sp.Limits(cooling="raise"))
    error = story.error
    assert isinstance(error, sp.CoolingDown)
    assert isinstance(error, httpx.TransportError)
    assert (error.seconds, story.waits, story.sent) == (6.0, [], [])
    assert str(error.request.url) == f"{HOME}/a"
    assert str(error) == f"no request to {HOME} for 6 s more: it asked to wait."
    (step,) = story.trace
    assert (step.code, step.verdict, step.wait) == ("cooling", "refuse", 0.0)
    assert f"{step.reason}." == str(error)
    assert (story.trace.requests, story.trace.waited) == (0, 0.0)


def test_302_a_refusal_on_the_way_carries_what_was_before_it_and_its_own_request(world):
    world.cool(origin=OTHER)
    limits = sp.Limits(cooling="raise")
    story = world.play((302, {"location": f"{OTHER}/b"}), limits=limits)
    assert isinstance(story.error, sp.CoolingDown)
    assert str(story.error.request.url) == f"{OTHER}/b"
    assert codes(story) == [302, "cooling"]
    assert story.trace.requests == 1
    assert story.left_open == 0


@pytest.mark.parametrize("cooling", ["send", "raise"])
def test_503_what_told_is_itself_waited_for_and_repeated_whatever_cooling_says(cooling, world):
    assert world.play((503, TOLD), 200, limits=sp.Limits(cooling=cooling)).waits == [10.0]


# ── every kind of request ──────────────────────────────────────────────────────────────


def test_302_a_hop_to_a_cooling_origin_waits(world, prompt):
    world.cool(origin=OTHER)
    story = world.play((302, {"location": f"{OTHER}/b"}), 200)
    assert (story.waits, codes(story)) == ([10.0], [302, "cooling", 200])
    assert story.trace[1].url == f"{OTHER}/b"
    assert [str(r.url) for r in story.response.history] == [f"{HOME}/a"]
    assert story.open_at_most == 1


def test_302_retry_after_a_hop_s_own_wait_counts_towards_the_rest(world, prompt):
    world.cool(origin=OTHER)
    story = world.play((302, {"location": f"{OTHER}/b", "retry-after": "4"}), 200)
    assert story.waits == [4.0, 6.0]


def test_301_a_remembered_move_to_a_cooling_origin_waits(world, prompt):
    world.memory.remember(f"{HOME}/a", (301, f"{OTHER}/b"), 1e6, world.clock.time())
    world.cool(origin=OTHER)
    story = world.play(200)
    assert (story.waits, codes(story)) == ([10.0], ["remembered", "cooling", 200])
    assert story.trace.requests == 1


def test_301_a_remembered_move_away_from_a_cooling_origin_does_not(world):
    world.memory.remember(f"{HOME}/a", (301, f"{OTHER}/b"), 1e6, world.clock.time())
    world.cool(origin=HOME)
    assert world.play(200).waits == []


@pytest.mark.parametrize("cool", [sp.Cool(60), sp.Cool(60, probe=True, refuse=True)])
def test_a_request_that_a_duty_sends_elsewhere_does_not_wait_for_the_origin_that_it_leaves(
    cool, world
):
    """Why else would it go elsewhere."""

    def elsewhere(exchange):
        return sp.Again(httpx.Request("GET", f"{OTHER}/a"))

    def busy(request):
        world.memory.cool(HOME, cool, world.clock.monotonic())  # another request was told so
        return httpx.Response(502)

    story = world.play(busy, 200, table=sp.STANDARD | {502: elsewhere})
    assert (story.waits, codes(story)) == ([], [502, 200])


def aside(exchange):
    request = httpx.Request("GET", f"{OTHER}/token")
    return sp.Aside(request, then=lambda answer: sp.Settle(f"got {answer.status}"))


ASIDE = sp.STANDARD | {401: aside}


def test_401_a_request_on_the_side_to_a_cooling_origin_waits(world, prompt):
    world.cool(origin=OTHER)
    story = world.play(401, 200, table=ASIDE)
    assert (story.waits, codes(story)) == ([10.0], [401, "cooling", 200])
    assert (story.response.status_code, story.trace.reason) == (401, "got 200")


def test_401_a_request_on_the_side_that_is_refused_hands_the_response_over(world):
    world.cool(origin=OTHER)
    body = httpx.Response(401, content=b"why")
    story = world.play(body, table=ASIDE, limits=sp.Limits(cooling="raise"))
    assert (story.response.status_code, story.response.text) == (401, "why")
    assert f"the side request is not sent: no request to {OTHER} for " in story.trace.reason
    assert len(story.sent) == 1


# ── 421 to the letter ──────────────────────────────────────────────────────────────────


@pytest.fixture
def strict():
    return World(table=sp.STRICT)


@pytest.mark.parametrize(("told", "rest"), [({}, 1.0), (TOLD, 10.0), ({"retry-after": "x"}, 1.0)])
def test_strict_421_is_handed_over_and_its_origin_rests(told, rest, strict):
    story = strict.play((421, told))
    assert (story.response.status_code, len(story.sent)) == (421, 1)
    assert story.trace.reason == "too many connections from this address"
    assert strict.rest() == rest


def test_strict_421_above_the_limit_cools_nothing(strict):
    strict.play((421, {"retry-after": "121"}))
    assert not strict.memory.cooling


def test_after_a_421_one_request_goes_at_a_time_until_one_succeeds(strict, prompt):
    strict.play(421)
    others = []

    def meanwhile(request):
        """A second request, while the first is under way: it looks again each second."""
        others.append(strict.play(200, limits=sp.Limits(deadline=3.5)))
        return httpx.Response(200)

    first = strict.play(meanwhile)
    assert first.waits == [1.0]
    assert others[0].waits == [1.0] * 3
    assert strict.play(200).waits == []
    assert not strict.memory.cooling


def test_a_421_to_the_one_that_went_ahead_begins_the_rest_anew(strict, prompt):
    strict.play((421, TOLD))
    assert strict.play((421, TOLD)).waits == [10.0]
    assert strict.rest() == 10.0


# ── breakers ───────────────────────────────────────────────────────────────────────────


def breaking(failures=3, seconds=30.0, duty=sp.surface):
    return World(table=sp.STANDARD | {500: sp.breaker(duty, failures=failures, seconds=seconds)})


def opened(failures=3, **how):
    world = breaking(failures, **how)
    for _ in range(failures):
        assert world.play(500).response.status_code == 500
    return world


def test_after_the_last_of_its_failures_the_origin_is_not_asked():
    world = opened()
    world.clock.now += 12
    story = world.play()
    assert isinstance(story.error, sp.CoolingDown)
    assert (story.error.seconds, story.sent, story.waits) == (18.0, [], [])
    assert world.play(200, to=OTHER).response.status_code == 200


@pytest.mark.parametrize("cooling", ["wait", "send", "raise"])
def test_a_breaker_refuses_whatever_cooling_says(cooling):
    story = opened().play(limits=sp.Limits(cooling=cooling))
    assert isinstance(story.error, sp.CoolingDown)


@pytest.mark.parametrize("other", [200, 302, 404, 501])
def test_an_answer_by_another_row_begins_its_count_anew(other):
    world = breaking()
    for status in (500, 500, other, 500, 500):
        assert world.play(status).response.status_code == status
    assert world.play(500).response.status_code == 500
    assert isinstance(world.play().error, sp.CoolingDown)


def test_then_one_request_probes_it_and_the_others_are_refused_at_once():
    world, others = opened(), []

    def meanwhile(request):
        others.append(world.play())
        return httpx.Response(200)

    world.clock.now += 30
    assert world.play(meanwhile).response.status_code == 200
    assert isinstance(others[0].error, sp.CoolingDown)
    assert others[0].error.seconds == 1.0
    assert world.play(200).response.status_code == 200


def test_a_probe_that_fails_leaves_it_alone_for_as_long_again():
    world = opened()
    world.clock.now += 30
    assert world.play(500).response.status_code == 500
    assert world.play().error.seconds == 30.0


def test_a_breaker_does_what_its_duty_does_until_it_opens():
    """The last failure is not repeated: the origin is left alone from there on."""
    world = breaking(duty=sp.retry(wait=0.5))
    story = world.play(500, 500, 500)
    assert story.waits == [0.5, 0.5]
    assert [step.verdict for step in story.trace] == ["repeat", "repeat", "settle"]
    assert story.trace.reason == f"no request to {HOME} for 30 s"
    error = world.play().error
    assert isinstance(error, sp.CoolingDown)
    assert str(error).endswith("s more: it failed too often.")


def test_failures_without_an_answer_are_counted():
    table = sp.STANDARD | {httpx.ConnectError: sp.breaker(sp.retry(wait=0), failures=3)}
    world = World(table=table)
    failure = httpx.ConnectError("refused")
    story = world.play(failure, failure, failure)
    assert story.error is failure
    assert isinstance(world.play().error, sp.CoolingDown)


def test_a_failure_of_another_kind_neither_counts_nor_begins_the_count_anew():
    world = breaking(failures=2)
    world.play(500)
    world.play(httpx.PoolTimeout("busy"))
    world.play(500)
    assert isinstance(world.play().error, sp.CoolingDown)


def test_an_error_that_its_duty_raises_is_counted():
    def refuse(exchange):
        return sp.Refuse(httpx.RemoteProtocolError("no"))

    world = breaking(failures=2, duty=refuse)
    world.play(500)
    assert isinstance(world.play(500).error, httpx.RemoteProtocolError)
    assert isinstance(world.play().error, sp.CoolingDown)


def test_an_answer_that_its_duty_goes_on_from_is_no_failure():
    world = breaking(failures=1, duty=lambda exchange: sp.Follow("/b"))
    assert world.play(500, 200).response.status_code == 200
    assert not world.memory.cooling


async def _settles(exchange):
    return sp.Settle("awaited")


def test_an_awaitable_duty_is_counted_when_it_has_answered():
    world = breaking(failures=2, duty=_settles)
    assert world.play(500).trace.reason == "awaited"
    assert world.play(500).trace.reason == "awaited"
    assert isinstance(world.play().error, sp.CoolingDown)


def test_a_breaker_around_a_plain_duty_answers_plainly():
    """So that a sync client may have it."""
    verdict = sp.breaker(failures=2, seconds=9)(exchange(500))
    assert verdict == sp.Settle(cool=sp.Cool(9.0, 2, probe=True, refuse=True))


@pytest.mark.parametrize(
    ("breaker", "written"),
    [
        (sp.breaker(), "breaker(surface)"),
        (sp.breaker(sp.retry()), "breaker(retry())"),
        (sp.breaker(sp.retry(attempts=2), failures=9), "breaker(retry(attempts=2))"),
        (sp.breaker(_settles), "breaker(_settles)"),
    ],
)
def test_a_breaker_says_what_it_is_around(breaker, written):
    assert repr(breaker) == written
    assert written in str(sp.STANDARD | {500: breaker})


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        ({"duty": 5}, TypeError, r"breaker\(5\): write a duty"),
        ({"duty": None}, TypeError, r"breaker\(None\): write a duty"),
        ({"duty": sp.retry}, TypeError, r"write a duty, such as breaker\(retry\(\)\)"),
        ({"failures": 0}, ValueError, r"breaker\(failures=0\): write a whole number, 1 or more"),
        ({"failures": 2.5}, ValueError, r"breaker\(failures=2.5\): write a whole number"),
        ({"failures": True}, ValueError, r"breaker\(failures=True\): write a whole number"),
        ({"seconds": 0}, ValueError, r"breaker\(seconds=0\): write a number of seconds above 0"),
        ({"seconds": -1}, ValueError, r"breaker\(seconds=-1\): write a number of seconds"),
        ({"seconds": float("nan")}, ValueError, r"breaker\(seconds=nan\): write a number"),
        ({"seconds": "30"}, ValueError, r"breaker\(seconds='30'\): write a number of seconds"),
    ],
)
def test_an_argument_that_makes_no_sense_is_said_in_a_sentence(given, kind, sentence):
    with pytest.raises(kind, match=sentence):
        sp.breaker(**given)


# ── budgets ────────────────────────────────────────────────────────────────────────────


def thrifty(tokens, **more):
    limits = sp.Limits(retry_budget=sp.RetryBudget(tokens=tokens, per_second=0), **more)
    table = sp.STANDARD | {code: sp.retry(wait=0) for code in (429, 502, 503)}
    return World(limits=limits, table=table | {httpx.ConnectError: sp.retry(wait=0)})


def test_what_is_left_of_the_budget_stands_in_each_repeat_and_is_printed():
    story = thrifty(5).play(502, 502, 200)
    assert [step.budget for step in story.trace] == [4.0, 3.0, None]
    lines = str(story.trace).splitlines()
    assert ["(4 repeats left)" in line for line in lines] == [True, False, False]
    assert "(3 repeats left)" in lines[1]


def test_a_part_of_a_repeat_is_printed_with_three_digits():
    step = thrifty(5.123456).play(502, 200).trace[0]
    assert step.budget == pytest.approx(4.123456)
    assert "(4.12 repeats left)" in str(step)


def test_a_repeat_that_was_asked_for_and_a_client_without_a_budget_say_nothing_of_it():
    assert [s.budget for s in thrifty(5).play((503, TOLD), 200).trace] == [None, None]
    free = World(limits=sp.Limits(retry_budget=None))
    assert [s.budget for s in free.play(502, 200).trace] == [None, None]


@pytest.mark.parametrize("answer", [200, 204, 404, 412])
def test_a_repeat_that_is_answered_well_gives_its_token_back(answer):
    world = thrifty(1)
    for _ in range(5):
        story = world.play(502, answer)
        assert (story.response.status_code, story.trace[0].budget) == (answer, 0.0)


@pytest.mark.parametrize("answer", [500, 501, 502, 429, httpx.ConnectError("refused")])
def test_a_repeat_that_is_not_answered_well_has_spent_its_token(answer):
    world = thrifty(1)
    world.play(502, answer)
    story = world.play(502)
    assert (story.response.status_code, len(story.sent)) == (502, 1)
    assert story.trace.reason == f"the retry budget of {HOME} is spent (Limits.retry_budget)"
    assert story.trace[0].budget is None


def test_a_good_answer_gives_back_what_its_own_repeat_took_and_no_more():
    world = thrifty(3)
    world.play(502, 502, 200)
    assert world.play(502, 200).trace[0].budget == 1.0  # 3 - 2 + 1 - 1


def test_a_first_answer_that_is_good_gives_nothing_back():
    world = thrifty(2)
    world.play(502, 500)
    world.play(200)
    assert world.play(502, 200).trace[0].budget == 0.0


def test_the_token_goes_back_to_the_origin_that_it_came_from():
    world = thrifty(1)
    world.play(502, (302, {"location": f"{OTHER}/b"}), 502, 500)
    assert world.play(502, 200).response.status_code == 200
    assert "is spent" in world.play(502, to=OTHER).trace.reason


def test_a_hop_after_a_repeat_gives_the_token_back_once():
    world = thrifty(3)
    world.play(502, 502, (302, {"location": "/b"}), 200)
    assert world.play(502, 200).trace[0].budget == 1.0


# ── what the server told, in the trace ─────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((503, TOLD), 10.0),
        ((503, {"retry-after": "300"}), 300.0),
        ((429, {"retry-after": "9" * 400}), float("inf")),
        ((503, {"retry-after": "soon"}), None),
        (503, None),
    ],
)
def test_429_503_retry_after_stands_in_the_trace_also_where_it_is_not_waited_for(
    answer, told, world
):
    (step,) = world.play(answer, limits=ONCE).trace[-1:]
    assert step.told == told
    assert step.wait == 0.0


def test_429_503_retry_after_what_the_server_told_stands_in_each_step(world):
    trace = world.play((503, TOLD), (429, {"retry-after": "300"})).trace
    assert [step.told for step in trace] == [10.0, 300.0]


# ── real sockets ───────────────────────────────────────────────────────────────────────


class Meeting(FakeClock):
    """Whoever waits is held until the test lets all of them go."""

    def __init__(self):
        super().__init__()
        self.begun = [Event(), Event()]
        self.go = Event()

    def _begin(self, seconds):
        self.waits.append(seconds)
        self.begun[len(self.waits) - 1].set()
        return self.now + seconds

    def sleep(self, seconds):
        until = self._begin(seconds)
        assert self.go.wait(20)
        self.now = max(self.now, until)

    async def asleep(self, seconds):
        until = self._begin(seconds)
        assert await anyio.to_thread.run_sync(self.go.wait, 20)
        self.now = max(self.now, until)


def test_503_two_that_share_a_client_share_a_rest(open_session, status_server):
    """The second has not seen the 503, and waits before it is sent."""
    clock = Meeting()
    session = open_session(clock=clock)
    brought = {}

    def get(name, path):
        brought[name] = session.get(status_server.url + path)

    first = Thread(target=get, args=("first", "/503?retry-after=10&then=200"))
    second = Thread(target=get, args=("second", "/200"))
    first.start()
    assert clock.begun[0].wait(20)
    second.start()
    assert clock.begun[1].wait(20)
    assert len(status_server.received) == 1
    clock.go.set()
    first.join(20)
    second.join(20)
    assert [response.status_code for response in brought.values()] == [200, 200]
    assert clock.waits[0] == 10.0
    assert 10.0 <= clock.waits[1] <= 15.0
    assert [step.code for step in sp.trace(brought["first"])] == [503, 200]
    assert [step.code for step in sp.trace(brought["second"])] == ["cooling", 200]
    assert len(status_server.received) == 3


def test_a_breaker_keeps_requests_off_a_real_server(open_session, status_server):
    session = open_session(table=sp.STANDARD | {500: sp.breaker(failures=2, seconds=30)})
    for _ in range(2):
        assert session.get(status_server.url + "/500").status_code == 500
    with pytest.raises(sp.CoolingDown) as raised:
        session.get(status_server.url + "/200")
    assert raised.value.seconds == pytest.approx(30.0)
    assert str(raised.value.request.url) == status_server.url + "/200"
    assert len(status_server.received) == 2
    session.clock.now += 30
    assert session.get(status_server.url + "/200").status_code == 200
    assert session.clock.waits == []


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_an_awaitable_duty_is_counted_in_a_real_client(open_session, status_server):
    session = open_session(table=sp.STANDARD | {500: sp.breaker(_settles, failures=1)})
    assert sp.trace(session.get(status_server.url + "/500")).reason == "awaited"
    with pytest.raises(sp.CoolingDown):
        session.get(status_server.url + "/200")


# ── the fast path ──────────────────────────────────────────────────────────────────────


class Same(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers always with the same response."""

    def __init__(self):
        self.response = httpx.Response(200)

    def handle_request(self, request):
        return self.response

    async def handle_async_request(self, request):
        return self.response


def _fast_path(transport, handle):
    """Whether the loop is left out."""
    own, ran = transport._io, []

    def begun(*arguments):
        ran.append(arguments)
        return own(*arguments)

    transport._io = begun
    try:
        assert handle(httpx.Request("GET", f"{HOME}/a")) is transport._inner.response
    finally:
        transport._io = own
    return not ran


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_fast_path_is_back_when_the_rest_is_over(kind):
    """Meanwhile, and once more after it, the loop looks; then nothing stands in the way.

    What another origin asked for, or another URL's move, concerns nobody here.
    """
    memory, clock = sp.Memory(), FakeClock()
    options = {"memory": memory, "clock": clock, "limits": sp.Limits(cooling="send")}
    if kind == "sync":
        transport = sp.PolicyTransport(Same(), **options)
        handle = transport.handle_request
    else:
        transport = sp.AsyncPolicyTransport(Same(), **options)

        def handle(request):
            return anyio.run(transport.handle_async_request, request)

    assert _fast_path(transport, handle)
    memory.cool(OTHER, sp.Cool(10.0), clock.monotonic())
    memory.remember(f"{HOME}/b", (301, f"{HOME}/c"), 60.0, clock.time())
    assert _fast_path(transport, handle)
    memory.remember(f"{HOME}/a", (301, f"{HOME}/a"), 5.0, clock.time())
    assert not _fast_path(transport, handle)
    memory.cool(HOME, sp.Cool(10.0), clock.monotonic())
    clock.now += 5
    assert not _fast_path(transport, handle)
    clock.now += 5
    assert not _fast_path(transport, handle)  # this one finds out that it is over
    assert not memory.cooling
    assert _fast_path(transport, handle)
    assert clock.waits == []


# ── several at once: found by trying to break it ───────────────────────────────────────


class Moving(FakeClock):
    """A clock on which a little time passes between any two looks at it."""

    def monotonic(self):
        self.now += 1e-4
        return super().monotonic()


@pytest.mark.parametrize("limits", [{"deadline": 12.0}, {"total": 12.0}])
def test_a_repeat_whose_jitter_does_not_fit_is_waited_for_all_the_same(limits, world, tardy):
    world.clock = Moving()

    def busy(request):
        world.cool(10.0)
        return httpx.Response(502)

    table = sp.STANDARD | {502: sp.retry(wait=1)}
    story = world.play(busy, 200, table=table, limits=sp.Limits(**limits))
    assert story.response.status_code == 200
    assert story.waits == [pytest.approx(11.0, abs=0.1)]


def test_a_breaker_may_open_for_longer_than_anything_that_is_told():
    world = World(table=sp.STANDARD | {500: sp.breaker(failures=2, seconds=300)})
    world.play(500)
    world.play(500)
    assert isinstance(world.play(200).error, sp.CoolingDown)


def test_a_rest_that_was_asked_for_opens_no_breaker_early():
    world = World(table=sp.STANDARD | {500: sp.breaker(failures=3)})
    world.cool(1.0)
    world.play(500)
    assert world.play(200).response.status_code == 200


def test_what_is_told_meanwhile_leaves_a_breaker_open_and_probed():
    world = World(table=sp.STANDARD | {500: sp.breaker(failures=1, seconds=30)})
    world.play(500)
    world.cool(1.0)  # of an answer that was under way
    assert isinstance(world.play(200).error, sp.CoolingDown)
    world.clock.now += 30
    world.memory.approach(HOME, world.clock.monotonic())  # the probe
    assert isinstance(world.play(200).error, sp.CoolingDown)


def test_503_a_breaker_around_a_retry_lets_an_origin_rest_that_asked_for_it(prompt):
    world = World(table=sp.STANDARD | {503: sp.breaker(sp.retry(), failures=5)})
    story = world.play((503, TOLD), 200)
    assert story.waits == [10.0]
    world.play((503, TOLD), limits=ONCE)
    assert world.play(200).waits == [10.0]


def test_401_503_an_answer_on_the_side_is_about_the_origin_that_gave_it(prompt):
    """Its probe succeeds, so the next request needs none; its failure is not the main one's."""

    def aside(exchange):
        request = httpx.Request("GET", f"{OTHER}/token")
        return sp.Aside(request, lambda answer: sp.Settle(cool=cools.pop()))

    world = World(table=sp.STANDARD | {401: aside})
    cools = [None]
    world.cool(5.0, origin=OTHER, probe=True)
    world.clock.now += 5
    world.play(401, 200)
    assert not world.memory.cooling
    cools = [sp.Cool(9.0)]
    world.play(401, 503)
    assert (world.rest(HOME), world.rest(OTHER)) == (0.0, 9.0)


def test_where_it_is_refused_a_repeat_of_another_kind_is_handed_over(world):
    def busy(request):
        world.cool(10.0)
        return httpx.Response(502)

    story = world.play(busy, limits=sp.Limits(cooling="raise"))
    assert story.response.status_code == 502
    assert story.trace.reason == f"{HOME} is cooling down for 10 s more"


def test_429_retry_after_an_untouched_response_has_what_it_was_told_in_its_trace():
    response = httpx.Response(429, headers={"retry-after": "9"})
    assert sp.trace(response)[0].told == 9.0


def test_a_sync_client_with_an_awaitable_duty_in_a_breaker_leaves_no_coroutine_behind():
    async def duty(exchange):
        raise AssertionError

    table = sp.STANDARD | {500: sp.breaker(duty)}
    transport = httpx.MockTransport(lambda request: httpx.Response(500))
    with sp.wrap(httpx.Client(transport=transport), table=table) as client:
        with pytest.raises(TypeError, match="awaitable"):
            client.get(HOME)
