"""memory/cooldowns.py, also through Memory: cooldowns of origins, as tables over time."""

import random
import sys
from threading import Barrier, Thread

import pytest

from statuspolicy import Cool, Memory, RetryBudget
from statuspolicy.memory.cooldowns import Cooldowns

A, B, C = "https://a.example", "https://b.example", "https://c.example"
WELL = "well"  # an answer of another kind
ASK = "ask"  # a request is about to be sent
REST = Cool(10.0)
PROBED = Cool(10.0, probe=True)
THREE = Cool(10.0, after=3, probe=True, refuse=True)


def play(*steps, memory=None, origin=A):
    """What each step brings: (when, a Cool or WELL or ASK). Of a rest: how long it still is."""
    memory = Memory() if memory is None else memory
    brought = []
    for now, what in steps:
        if what is ASK:
            met = memory.approach(origin, now)
            brought.append(None if met is None else pytest.approx(met.least))
        elif what is WELL:
            brought.append(memory.warm(origin, now))
        else:
            brought.append(memory.cool(origin, what, now))
    return brought


@pytest.fixture(autouse=True)
def _seeded():
    state = random.getstate()
    random.seed(7)
    yield
    random.setstate(state)


# ── a rest: who begins it, and when it ends ────────────────────────────────────────────


def test_in_ordinary_times_nothing_is_kept_and_nobody_waits():
    memory = Memory()
    assert play((0.0, ASK), (1.0, WELL), (2.0, ASK), memory=memory) == [None] * 3
    assert not memory.cooling
    assert repr(memory) == "<Memory: 0 moves, 0 origins>"


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (100.0, 10.0),
        (100.5, 9.5),
        (109.9, 0.1),
        (109.99, 0.01),
        (109.9995, None),
        (110.0, None),
        (500.0, None),
    ],
)
def test_a_rest_ends_to_the_second(asked, left):
    """A thousandth before its end is its end: rounding sends nobody back to wait."""
    assert play((100.0, REST), (asked, ASK)) == [True, left]


@pytest.mark.parametrize(
    ("at", "begins"), [(0.0, False), (5.0, False), (9.9, False), (9.9995, True), (10.0, True)]
)
def test_a_rest_begins_once_and_anew_when_it_is_over(at, begins):
    assert play((0.0, REST), (at, REST)) == [True, begins]


@pytest.mark.parametrize(
    ("second", "left"),
    [
        ((2.0, Cool(20.0)), 20.0),
        ((2.0, Cool(8.5)), 8.5),
        ((2.0, Cool(8.0)), 8.0),
        ((2.0, Cool(1.0)), 8.0),
        ((2.0, Cool(0.0)), 8.0),
    ],
)
def test_a_rest_is_extended_and_never_shortened(second, left):
    assert play((0.0, REST), second, (2.0, ASK)) == [True, False, left]


def test_an_answer_of_another_kind_does_not_end_a_rest_that_was_asked_for():
    assert play((0.0, REST), (1.0, WELL), (1.0, ASK)) == [True, None, 9.0]


@pytest.mark.parametrize("refuse", [True, False])
def test_what_a_rest_says_is_what_whoever_began_it_said(refuse):
    memory = Memory()
    memory.cool(A, Cool(10.0, refuse=refuse), 0.0)
    met = memory.approach(A, 1.0)
    assert met is not None
    assert met.refuse is refuse


def test_other_origins_are_left_as_they_are():
    memory = Memory()
    play((0.0, REST), memory=memory, origin=A)
    assert play((1.0, ASK), (2.0, Cool(50.0)), (3.0, WELL), memory=memory, origin=B) == [
        None,
        True,
        None,
    ]
    assert play((4.0, ASK), memory=memory, origin=A) == [6.0]
    assert play((4.0, ASK), memory=memory, origin=B) == [48.0]


# ── jitter ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "most"), [(0.5, 0.25), (4.0, 2.0), (10.0, 5.0), (120.0, 30.0)])
def test_who_is_held_back_waits_at_least_the_rest_and_comes_spread_out(seconds, most):
    """Over half of the rest, and never over more than 30 s."""
    memory = Memory()
    memory.cool(A, Cool(seconds), 0.0)
    met = [memory.approach(A, seconds / 4) for _ in range(500)]
    assert {round(one.least, 6) for one in met} == {seconds * 3 / 4}
    spread = sorted(one.seconds - one.least for one in met)
    assert 0.0 <= spread[0] < most * 0.05
    assert most * 0.95 < spread[-1] <= most
    assert most * 0.4 < spread[250] < most * 0.6  # evenly


