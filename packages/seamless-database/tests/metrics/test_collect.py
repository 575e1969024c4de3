from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import Response, Server
from prometheus_client.parser import text_string_to_metric_families

from seamless_database import Database, __version__
from seamless_database.metrics.collect import Metrics
from seamless_database.metrics.counters import MetricsSnapshot, RequestMetrics
from seamless_database.metrics.worker_status import SharedState, StatusSlot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("metrics") / "seamless.db") as server:
        yield server
        assert server.stop() == (0, "")


class Scrape:
    """The metrics of a server, by name and labels."""

    def __init__(self, server: Server) -> None:
        self.response = server.ask("GET", path="/metrics")
        assert self.response.status == 200
        self._samples = [
            sample
            for family in text_string_to_metric_families(self.response.text)
            for sample in family.samples
        ]

    def get(self, name: str, **labels: str) -> float:
        """The one value under that name and those labels, 0 if there is none."""
        found = [s.value for s in self._samples if s.name == name and _within(labels, s.labels)]
        assert len(found) < 2
        return float(found[0]) if found else 0.0

    def requests(self, method: str, kind: str, status: int) -> float:
        name = "seamless_database_requests_total"
        return self.get(name, method=method, type=kind, status=str(status))


def _within(labels: Mapping[str, str], all_labels: Mapping[str, str]) -> bool:
    return labels.items() <= all_labels.items()


def put(server: Server, number: int) -> Response:
    return server.put("transformation", checksum=checksum(number), value=checksum(-number))


def test_the_format_is_that_of_prometheus(server: Server) -> None:
    scrape = Scrape(server)
    assert scrape.response.headers["content-type"].startswith("text/plain; version=")
    assert scrape.get("seamless_database_info", version=__version__, writable="true") == 1


@pytest.mark.parametrize("path", ["/metrics", "/metrics?x=1"])
def test_a_request_with_a_body_is_no_scrape(server: Server, path: str) -> None:
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        body = b'{"type": "protocol"}'
        if headers:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        response = server.ask("GET", body, path=path, headers=headers)
        assert response.json() == ["seamless", "database", "2.1"]
        assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_only_a_get_of_that_path_is_a_scrape(server: Server) -> None:
    for path in ("/metrics/", "/METRICS", "/x/metrics"):
        assert server.ask("GET", path=path).status == 400
    assert server.ask("PUT", path="/metrics").status == 400
    assert server.ask("HEAD", path="/metrics").text == ""


def test_requests_are_counted_by_type_and_outcome(server: Server) -> None:
    before = Scrape(server)
    assert put(server, 1).status == 200
    for number in (1, 1, 99):
        server.get("transformation", checksum=checksum(number))
    server.get("transformation", checksum="wrong")
    server.get("nonsense")
    server.ask("GET", b"{")
    server.ask("DELETE")
    server.ask("GET", path="/healthcheck")
    after = Scrape(server)
    for method, kind, status, more in [
        ("PUT", "transformation", 200, 1),
        ("GET", "transformation", 200, 2),
        ("GET", "transformation", 404, 1),
        ("GET", "transformation", 400, 1),
        ("GET", "unknown", 400, 2),
        ("unknown", "unknown", 405, 1),
        ("GET", "healthcheck", 200, 1),
    ]:
        counted = after.requests(method, kind, status) - before.requests(method, kind, status)
        assert counted == more, (method, kind, status)


def test_a_large_request_is_counted_by_its_type_too(server: Server) -> None:
    before = Scrape(server).requests("PUT", "buffer_info", 200)
    server.put("buffer_info", checksum=checksum(5), value={"x": "x" * 1_000_000})
    assert Scrape(server).requests("PUT", "buffer_info", 200) == before + 1


def test_the_buckets_of_a_duration_add_up(server: Server) -> None:
    put(server, 2)
    scrape = Scrape(server)
    name, labels = "seamless_database_request_seconds", {"method": "PUT", "type": "transformation"}
    assert scrape.get(f"{name}_count", **labels) > 0
    assert scrape.get(f"{name}_bucket", **labels, le="+Inf") == scrape.get(
        f"{name}_count", **labels
    )
    assert scrape.get(f"{name}_sum", **labels) > 0


