"""Histograms of commits: which class a value falls into."""

from __future__ import annotations

from itertools import pairwise

import pytest

from seamless_database.storage.histograms import SECONDS, WRITES, CommitMetrics, Histogram


def test_buckets_of_batches_are_powers_of_two() -> None:
    assert tuple(2.0**number for number in range(11)) == WRITES


def test_each_power_of_ten_has_two_to_four_buckets_of_durations() -> None:
    ratios = [after / before for before, after in pairwise(SECONDS)]
    assert all(ratio == pytest.approx(2.0) or ratio == pytest.approx(2.5) for ratio in ratios)
    assert (SECONDS[0], SECONDS[-1]) == (0.0001, 10.0)


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        (0.0, [1, 0, 0]),
        (1.0, [1, 0, 0]),
        (1.1, [0, 1, 0]),
        (2.0, [0, 1, 0]),
        (2.1, [0, 0, 1]),
    ],
)
def test_a_bound_belongs_to_the_bucket_below_it(value: float, counts: list[int]) -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.add(value)
    assert histogram.counts == counts


def test_a_commit_counts_once_with_its_writes_and_its_seconds() -> None:
    commits = CommitMetrics()
    commits.add(3, 0.25)
    commits.add(5, 0.5)
    assert (commits.writes.count, commits.writes.total) == (2, 8)
    assert (commits.seconds.count, commits.seconds.total) == (2, 0.75)
