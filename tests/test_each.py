"""tests/each.py: its loop says which value failed, and leaves no value out."""

import inspect

import pytest

from tests.each import each, quickly


def test_each_value_is_tried_with_each_of_another_loop_s():
    seen = []

    @each("a", [1, 2])
    @each(("b", "c"), [(3, 4), (5, 6)])
    def test(a, b, c, fixture):
        seen.append((a, b, c, fixture))

    assert [*inspect.signature(test).parameters] == ["fixture"]
    test(fixture=0)
    assert seen == [(1, 3, 4, 0), (1, 5, 6, 0), (2, 3, 4, 0), (2, 5, 6, 0)]


def test_what_fails_says_with_which_values():
    @each("a", [1, 2])
    @each("b, c", [(3, 4), (5, 6)])
    def test(a, b, c):
        assert (a, c) != (2, 6)

    with pytest.raises(AssertionError) as caught:
        test()
    assert caught.value.__notes__ == ["b = 5, c = 6", "a = 2"]


def test_a_loop_over_nothing_or_over_a_name_that_nobody_takes_is_a_mistake():
    with pytest.raises(AssertionError, match="proves nothing"):
        each("a", [])
    with pytest.raises(AssertionError, match="no such argument"):
        each("b", [1])(lambda a: None)


def test_ci_tries_every_value_and_a_quick_run_the_first_ones():
    one, *others = quickly([1, 2, 3], 1)
    assert one == 1
    assert [(*case.values, *(mark.name for mark in case.marks)) for case in others] == [
        (2, "slow"), (3, "slow"),
    ]  # fmt: skip