# ── it empties itself ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", [ASK, WELL])
def test_what_is_over_is_dropped_by_the_next_that_looks(by):
    memory = Memory()
    play((0.0, REST), (9.9, by), memory=memory)
    assert memory.cooling
    play((10.0, by), memory=memory)
    assert not memory.cooling
    assert repr(memory) == "<Memory: 0 moves, 0 origins>"


def test_what_is_over_is_dropped_by_whoever_looks_at_another_origin():
    memory = Memory()
    play((0.0, REST), memory=memory, origin=A)
    play((10.0, ASK), memory=memory, origin=B)
    assert not memory.cooling


def test_what_is_over_is_dropped_when_another_origin_begins_to_rest():
    memory = Memory()
    play((0.0, REST), memory=memory, origin=A)
    play((10.0, REST), memory=memory, origin=B)
    assert list(memory.cooling) == [B]


@pytest.mark.parametrize("entries", [1, 3, 100])
def test_a_memory_holds_no_more_origins_than_entries(entries):
    memory = Memory(entries=entries)
    for n in range(250):
        memory.cool(f"https://h{n}.example", REST, 0.0)
        assert len(memory.cooling) <= entries
    assert repr(memory) == f"<Memory: 0 moves, {entries} origins>"
    assert memory.approach("https://h249.example", 0.0) is not None
    assert memory.approach("https://h0.example", 0.0) is None


def test_an_origin_with_a_budget_and_a_rest_is_one_origin():
    memory = Memory()
    memory.spend(A, RetryBudget(), 0.0)
    memory.cool(A, REST, 0.0)
    memory.cool(B, REST, 0.0)
    assert repr(memory) == "<Memory: 0 moves, 2 origins>"


# ── half-open ──────────────────────────────────────────────────────────────────────────


def test_after_a_rest_that_is_probed_one_request_goes_and_the_others_look_again():
    steps = [(0.0, PROBED), (9.0, ASK), (10.0, ASK), (10.0, ASK), (10.5, ASK), (12.0, ASK)]
    assert play(*steps) == [True, 1.0, None, 1.0, 1.0, 1.0]


def test_who_looks_again_is_told_to_the_second_and_without_jitter():
    memory = Memory()
    play((0.0, PROBED), (10.0, ASK), memory=memory)
    met = memory.approach(A, 10.0)
    assert (met.seconds, met.least) == (1.0, 1.0)


def test_a_rest_without_a_probe_lets_everybody_through_when_it_is_over():
    assert play((0.0, REST), (10.0, ASK), (10.0, ASK)) == [True, None, None]
    assert play((0.0, REST), (9.9995, ASK), (9.9995, ASK)) == [True, None, None]


@pytest.mark.parametrize(
    ("asked", "left"),
    [(39.0, 1.0), (39.5, 0.5), (39.9, 0.1), (39.9995, None), (40.0, None), (45.0, None)],
)
def test_a_probe_of_which_nothing_is_heard_holds_the_others_for_30_seconds(asked, left):
    assert play((0.0, PROBED), (10.0, ASK), (asked, ASK)) == [True, None, left]


def test_the_next_probe_has_a_lease_of_its_own():
    steps = [(0.0, PROBED), (10.0, ASK), (40.0, ASK), (40.0, ASK), (69.5, ASK), (70.0, ASK)]
    assert play(*steps) == [True, None, None, 1.0, 0.5, None]


def test_a_probe_that_is_answered_well_ends_it_and_all_may_go():
    memory = Memory()
    steps = [(0.0, PROBED), (10.0, ASK), (11.0, WELL), (11.0, ASK), (11.0, ASK)]
    assert play(*steps, memory=memory) == [True, None, None, None, None]
    assert not memory.cooling


def test_a_probe_that_fails_renews_the_rest():
    steps = [(0.0, PROBED), (10.0, ASK), (12.0, PROBED), (12.0, ASK), (21.5, ASK), (22.0, ASK)]
    assert play(*steps, (22.0, ASK)) == [True, None, True, 10.0, 0.5, None, 1.0]


def test_half_open_is_forgotten_when_nobody_has_come_for_a_lease_and_a_rest():
    """10 s of rest, then 40 s of silence: after that nobody probes, all just go."""
    memory = Memory()
    assert play((0.0, PROBED), (49.0, ASK), (49.0, ASK), memory=memory) == [True, None, 1.0]
    memory = Memory()
    assert play((0.0, PROBED), (50.0, ASK), (50.0, ASK), memory=memory) == [True, None, None]
    assert not memory.cooling


