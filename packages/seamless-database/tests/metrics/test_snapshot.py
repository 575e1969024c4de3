from __future__ import annotations

import json

from seamless_database.metrics.counters import RequestLabels, RequestMetrics
from seamless_database.metrics.snapshot import MetricsSnapshot, merge_all
from seamless_database.storage.commit_metrics import CommitMetrics

GET, PUT = RequestLabels("GET", "transformation", 200), RequestLabels("PUT", "transformation", 200)


def counted(*kinds: RequestLabels, writes: int = 0) -> MetricsSnapshot:
    """What has been counted: one request of each kind that took half a second."""
    requests, commits = RequestMetrics(["GET", "PUT"], ["transformation"]), CommitMetrics()
    for kind in kinds:
        requests.add(kind.method, kind.type, kind.status, 0.5)
    for _ in range(writes):
        commits.add(3, 0.25)
    return MetricsSnapshot(dict(requests.items()), commits if writes else None, len(kinds))


def test_figures_come_back_from_the_board_as_they_were() -> None:
    for figures in (MetricsSnapshot(), counted(GET, PUT, GET, writes=2)):
        assert MetricsSnapshot.from_json(json.loads(json.dumps(figures.to_json()))) == figures


def test_the_figures_of_several_are_added_up() -> None:
    whole = merge_all([counted(GET), counted(GET, PUT, writes=1), counted(PUT, writes=2)])
    assert whole == counted(GET, PUT, GET, PUT, writes=3)


def test_adding_up_leaves_the_parts_alone() -> None:
    part = counted(GET, writes=1)
    merge_all([part, part])
    assert part == counted(GET, writes=1)


def test_nobody_has_counted_nothing() -> None:
    assert merge_all([]) == MetricsSnapshot()
    assert merge_all([MetricsSnapshot()]).commits is None
