"""Several worker processes on one address: balance, restarts, shutdown and metrics."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server, wait_until
from prometheus_client.parser import text_string_to_metric_families

from seamless_database import Database
from seamless_database.cli.main import main
from seamless_database.errors import FileError
from seamless_database.storage.sqlite.fair_lock import FairWriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator

from worker_processes import (
    Connection,
    alive,
    connections_to_both,
    is_one_plain_file,
    sockets,
    workers,
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="asks /proc for the processes"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    with Server(file, "--workers", "2") as server:
        yield server


@pytest.fixture
def pair(server: Server) -> Iterator[tuple[Connection, Connection]]:
    """A connection to each of the two workers."""
    with connections_to_both(server) as pair:
        yield pair


# all workers together


def test_a_write_of_one_worker_is_visible_to_the_other_at_once(
    pair: tuple[Connection, Connection],
) -> None:
    for number in range(100):
        key, writer, reader = checksum(number), pair[number % 2], pair[1 - number % 2]
        for value in (checksum(-number), checksum((number, "another"))):
            assert writer.ask("PUT", type="transformation", checksum=key, value=value) == "OK"
            assert reader.ask("GET", type="transformation", checksum=key) == value
    first, second = pair
    assert first.worker != second.worker


def test_connections_are_distributed_evenly(server: Server) -> None:
    before = {pid: sockets(pid) for pid in workers(server)}
    opened = [socket.create_connection((server.host, server.port)) for _ in range(20)]
    try:
        wait_until(lambda: [sockets(pid) - count for pid, count in before.items()] == [10, 10])
    finally:
        for connection in opened:
            connection.close()


def test_the_number_of_connections_is_that_of_all_workers_together(file: Path) -> None:
    with Server(file, "--workers", "2", "--max-connections", "4") as server:
        before = {pid: sockets(pid) for pid in workers(server)}
        opened = [socket.create_connection((server.host, server.port)) for _ in range(8)]
        try:
            # four are closed in favour of the others
            wait_until(lambda: len(select.select(opened, [], [], 0)[0]) == 4)
            wait_until(lambda: [sockets(pid) - count for pid, count in before.items()] == [2, 2])
        finally:
            for connection in opened:
                connection.close()


def test_a_stopped_worker_leaves_new_connections_to_the_others(
    server: Server, pair: tuple[Connection, Connection]
) -> None:
    os.kill(pair[0].worker, signal.SIGTERM)
    while pair[0].worker in workers(server):
        with urllib.request.urlopen(f"{server.url}/healthcheck", timeout=TIMEOUT) as response:
            assert response.status == 200
    wait_until(lambda: len(workers(server)) == 2)


def test_a_signal_to_the_supervisor_stops_all_workers_and_ends_wal_mode(
    server: Server, file: Path
) -> None:
    server.put("transformation", checksum=checksum(1), value=checksum(2))
    running = workers(server)
    assert len(running) == 2
    assert server.stop(signal.SIGINT) == (0, "")
    assert not any(map(alive, running))
    assert is_one_plain_file(file)


def test_an_incomplete_request_is_answered_at_the_shutdown(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.3)
        server.process.terminate()
        assert b" 503 " in client.recv(1000)
    assert server.end() == (0, "")


def test_the_status_file_says_running_once_all_workers_are_ready(
    file: Path, tmp_path: Path
) -> None:
    status = tmp_path / "status.json"
    status.write_text('{"pid": 7}')
    with Server(file, "--workers", "3", "--status-file", str(status)) as server:
        expected = {"pid": 7, "status": "running", "port": server.port}
        assert json.loads(status.read_text()) == expected
        assert len(workers(server)) == 3


def test_workers_serve_a_read_only_file(file: Path) -> None:
    with Database(file, writable=True) as database:
        database.put({"type": "transformation", "checksum": checksum(1), "value": checksum(2)})
    with Server(file, "--workers", "2", writable=False) as server:
        assert server.get("transformation", checksum=checksum(1)).text == checksum(2)
        assert server.stop() == (0, "")


def test_the_server_stops_when_all_workers_are_idle(file: Path) -> None:
    with Server(file, "--workers", "2", "--timeout", "1") as server:
        # one connection leads to one worker, so the other one is idle
        for _ in range(6):
            assert server.get("protocol").status == 200
            time.sleep(0.25)
        assert server.process.poll() is None
        assert server.end() == (0, "")
    assert is_one_plain_file(file)


# options


def test_zero_workers_are_rejected(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--writable", "--workers", "0"]) == 2
    assert "--workers must be a number above 0" in capsys.readouterr().err


def test_several_workers_do_not_write_to_a_network_file_system(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.sqlite.database.is_network", lambda _path: True)
    writer_lock = FairWriterLock()
    with pytest.raises(FileError, match="only one process may write; leave out --workers"):
        Database(file, writable=True, writer_lock=writer_lock)
    writer_lock.close()


# the metrics


def metrics(server: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The metrics of any worker."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=TIMEOUT) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def requests(server: Server, method: str, kind: str) -> float:
    labels = frozenset({"method": method, "type": kind, "status": "200"}.items())
    return metrics(server).get(("seamless_database_requests_total", labels), 0)


def test_the_metrics_of_a_worker_include_those_of_the_others_and_of_killed_ones(
    server: Server, pair: tuple[Connection, Connection]
) -> None:
    first, second = pair
    for connection in (first, second, second):
        connection.ask("GET", type="protocol")
    put = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}
    assert first.ask("PUT", **put) == "OK"
    # each worker publishes its metrics about every second
    wait_until(lambda: requests(server, "GET", "protocol") == 3)
    wait_until(lambda: requests(server, "PUT", "transformation") == 1)
    os.kill(first.worker, signal.SIGKILL)
    wait_until(lambda: len(workers(server)) == 2 and first.worker not in workers(server))
    wait_until(lambda: requests(server, "GET", "protocol") == 3)
    assert metrics(server)["seamless_database_commit_writes_count", frozenset()] == 1
    assert requests(server, "PUT", "transformation") == 1


def test_process_metrics_have_the_worker_as_a_label(server: Server) -> None:
    def shown() -> set[str]:
        found = metrics(server)
        name = "process_resident_memory_bytes"
        return {dict(labels)["worker"] for this, labels in found if this == name}

    wait_until(lambda: shown() == {"1", "2"})
