"""memory/memory.py: what exchanges share, and its bounds."""

from threading import Barrier, Thread

import pytest

from statuspolicy import Memory, RetryBudget
from statuspolicy.memory.cooldowns import Cool
from tests.each import each

A, B, C = "https://h.example/a", "https://h.example/b", "https://h.example/c"
TO_B, TO_C = (301, B), (308, C)


# ── moves ──────────────────────────────────────────────────────────────────────────────


def test_nothing_is_known_at_first():
    memory = Memory()
    assert memory.recall(A, now=0.0) is None
    assert not memory.moves


@each(
    ("seconds", "later", "known"),
    [
        (10, 0, True),
        (10, 9.9, True),
        (10, 10, False),
        (10, 11, False),
        (0, 0, False),
        (float("inf"), 1e12, True),
    ],
)
def test_a_move_is_known_until_its_time_is_over(seconds, later, known):
    memory = Memory()
    memory.remember(A, TO_B, seconds, now=100.0)
    assert memory.recall(A, now=100.0 + later) == (TO_B if known else None)
    assert (A in memory.moves) is known  # the fast path looks at what is left


def test_the_last_that_was_remembered_holds():
    memory = Memory()
    memory.remember(A, TO_B, 10, now=0.0)
    memory.remember(A, TO_C, 100, now=0.0)
    assert memory.recall(A, now=50.0) == TO_C


def test_none_forgets_a_move_and_an_unknown_one_without_a_word():
    memory = Memory()
    memory.remember(A, TO_B, 10, now=0.0)
    memory.remember(A, None, 0, now=0.0)
    memory.remember(C, None, 0, now=0.0)
    assert not memory.moves


def test_what_was_used_longest_ago_goes_first():
    memory = Memory(entries=2)
    memory.remember(A, (301, "1"), 10, now=0.0)
    memory.remember(B, (301, "2"), 10, now=0.0)
    assert memory.recall(A, now=0.0) == (301, "1")
    memory.remember(C, (301, "3"), 10, now=0.0)
    assert [memory.recall(url, now=0.0) for url in (A, B, C)] == [(301, "1"), None, (301, "3")]


def test_remembering_anew_is_a_use():
    memory = Memory(entries=2)
    for url in (A, B, A, C):
        memory.remember(url, (301, "x"), 10, now=0.0)
    assert list(memory.moves) == [A, C]


@pytest.mark.parametrize("entries", [1, 3, 100])
def test_a_memory_holds_no_more_moves_and_origins_than_entries(entries):
    memory, budget = Memory(entries=entries), RetryBudget()
    for n in range(250):
        memory.remember(f"https://h.example/{n}", (301, "x"), 10, now=0.0)
        memory.spend(f"https://h{n}.example", budget, now=0.0)
    assert len(memory.moves) == entries
    assert repr(memory) == f"<Memory: {entries} moves, {entries} origins>"


# ── budgets ────────────────────────────────────────────────────────────────────────────


@each(("tokens", "granted"), [(0, 0), (0.5, 0), (1, 1), (1.9, 1), (2, 2), (20, 20)])
def test_a_bucket_gives_as_many_tokens_as_it_holds(tokens, granted):
    memory, budget = Memory(), RetryBudget(tokens=tokens, per_second=0)
    taken = [memory.spend(A, budget, now=0.0) is not None for _ in range(30)]
    assert taken == [True] * granted + [False] * (30 - granted)


def test_each_origin_has_its_own_bucket():
    memory, budget = Memory(), RetryBudget(tokens=1, per_second=0)
    assert memory.spend(A, budget, now=0.0) is not None
    assert memory.spend(A, budget, now=0.0) is None
    assert memory.spend(B, budget, now=0.0) is not None


@each(("later", "granted"), [(0.0, 0), (1.9, 0), (2.0, 1), (3.9, 1), (4.0, 2), (1e9, 3)])
def test_time_brings_tokens_back_and_never_more_than_the_bucket_holds(later, granted):
    memory, budget = Memory(), RetryBudget(tokens=3, per_second=0.5)
    assert [memory.spend(A, budget, now=0.0) is not None for _ in range(4)] == [
        True,
        True,
        True,
        False,
    ]
    taken = [memory.spend(A, budget, now=later) is not None for _ in range(5)]
    assert taken == [True] * granted + [False] * (5 - granted)


def test_asking_in_vain_takes_nothing_and_time_adds_up_over_it():
    memory, budget = Memory(), RetryBudget(tokens=1, per_second=0.5)
    taken = [memory.spend(A, budget, now=n / 2) is not None for n in range(9)]
    assert taken == [True, False, False, False, True, False, False, False, True]


def test_the_bucket_used_longest_ago_goes_first():
    memory, budget = Memory(entries=2), RetryBudget(tokens=1, per_second=0)
    for url in (A, B, A, C):
        memory.spend(url, budget, now=0.0)
    assert memory.spend(A, budget, now=0.0) is None
    assert memory.spend(B, budget, now=0.0) is not None  # forgotten, so it is full again


def test_threads_together_take_no_more_than_there_is():
    memory, budget, start = Memory(), RetryBudget(tokens=50, per_second=0), Barrier(8)
    granted: list[bool] = []

    def work():
        start.wait()
        granted.extend(memory.spend(A, budget, now=0.0) is not None for _ in range(25))

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 50


# ── wrong arguments ────────────────────────────────────────────────────────────────────


@each("entries", [0, -1, True, False, 1.5, "5", None])
def test_a_number_of_entries_that_is_none_is_said_in_a_sentence(entries):
    with pytest.raises(ValueError, match=r"^Memory\(entries=.*\): write a number of entries, 1 or"):
        Memory(entries=entries)


def test_what_is_remembered_of_long_urls_and_origins_takes_little_memory():
    """A server writes them, and there may be a thousand."""
    memory, budget = Memory(), RetryBudget(tokens=1)
    for number in range(2_000):
        url = f"https://{number}{'x' * 20_000}.example"
        memory.remember(url, (301, "https://a.example/"), 60.0, 0.0)
        memory.remember(f"https://{number}/", (301, url), 60.0, 0.0)
        assert memory.notice(url)
        assert not memory.notice(url)
        assert memory.spend(url, budget, 0.0) == 0
        assert memory.spend(url, budget, 0.0) is None
        memory.refund(url, budget)
        assert memory.spend(url, budget, 0.0) == 0
        memory.cool(url, Cool(60.0), 0.0)
        assert memory.approach(url, 0.0) is not None
        assert memory.approach(url[:-1], 0.0) is None
    assert not memory.moves
    for kept in (memory.cooling, memory._noticed, memory._buckets):
        assert len(kept) == 1024
        assert sum(map(len, kept)) < 400_000
