"""A running server: locks, disks, signals, idleness, and requests that come in pieces."""

from __future__ import annotations

import http.client
import json
import os
import resource
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server, wait_until

from seamless_database import Database
from seamless_database.server.server import SPARE_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = json.dumps({"type": "transformation", "checksum": checksum(1)}).encode()
HALF = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY[:20]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    with Server(file) as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=TIMEOUT)


def receive(client: socket.socket) -> int:
    """Read one answer off a connection; returns its status."""
    response = http.client.HTTPResponse(client)
    response.begin()
    response.read()
    return response.status


def is_one_plain_file(file: Path) -> bool:
    """Whether nothing lies beside the file and it is in its plain journal mode."""
    beside = [entry.name for entry in file.parent.iterdir() if entry.name.startswith(file.name)]
    return beside == [file.name] and file.read_bytes()[18:20] == b"\x01\x01"


# another process holds the lock


@pytest.fixture
def holder(server: Server, file: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection that holds the write lock."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield holder


def test_a_locked_write_is_answered_503_and_reads_go_on_meanwhile(
    server: Server, holder: sqlite3.Connection
) -> None:
    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(server.put, "transformation", checksum=checksum(1), value=checksum(2))
        seen = 0
        while not write.done():
            assert server.ask("GET", path="/healthcheck").status == 200
            assert server.get("transformation", checksum=checksum(1)).status == 404
            seen += 1
            time.sleep(0.05)
    assert seen > 10
    assert write.result().status == 503
    assert write.result().text.startswith("ERROR: the database is locked by another process")


def test_a_write_that_gets_the_lock_in_time_succeeds(
    server: Server, holder: sqlite3.Connection
) -> None:
    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(server.put, "transformation", checksum=checksum(1), value=checksum(2))
        time.sleep(0.5)
        holder.execute("ROLLBACK")
        assert write.result().status == 200


def test_the_shutdown_does_not_wait_for_ever_for_a_lock(
    server: Server, holder: sqlite3.Connection
) -> None:
    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(server.put, "transformation", checksum=checksum(1), value=checksum(2))
        time.sleep(0.5)
        server.process.terminate()
        assert write.result().status == 503
    assert server.end() == (0, "")


def test_two_writable_servers_on_one_file_lose_nothing(server: Server, file: Path) -> None:
    with Server(file) as other, ThreadPoolExecutor(4) as pool:
        responses = [
            pool.submit(each.put, "transformation", checksum=checksum(i), value=checksum(-i))
            for i in range(1, 61)
            for each in [(server, other)[i % 2]]
        ]
        assert {response.result().status for response in responses} == {200}
        for i in range(1, 61):
            for each in (server, other):
                assert each.get("transformation", checksum=checksum(i)).text == checksum(-i)
        assert other.stop() == (0, "")
        assert server.stop() == (0, "")
    assert is_one_plain_file(file)


def test_a_read_only_server_sees_what_a_writable_one_stores(server: Server, file: Path) -> None:
    with Server(file, writable=False) as reader:
        assert reader.get("transformation", checksum=checksum(1)).status == 404
        server.put("transformation", checksum=checksum(1), value=checksum(2))
        assert reader.get("transformation", checksum=checksum(1)).text == checksum(2)


def test_a_full_disk_is_answered_503_and_reads_go_on(server: Server, file: Path) -> None:
    server.put("transformation", checksum=checksum(1), value=checksum(2))
    pid, unlimited = server.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    room = max(entry.stat().st_size for entry in file.parent.iterdir())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    info = {"x": "x" * 200_000}
    refused = server.put("buffer_info", checksum=checksum(3), value=info)
    assert refused.status == 503
    assert refused.text.startswith("ERROR: the database could not be written")
    assert server.get("transformation", checksum=checksum(1)).text == checksum(2)
    assert server.get("buffer_info", checksum=checksum(3)).status == 404
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    assert server.put("buffer_info", checksum=checksum(3), value=info).status == 200
    assert server.get("buffer_info", checksum=checksum(3)).json() == info


@pytest.mark.parametrize(
    ("open_files", "connections", "possible"),
    [("-S 200", 6, 200), ("-S 80", 100, 100 + SPARE_FILES), (80, 100, 80)],
)
def test_the_limit_of_open_files_is_raised_for_the_connections_as_far_as_allowed(
    file: Path, open_files: int | str, connections: int, possible: int
) -> None:
    options = ("--max-connections", str(connections))
    with Server(file, *options, open_files=open_files) as server:
        assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] == possible
        if possible < connections:
            opened = [connect(server) for _ in range(possible - SPARE_FILES + 2)]
            wait_until(lambda: len(select.select(opened, [], [], 0)[0]) == 2)
            for connection in opened:
                connection.close()


# the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_server_and_ends_wal_mode(
    server: Server, file: Path, number: signal.Signals
) -> None:
    server.put("transformation", checksum=checksum(1), value=checksum(2))
    # the connection is kept alive, and idle
    assert server.stop(number) == (0, "")
    assert is_one_plain_file(file)


def test_an_ignored_hangup_stays_ignored(file: Path, tmp_path: Path) -> None:
    with Server(file, action=signal.SIG_IGN) as server:
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert server.get("protocol").status == 200


def test_an_incomplete_request_does_not_delay_the_shutdown(server: Server, file: Path) -> None:
    with connect(server) as client:
        client.sendall(HALF)
        time.sleep(0.3)
        assert server.stop() == (0, "")
        assert receive(client) == 503
    assert is_one_plain_file(file)


