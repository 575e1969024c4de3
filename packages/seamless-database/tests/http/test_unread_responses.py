"""Clients that send requests and read no responses: the memory and the time they can take."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from database_server import Server, http_request, silent_clients, stalled_readers, wait_until

from seamless_database.http.app import LARGE_RESPONSES_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
#: characters of a record, of which a body may have a few more
LONG = 8 * 1000 * 1000
KEY = {"checksum": checksum(1)}
ASK = http_request("metadata", **KEY)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with a short timeout and one long record."""
    with Server(tmp_path / "seamless.db", "--receive-timeout", "4") as server:
        store(server)
        yield server


def store(server: Server, length: int = LONG) -> None:
    value = record(checksum(1), checksum(2), x="x" * length)
    assert server.put("metadata", **KEY, result=checksum(2), value=value).status == 200


def send_until_blocked(client: socket.socket, message: bytes) -> None:
    """Send a message repeatedly, until the server has read nothing for a while."""
    client.settimeout(0.2)
    with suppress(TimeoutError):
        while True:
            client.sendall(message)


@needs_proc
def test_unread_large_responses_take_bounded_memory(server: Server) -> None:
    before = server.memory()
    count = 3 * LARGE_RESPONSES_MEMORY // LONG
    with stalled_readers(server, ASK, count):
        # other requests are answered once those connections have been aborted
        assert server.get("transformation", **KEY).text == checksum(2)
        assert len(server.get("metadata", **KEY).text) > LONG
    assert server.memory() - before < 2 * LARGE_RESPONSES_MEMORY


def test_a_response_is_written_as_the_client_reads_it(server: Server) -> None:
    counted = 'requests_total{method="GET",status="200",type="metadata"} 1.0'
    with stalled_readers(server, ASK, 1) as (client,):
        received = bytearray(client.recv(1))
        for _ in range(20):
            assert server.get("transformation", **KEY).text == checksum(2)
        assert counted not in server.ask("GET", path="/metrics").text
        while not received.endswith(b'"}'):
            received += client.recv(200_000)
        wait_until(lambda: counted in server.ask("GET", path="/metrics").text)


@needs_proc
def test_unread_responses_of_pipelined_requests_take_bounded_memory(
    server: Server,
) -> None:
    before = server.memory()
    many = b"GET /healthcheck HTTP/1.1\r\n\r\n" * 20_000
    with stalled_readers(server, b"", 20) as clients:
        for client in clients:
            send_until_blocked(client, many)
        assert server.ask("GET", path="/healthcheck").text == "OK"
    assert server.memory() - before < 50_000_000


@pytest.mark.parametrize("workers", ["1", "2"])
def test_unread_responses_do_not_delay_the_shutdown(tmp_path: Path, workers: str) -> None:
    with Server(tmp_path / "seamless.db", "--workers", workers) as server:
        store(server)
        pipelined = http_request("transformation", **KEY) * 1_000
        with stalled_readers(server, ASK, 10), stalled_readers(server, b"", 1) as (client,):
            send_until_blocked(client, pipelined)
            assert server.get("transformation", **KEY).text == checksum(2)
            assert server.stop() == (0, "")


def test_a_slow_reader_that_reads_enough_gets_everything(server: Server) -> None:
    with stalled_readers(server, ASK, 1) as (client,):
        received = bytearray()
        while not received.endswith(b'"}'):
            received += client.recv(200_000)
    assert len(received) > LONG


def test_a_client_that_disconnects_frees_the_memory_of_its_response(server: Server) -> None:
    for _ in range(3):
        with stalled_readers(server, ASK, LARGE_RESPONSES_MEMORY // LONG) as clients:
            # all are being answered
            assert [client.recv(1) for client in clients] == [b"H"] * len(clients)
    assert len(server.get("metadata", **KEY).text) > LONG


#: the command, with a memory limit of 1 MB for all connections together
LIMITED = """
import functools, sys
from seamless_database.cli.main import main
from seamless_database.http import limits

limits.Limits = functools.partial(limits.Limits, memory=1_000_000)
sys.exit(main())
"""


class LimitedServer(Server):
    command = (sys.executable, "-c", LIMITED)


@needs_proc
def test_the_memory_of_all_connections_together_is_bounded(tmp_path: Path) -> None:
    with LimitedServer(tmp_path / "seamless.db") as server:
        store(server, 200_000)
        files = Path(f"/proc/{server.process.pid}/fd")
        before = len(list(files.iterdir()))
        with stalled_readers(server, ASK * 50, 40) as clients:
            for client in clients:
                with suppress(ConnectionResetError):
                    client.recv(1, socket.MSG_PEEK)
            # the sockets hold some megabytes of each, and flow control allows 64 KiB more
            wait_until(lambda: len(list(files.iterdir())) < before + 20)
            assert server.get("transformation", **KEY).text == checksum(2)
        assert server.stop() == (0, "")


@needs_proc
def test_incomplete_bodies_are_bounded_together(tmp_path: Path) -> None:
    with LimitedServer(tmp_path / "seamless.db") as server:
        store(server, 1)
        files = Path(f"/proc/{server.process.pid}/fd")
        before = len(list(files.iterdir()))
        half = b"PUT / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000
        with silent_clients(server, 40, first=half):
            assert server.get("transformation", **KEY).text == checksum(2)
            wait_until(lambda: len(list(files.iterdir())) < before + 20)
            assert server.get("transformation", **KEY).text == checksum(2)
        assert server.stop() == (0, "")