def test_the_metrics_are_not_counted_themselves(server: Server) -> None:
    first, second = Scrape(server), Scrape(server)
    name = "seamless_database_requests_total"
    lines = [
        [line for line in scrape.response.text.splitlines() if line.startswith(name)]
        for scrape in (first, second)
    ]
    assert lines[0] == lines[1]


def test_commits_are_counted_with_their_size_and_duration(server: Server) -> None:
    before = Scrape(server)
    for number in range(10, 15):
        put(server, number)
    after = Scrape(server)
    for name, more in [
        ("commit_writes_sum", 5),
        ("commit_writes_count", 5),
        ("commit_seconds_count", 5),
    ]:
        full = f"seamless_database_{name}"
        assert after.get(full) - before.get(full) == more
    assert after.get("seamless_database_commit_seconds_sum") > 0
    assert "seamless_database_writes_waiting 0.0\n" in after.response.text


def test_rows_and_file_sizes_are_shown(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db") as server:
        put(server, 1)
        put(server, 2)
        scrape = Scrape(server)
        assert scrape.get("seamless_database_rows", table="transformation") == 2
        for name, file in (("main", "seamless.db"), ("wal", "seamless.db-wal")):
            size = (tmp_path / file).stat().st_size
            assert scrape.get("seamless_database_file_bytes", file=name) == size


def test_process_metrics_are_shown(server: Server) -> None:
    if sys.platform == "linux":
        assert Scrape(server).get("process_resident_memory_bytes") > 0


def test_a_read_only_server_shows_no_commits(tmp_path: Path) -> None:
    Database(tmp_path / "seamless.db", writable=True).close()
    with Server(tmp_path / "seamless.db", writable=False) as server:
        scrape = Scrape(server)
    assert scrape.get("seamless_database_info", writable="false") == 1
    assert "commit" not in scrape.response.text


def test_a_scrape_needs_a_token_if_tokens_are_required(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"read {'r' * 20}\n")
    with Server(tmp_path / "seamless.db", "--token-file", str(tokens)) as server:
        assert server.ask("GET", path="/metrics").status == 401
        bearer = {"Authorization": f"Bearer {'r' * 20}"}
        assert server.ask("GET", path="/metrics", headers=bearer).status == 200


def test_scrapes_do_not_keep_an_idle_server_from_stopping(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db", "--timeout", "1") as server:
        while server.process.poll() is None:
            try:
                server.ask("GET", path="/metrics")
            except OSError:
                break
        assert server.end() == (0, "")


def test_a_server_starts_without_loading_prometheus_client() -> None:
    code = "import sys, seamless_database.server.server; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def rendered(database: Database, slot: StatusSlot | None = None) -> list[str]:
    metrics = Metrics(database, RequestMetrics(["GET"], ["protocol"]), slot)
    return asyncio.run(metrics.render())[0].splitlines()


def test_a_restarted_worker_continues_the_counters_of_the_previous_process(tmp_path: Path) -> None:
    slot = StatusSlot(1, SharedState(2))
    requests = RequestMetrics(["GET"], ["protocol"])
    requests.add("GET", "protocol", 200, 0.5)
    published = MetricsSnapshot(dict(requests.items()), queued_writes=3).to_json()
    line = 'seamless_database_requests_total{method="GET",status="200",type="protocol"} 1.0'
    with Database(tmp_path / "seamless.db", writable=True) as database:
        assert not any("requests_total{" in found for found in rendered(database, slot))
        slot.publish(0.0, published)
        found = rendered(database, slot)
    assert line in found
    # those writes ended with their process
    assert "seamless_database_writes_waiting 0.0" in found
    if sys.platform == "linux":
        assert any(line.startswith('process_open_fds{worker="2"}') for line in found)


def test_a_database_that_is_being_closed_has_no_rows_but_other_metrics(tmp_path: Path) -> None:
    with Database(tmp_path / "seamless.db", writable=True) as database:
        assert 'seamless_database_rows{table="transformation"} 0.0' in rendered(database)
    found = rendered(database)
    assert any(line.startswith("seamless_database_info{") for line in found)
    assert not any(line.startswith("seamless_database_rows{") for line in found)