# ── strikes ────────────────────────────────────────────────────────────────────────────


def test_so_many_failures_in_a_row_start_a_cooldown_and_fewer_do_not():
    steps = [(0.0, THREE), (1.0, THREE), (1.0, ASK), (2.0, THREE), (2.0, ASK), (12.0, ASK)]
    assert play(*steps) == [False, False, None, True, 10.0, None]


def test_any_other_answer_begins_the_count_anew():
    memory = Memory()
    steps = [(0.0, THREE), (1.0, THREE), (2.0, WELL), (3.0, THREE), (4.0, THREE), (5.0, THREE)]
    assert play(*steps, memory=memory) == [False, False, None, False, False, True]


def test_a_response_of_another_row_resets_the_count_of_failures():
    memory = Memory()
    play((0.0, THREE), memory=memory)
    assert memory.cooling
    play((1.0, WELL), memory=memory)
    assert not memory.cooling


@pytest.mark.parametrize(("third", "begins"), [(10.9, True), (11.0, False), (12.0, False)])
def test_strikes_are_forgotten_after_as_long_as_the_rest_would_be(third, begins):
    assert play((0.0, THREE), (1.0, THREE), (third, THREE)) == [False, False, begins]


def test_strikes_are_forgotten_by_who_asks_too():
    memory = Memory()
    play((0.0, THREE), (1.0, THREE), (11.0, ASK), memory=memory)
    assert not memory.cooling


def test_after_a_rest_one_more_is_enough_to_begin_it_again():
    steps = [(0.0, THREE), (0.0, THREE), (0.0, THREE), (10.0, ASK), (10.5, THREE), (10.5, ASK)]
    assert play(*steps) == [False, False, True, None, True, 10.0]


def test_a_probe_that_fails_renews_it_whatever_stragglers_brought_meanwhile():
    steps = [(0.0, THREE)] * 3 + [(1.0, WELL), (10.0, ASK), (10.5, THREE), (10.5, ASK)]
    assert play(*steps) == [False, False, True, None, None, True, 10.0]


def test_a_straggler_that_is_answered_well_lets_the_rest_hold_and_its_probe_decide():
    steps = [(0.0, THREE)] * 3 + [(1.0, WELL), (1.0, ASK), (10.0, ASK), (10.0, ASK)]
    assert play(*steps) == [False, False, True, None, 9.0, None, 1.0]


# ── budgets ────────────────────────────────────────────────────────────────────────────


def test_spending_says_what_is_left():
    memory, budget = Memory(), RetryBudget(tokens=2.5, per_second=0)
    assert [memory.spend(A, budget, 0.0) for _ in range(3)] == [1.5, 0.5, None]


def test_what_is_given_back_can_be_spent_again():
    memory, budget = Memory(), RetryBudget(tokens=1, per_second=0)
    assert memory.spend(A, budget, 0.0) == 0.0
    memory.refund(A, budget)
    assert memory.spend(A, budget, 0.0) == 0.0
    assert memory.spend(A, budget, 0.0) is None


def test_giving_back_fills_the_bucket_and_no_more():
    memory, budget = Memory(), RetryBudget(tokens=2, per_second=0)
    memory.spend(A, budget, 0.0)
    for _ in range(9):
        memory.refund(A, budget)
    assert [memory.spend(A, budget, 0.0) for _ in range(3)] == [1.0, 0.0, None]


def test_giving_back_takes_nothing_from_what_time_brings():
    memory, budget = Memory(), RetryBudget(tokens=10, per_second=1)
    for _ in range(10):
        memory.spend(A, budget, 100.0)
    memory.refund(A, budget)
    assert memory.spend(A, budget, 102.0) == 2.0  # 0 + 1 given back + 2 of time - 1


def test_what_is_given_back_to_an_origin_that_was_forgotten_makes_no_entry():
    memory, budget = Memory(entries=1), RetryBudget(tokens=5, per_second=0)
    memory.spend(A, budget, 0.0)
    memory.spend(B, budget, 0.0)
    memory.refund(A, budget)
    assert repr(memory) == "<Memory: 0 moves, 1 origins>"
    assert memory.spend(B, budget, 0.0) == 3.0


# ── threads ────────────────────────────────────────────────────────────────────────────


