"""The simulation of full caches runs, and its figures are what it says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.cache_simulation import simulate
from tools.cache_simulation.policies import POLICIES, LeastRecentlyUsed, OurCache, cost_paid
from tools.cache_simulation.traces import FOLDER, Request, Trace, load, save, traces

LENGTH = 3_000
SHORT = dict(traces(LENGTH))
RECORDED = ["demo-editing", "demo-two-rounds"]


@pytest.mark.parametrize("name", sorted(SHORT))
def test_ours_pays_less_than_the_least_recently_used(name: str) -> None:
    paid = simulate.simulate(SHORT[name], ["ours", "LRU"])
    assert paid["ours"] <= paid["LRU"]


@pytest.mark.parametrize("name", sorted(set(SHORT) - set(RECORDED)))
def test_ours_pays_less_than_the_published_order(name: str) -> None:
    paid = simulate.simulate(SHORT[name], ["ours", "published"])
    assert paid["ours"] <= paid["published"]


@pytest.mark.parametrize("name", sorted(SHORT))
def test_nobody_pays_less_than_who_knows_the_future(name: str) -> None:
    trace = SHORT[name]
    least = cost_paid(POLICIES["clairvoyant"](trace), trace)
    for other in ("ours", "LRU", "published"):
        assert cost_paid(POLICIES[other](trace), trace) >= least


def test_the_table_has_a_row_for_each_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main(["--length", "600"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n{name} " in shown for name in SHORT)
    assert all(policy in shown for policy in ("ours", "LRU", "published", "clairvoyant"))


def test_the_traces_are_the_same_each_time() -> None:
    again = dict(traces(LENGTH))
    assert again == SHORT


def test_two_traces_are_recorded_from_real_runs() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.csv")) == RECORDED
    assert all(len(SHORT[name].requests) > 1000 for name in RECORDED)


def test_a_trace_is_read_as_it_was_written(tmp_path: Path) -> None:
    requests = [Request(0.0, 0, 10, 0.5), Request(1.25, 1, 2000, 3.0)]
    save(requests, tmp_path / "trace.csv")
    assert load(tmp_path / "trace.csv") == requests


@pytest.mark.parametrize("policy", [OurCache, LeastRecentlyUsed])
def test_what_fits_is_paid_once(policy: type[OurCache | LeastRecentlyUsed]) -> None:
    requests = [Request(float(turn), turn % 3, 100, 2.0) for turn in range(30)]
    trace = Trace(requests, 1.0)
    assert cost_paid(policy(trace), trace) == 6.0
