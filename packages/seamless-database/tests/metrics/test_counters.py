from __future__ import annotations

import json
from functools import reduce

from seamless_database.metrics.counters import MetricsSnapshot, RequestLabels, RequestMetrics
from seamless_database.storage.histograms import CommitMetrics

GET, PUT = RequestLabels("GET", "transformation", 200), RequestLabels("PUT", "transformation", 200)


def counted(*requests: RequestLabels, writes: int = 0) -> MetricsSnapshot:
    """A snapshot with some requests, each of half a second, and some commits."""
    metrics, commits = RequestMetrics(["GET", "PUT"], ["transformation"]), CommitMetrics()
    for labels in requests:
        metrics.add(labels.method, labels.type, labels.status, 0.5)
    for _ in range(writes):
        commits.add(3, 0.25)
    return MetricsSnapshot(dict(metrics.items()), commits if writes else None, len(requests))


def test_requests_are_counted_by_method_type_and_status() -> None:
    requests = RequestMetrics(("GET", "PUT"), ("metadata", "protocol"))
    for method, kind, status in [
        ("PUT", "metadata", 200),
        ("GET", "metadata", 200),
        ("GET", "metadata", 404),
        ("GET", "metadata", 200),
    ]:
        requests.add(method, kind, status, 0.5)
    assert {labels: found.count for labels, found in requests.items()} == {
        RequestLabels("GET", "metadata", 200): 2,
        RequestLabels("GET", "metadata", 404): 1,
        RequestLabels("PUT", "metadata", 200): 1,
    }


def test_unknown_methods_and_types_share_one_histogram() -> None:
    requests = RequestMetrics(("GET",), ("metadata",))
    for i in range(1000):
        requests.add(f"METHOD{i}", f"type {i}", 400, 0.5)
    assert [(labels, found.count) for labels, found in requests.items()] == [
        (RequestLabels("unknown", "unknown", 400), 1000)
    ]


def test_a_snapshot_survives_its_json_form() -> None:
    for snapshot in (MetricsSnapshot(), counted(GET, PUT, GET, writes=2)):
        assert MetricsSnapshot.from_json(json.loads(json.dumps(snapshot.to_json()))) == snapshot


def test_merging_adds_up_snapshots() -> None:
    parts = [counted(GET), counted(GET, PUT, writes=1), counted(PUT, writes=2)]
    assert reduce(MetricsSnapshot.merge, parts) == counted(GET, PUT, GET, PUT, writes=3)


def test_merging_leaves_the_parts_unchanged() -> None:
    part = counted(GET, writes=1)
    assert part.merge(part) != part
    assert part == counted(GET, writes=1)


def test_merging_readers_has_no_commits() -> None:
    assert MetricsSnapshot().merge(MetricsSnapshot()) == MetricsSnapshot()
