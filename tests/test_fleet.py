"""benchmarks/fleet.py: what a fleet does to an origin that is down."""

import sys
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from tests.library import sp

CLIENTS, DOWN = 100, 10.0


@pytest.fixture(scope="module")
def fleet() -> ModuleType:
    """benchmarks/ is no package: its file is loaded from where it stands."""
    path = Path(__file__).parents[1] / "benchmarks" / "fleet.py"
    spec = spec_from_file_location("fleet", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "fleet" not in sys.modules
    return module


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["unavailable", "refused"])
def test_with_the_default_budget_a_fleet_does_not_double_the_load_of_an_outage(fleet, failure):
    result = fleet.simulate(CLIENTS, 60.0, sp.RetryBudget(), 1, getattr(fleet, failure))
    assert 5500 < result.calls < 6500  # one a second and client
    assert 1.0 < result.load < 2.0


def test_without_a_budget_a_fleet_multiplies_an_outage_by_its_attempts(fleet):
    result = fleet.simulate(CLIENTS, DOWN, None, 1)
    assert 3.0 < result.load < sp.Limits().attempts


@pytest.mark.parametrize("tokens", [0, 5])
def test_what_a_budget_lets_through_is_its_tokens_and_no_more(fleet, tokens):
    budget = sp.RetryBudget(tokens=tokens, per_second=0)
    result = fleet.simulate(CLIENTS, DOWN, budget, 1)
    assert result.sent == result.calls + CLIENTS * tokens


@pytest.mark.slow
def test_told_when_to_come_back_a_fleet_all_but_leaves_the_origin_alone_and_loses_nothing(fleet):
    """Each client's first call is told 30 s; the others find out without asking."""
    result = fleet.simulate(CLIENTS, 60.0, sp.RetryBudget(), 1, partial(fleet.unavailable, 30))
    assert 2 * CLIENTS <= result.sent < 3 * CLIENTS
    assert result.load < 0.1
    assert result.lost == 0


@pytest.mark.slow
def test_a_lone_script_loses_nothing_by_the_budget(fleet):
    """Run by run: one that calls again and again through a blip may retry as it likes."""
    seeds = range(40)
    with_it = [fleet.script(2.0, sp.RetryBudget(), seed) for seed in seeds]
    without = [fleet.script(2.0, None, seed) for seed in seeds]
    nothing = [fleet.script(2.0, sp.RetryBudget(tokens=0, per_second=0), seed) for seed in seeds]
    assert with_it == without
    assert sum(with_it) < len(seeds)  # less than a call a blip
    assert min(nothing) > 50  # so many fail where nothing is repeated


def test_a_lone_script_that_is_told_when_to_come_back_loses_no_call(fleet):
    told = partial(fleet.unavailable, 2)
    assert [fleet.script(2.0, sp.RetryBudget(), seed, told) for seed in range(10)] == [0] * 10


def test_the_same_seed_tells_the_same_story(fleet):
    first, again, other = (fleet.simulate(10, 5.0, sp.RetryBudget(), seed) for seed in (1, 1, 2))
    assert first == again != other


def test_fleets_beside_each_other_are_one_fleet(fleet):
    parts = [fleet.simulate(10, 5.0, sp.RetryBudget(), seed) for seed in (1, 2)]
    whole = fleet.together(parts)
    assert whole.clients == 20
    assert whole.sent == sum(part.sent for part in parts)
    assert sum(whole.after.values()) == sum(sum(part.after.values()) for part in parts)


def test_the_table_is_printed(fleet, capsys, monkeypatch):
    """In this process: another one would have to import what httpx2 stands in for."""
    monkeypatch.setattr(fleet, "ProcessPoolExecutor", OneProcess)
    fleet.main(5, 5.0, 2)
    printed = capsys.readouterr().out
    for words in ("default budget", "retry_budget=None", "Retry-After: 30", "lone script"):
        assert words in printed


class OneProcess:
    def __init__(self, initializer):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, call, *arguments):
        from concurrent.futures import Future

        future = Future()
        future.set_result(call(*arguments))
        return future
