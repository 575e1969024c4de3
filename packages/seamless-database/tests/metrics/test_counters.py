from __future__ import annotations

from seamless_database.metrics.counters import RequestLabels, RequestMetrics


def test_requests_are_told_apart_by_method_type_and_status() -> None:
    requests = RequestMetrics(("GET", "PUT"), ("metadata", "protocol"))
    for method, kind, status in [
        ("PUT", "metadata", 200),
        ("GET", "metadata", 200),
        ("GET", "metadata", 404),
        ("GET", "metadata", 200),
    ]:
        requests.add(method, kind, status, 0.5)
    assert {kind: found.count for kind, found in requests.items()} == {
        RequestLabels("GET", "metadata", 200): 2,
        RequestLabels("GET", "metadata", 404): 1,
        RequestLabels("PUT", "metadata", 200): 1,
    }


def test_words_that_clients_make_up_are_all_one_kind() -> None:
    requests = RequestMetrics(("GET",), ("metadata",))
    for i in range(1000):
        requests.add(f"METHOD{i}", f"type {i}", 400, 0.5)
    assert [(kind, found.count) for kind, found in requests.items()] == [
        (RequestLabels("unknown", "unknown", 400), 1000)
    ]