def together(work, threads=8):
    """Run it in so many threads at once; what each returned."""
    start, brought = Barrier(threads), []

    def run():
        start.wait()
        brought.append(work())

    running = [Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(brought) == threads
    return brought


class Watched(Cooldowns):
    """Notes each look at it that is not under its memory's lock."""

    def __init__(self, memory):
        super().__init__()
        self.memory = memory
        self.unlocked = []

    def _look(self, name):
        if not self.memory._lock.locked():
            self.unlocked.append(name)

    def get(self, *arguments):
        self._look("get")
        return super().get(*arguments)

    def setdefault(self, *arguments):
        self._look("setdefault")
        return super().setdefault(*arguments)

    def items(self):
        self._look("items")
        return super().items()

    def __delitem__(self, key):
        self._look("del")
        super().__delitem__(key)

    def popitem(self, last=True):
        self._look("popitem")
        return super().popitem(last=last)


def test_nobody_looks_at_what_rests_but_under_the_lock():
    memory = Memory(entries=1)
    memory.cooling = watched = Watched(memory)
    memory.cool(A, PROBED, 0.0)
    memory.cool(B, PROBED, 0.0)
    memory.approach(B, 10.0)
    memory.warm(B, 10.0)
    assert watched.unlocked == []
    watched.get(A)
    assert watched.unlocked == ["get"]  # it would have been noticed


@pytest.fixture
def contended():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_of_many_threads_one_begins_the_rest(contended):
    for _ in range(50):
        memory = Memory()
        assert sorted(together(lambda m=memory: m.cool(A, REST, 5.0))) == [False] * 7 + [True]


def test_of_many_threads_one_is_the_probe(contended):
    for _ in range(50):
        memory = Memory()
        memory.cool(A, PROBED, 5.0)
        met = together(lambda m=memory: m.approach(A, 15.0))
        assert met.count(None) == 1


def test_threads_that_cool_ask_and_warm_break_nothing(contended):
    """Entries come and go while all are looked through."""
    memory = Memory(entries=5)

    def work():
        for n in range(300):
            origin = f"https://h{n % 9}.example"
            memory.cool(origin, Cool(0.5, after=1 + n % 2, probe=n % 3 == 0), n / 10)
            memory.approach(origin, n / 10 + 0.6)
            memory.warm(origin, n / 10 + 0.7)

    together(work)
    assert len(memory.cooling) <= 5


def test_giving_back_is_under_the_lock_too():
    memory, seen = Memory(), []

    class Budget:
        @property
        def tokens(self):
            seen.append(memory._lock.locked())
            return 5.0

        per_second = 0.0

    memory.spend(A, Budget(), 0.0)
    memory.refund(A, Budget())
    assert len(seen) >= 3
    assert all(seen)


def test_what_was_cooled_last_is_kept_longest():
    memory = Memory(entries=2)
    for origin in (A, B, A, C):
        memory.cool(origin, Cool(10.0), 0.0)
    assert list(memory.cooling) == [A, C]


@pytest.mark.parametrize("cool", [Cool(-1.0), Cool(float("nan")), Cool(1.0, told=-1.0, probe=True)])
def test_seconds_that_are_none_are_refused(cool):
    with pytest.raises(ValueError, match="a number of seconds, 0 or more"):
        Memory().cool(A, cool, 0.0)


def test_after_a_rest_that_is_not_probed_the_way_is_free_to_all():
    memory, cool = Memory(), Cool(10.0, after=2)
    for _ in range(2):
        memory.cool(A, cool, 0.0)
    assert memory.approach(A, 9.0).least == 1.0
    assert [memory.approach(A, 10.0 - 0.0005) for _ in range(2)] == [None, None]


def test_a_half_open_origin_at_the_beginning_of_time_is_one():
    memory = Memory()
    memory.cool(A, Cool(0.0, probe=True), 0.0)
    assert memory.approach(A, 0.0) is None
    assert memory.approach(A, 0.0) is not None


def test_of_many_origins_those_that_are_over_are_let_go_of_within_a_second():
    """Meanwhile they are as good as gone: neither their rest nor their strikes count."""
    memory = Memory()
    for n in range(100):
        memory.cool(f"https://{n}.example", Cool(10.0), 0.0)
    memory.cool(A, Cool(0.2, after=2), 0.0)
    assert memory.approach("https://7.example", 0.5) is not None  # nobody was looked through
    assert len(memory.cooling) == 101
    assert not memory.cool(A, Cool(0.2, after=2), 0.5)
    assert memory.approach("https://7.example", 10.0) is None
    assert len(memory.cooling) == 0