def test_an_incomplete_header_does_not_delay_the_shutdown(server: Server) -> None:
    with connect(server) as client:
        client.sendall(HALF[:30])
        time.sleep(0.3)
        assert server.stop() == (0, "")


def test_a_request_that_is_complete_soon_after_the_signal_is_answered(server: Server) -> None:
    with connect(server) as client:
        client.sendall(HALF)
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.3)
        client.sendall(BODY[20:])
        assert receive(client) == 404
    assert server.end() == (0, "")


def test_acknowledged_writes_of_many_clients_are_in_the_file(server: Server, file: Path) -> None:
    acknowledged: list[int] = []
    counter, lock = iter(range(1, 100_000)), threading.Lock()

    def write() -> None:
        while True:
            with lock:
                number = next(counter)
            try:
                response = server.put(
                    "transformation", checksum=checksum(number), value=checksum(-number)
                )
            except OSError:
                return
            if response.status == 200:
                acknowledged.append(number)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 100:
        time.sleep(0.01)
    server.process.terminate()
    server.process.wait(TIMEOUT)
    for thread in threads:
        thread.join()
    assert server.end() == (0, "")
    assert is_one_plain_file(file)
    with Database(file) as database:
        for number in acknowledged:
            request = {"type": "transformation", "checksum": checksum(number)}
            assert database.get(request) == checksum(-number)


@pytest.mark.crash
def test_a_killed_server_keeps_what_it_acknowledged(server: Server, file: Path) -> None:
    server.put("transformation", checksum=checksum(1), value=checksum(2))
    server.process.kill()
    server.end()
    with Server(file) as again:
        assert again.get("transformation", checksum=checksum(1)).text == checksum(2)
        assert again.stop() == (0, "")
    assert is_one_plain_file(file)


# idleness


def test_an_idle_server_stops(file: Path) -> None:
    with Server(file, "--timeout", "0.5") as server:
        assert server.end() == (0, "")
    assert is_one_plain_file(file)


@pytest.mark.parametrize(
    ("method", "path", "writable"),
    [("GET", "/healthcheck", True), ("GET", "/", True), ("PUT", "/", True), ("PUT", "/", False)],
)
def test_every_request_counts_as_activity(
    file: Path, method: str, path: str, writable: bool
) -> None:
    Database(file, writable=True).close()
    with Server(file, "--timeout", "1", writable=writable) as server:
        for _ in range(6):
            server.ask(method, {}, path=path)
            time.sleep(0.25)
        assert server.process.poll() is None
        assert server.end() == (0, "")


def test_a_request_that_is_arriving_is_no_idle_time(file: Path) -> None:
    with Server(file, "--timeout", "0.5") as server, connect(server) as client:
        client.sendall(HALF)
        time.sleep(1.5)
        client.sendall(BODY[20:])
        assert receive(client) == 404
        assert server.end() == (0, "")


# bodies and connections


def test_a_body_above_the_limit_is_rejected(file: Path) -> None:
    with Server(file, "--max-body", "10KB") as server:
        value = {"x": "x" * 12_000}
        refused = server.put("buffer_info", checksum=checksum(1), value=value)
        assert refused.status == 413
        assert refused.text.startswith("ERROR: the body is larger than 10000 bytes")
        assert server.get("buffer_info", checksum=checksum(1)).status == 404


def test_a_body_above_8_mib_is_rejected_by_default(server: Server) -> None:
    small = b'{"type": "protocol"}'
    body = small + b" " * (8 * 1024 * 1024 - len(small))
    assert server.ask("GET", body).status == 200
    assert server.ask("GET", body + b" ").status == 413


def test_the_connection_of_an_endless_body_is_closed(file: Path) -> None:
    with Server(file, "--max-body", "10KB") as server, connect(server) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        response = b""
        try:
            for _ in range(100):
                client.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            response = client.recv(1000)
        except OSError:
            # the server has hung up, as it should
            return
        assert b" 413 " in response


def test_a_large_body_is_accepted(server: Server) -> None:
    value = record(checksum(1), checksum(2), x="é" * 1_000_000)
    put = server.put("metadata", checksum=checksum(1), result=checksum(2), value=value)
    assert put.status == 200
    assert server.get("metadata", checksum=checksum(1)).json() == value


def test_a_connection_survives_requests_whose_body_is_not_read(file: Path) -> None:
    Database(file, writable=True).close()
    with Server(file, writable=False) as server, connect(server) as client:
        body = b"x" * 200_000
        head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        for _ in range(3):
            client.sendall(head + body)
            assert receive(client) == 405


def test_malformed_http_is_rejected_without_a_log_line(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"complete nonsense\r\n\r\n")
        assert receive(client) == 400
    assert server.stop() == (0, "")


def test_an_idle_connection_stays_open(server: Server) -> None:
    with connect(server) as client:
        for pause in (6, 0):
            client.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")
            assert receive(client) == 200
            # longer than uvicorn keeps one by default
            time.sleep(pause)


def test_a_launcher_may_close_the_output(file: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["seamless_database", str(file), "--writable", "--port", str(port), "--timeout", "0.5"]
    process = subprocess.Popen([sys.executable, "-m", *words], stdout=writer)
    os.close(writer)
    assert process.wait(TIMEOUT) == 0
