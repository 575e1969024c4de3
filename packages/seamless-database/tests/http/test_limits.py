"""Limits of connections, over real sockets: number, headers, timeouts, order of responses."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sqlite3
import struct
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server, wait_until
from database_server import http_request as request

import seamless_database
from seamless_database.http.limits import shed_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.http.limits import LimitedHttpProtocol

HEALTH = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a short timeout and few connections."""
    file = tmp_path_factory.mktemp("guarded") / "seamless.db"
    with Server(file, "--receive-timeout", "1", "--max-connections", "6") as server:
        yield server
        assert server.stop() == (0, "")


def connect(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=TIMEOUT)


def receive(client: socket.socket) -> tuple[int, str]:
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, response.read().decode()


def receive_all(client: socket.socket) -> list[tuple[int, str]]:
    """Every response until the server closes the connection."""
    responses = []
    with client.makefile("rb") as stream:
        while line := stream.readline():
            headers = http.client.parse_headers(stream)
            text = stream.read(int(headers["content-length"])).decode()
            responses.append((int(line.split()[1]), text))
    return responses


def is_closed(client: socket.socket) -> bool:
    """Wait until the server has closed the connection."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return True


# slowness


@pytest.mark.parametrize(
    "start",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
def test_an_incomplete_request_times_out(server: Server, start: bytes) -> None:
    with connect(server) as client:
        client.sendall(start)
        status, text = receive(client)
        assert (status, text) == (408, "ERROR: the request did not arrive in time")
        assert is_closed(client)


def test_a_request_that_arrives_too_slowly_times_out(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        client.settimeout(0.1)
        for _ in range(int(TIMEOUT / 0.1)):
            client.sendall(b"x")
            try:
                response = client.recv(1000)
            except TimeoutError:
                continue
            assert response.startswith(b"HTTP/1.1 408 ")
            return
    raise AssertionError("it was never given up")


def test_a_large_request_gets_more_time(server: Server) -> None:
    value = record(checksum(1), checksum(2), x="x" * 400_000)
    whole = request("metadata", checksum=checksum(1), result=checksum(2), value=value)
    with connect(server) as client:
        for start in range(0, len(whole), 40_000):
            client.sendall(whole[start : start + 40_000])
            time.sleep(0.2)
        assert receive(client) == (200, "OK")


def test_a_client_that_reads_nothing_is_disconnected(server: Server) -> None:
    value = record(checksum(3), checksum(4), x="x" * 8_000_000)
    fields = {"checksum": checksum(3), "result": checksum(4), "value": value}
    assert server.put("metadata", **fields).status == 200
    ask = request("metadata", checksum=checksum(3))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(TIMEOUT)
        client.connect((server.host, server.port))
        client.sendall(ask)
        time.sleep(4)
        received = 0
        try:
            while chunk := client.recv(65536):
                received += len(chunk)
        except ConnectionResetError:
            pass
        assert received < 8_000_000


#: the command, with an idle timeout of half a second
IMPATIENT = """
import functools, sys
from seamless_database.cli.main import main
from seamless_database.http import limits

limits.Limits = functools.partial(limits.Limits, idle_timeout=0.5)
sys.exit(main())
"""


class ImpatientServer(Server):
    command = (sys.executable, "-c", IMPATIENT)


def test_an_idle_connection_is_closed_after_the_timeout(tmp_path: Path) -> None:
    with ImpatientServer(tmp_path / "seamless.db") as server, connect(server) as client:
        client.sendall(HEALTH)
        assert receive(client) == (200, "OK")
        assert is_closed(client)
        assert server.stop() == (0, "")


# numbers


def test_idle_connections_are_closed_in_favour_of_new_ones(tmp_path: Path) -> None:
    # a server of its own: a connection of a former test may still be open, and is idle for longer
    with Server(tmp_path / "seamless.db", "--max-connections", "6") as server:
        idle = [connect(server) for _ in range(6)]
        for client in idle:
            client.sendall(HEALTH)
            assert receive(client) == (200, "OK")
            # the clock of the event loop has steps of a millisecond
            time.sleep(0.01)
        with connect(server) as another:
            another.sendall(HEALTH)
            assert receive(another) == (200, "OK")
        assert is_closed(idle[0])
        for client in idle[1:]:
            client.sendall(HEALTH)
            assert receive(client) == (200, "OK")
    for client in idle:
        client.close()


def test_a_connection_beyond_the_limit_of_busy_ones_is_rejected(server: Server) -> None:
    busy = [connect(server) for _ in range(6)]
    for client in busy:
        client.sendall(b"GET / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
    # all of them have been accepted once another one is rejected
    refusals = []
    for _ in range(4):
        with connect(server) as another:
            another.sendall(HEALTH)
            refusals.append(receive(another))
    assert (503, "ERROR: too many connections; try again later") in refusals
    for client in busy:
        client.close()


# memory


@dataclass(eq=False)
class FakeConnection:
    """The part of a connection by which `shed_memory` decides."""

    active_at: float
    held_bytes: int
    is_closing: bool = False
    aborted: bool = False

    @property
    def transport(self) -> FakeConnection:
        return self

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize(
    ("memory", "aborted"),
    [(60, []), (59, [1]), (50, [1]), (49, [1, 3]), (20, [1, 3]), (19, [1, 3, 4]), (0, [1, 3, 4])],
)
def test_the_connections_that_were_idle_longest_are_aborted_until_the_rest_fit(
    memory: int, aborted: list[int]
) -> None:
    held = [
        FakeConnection(5, 0),
        FakeConnection(10, 10),
        FakeConnection(0, 900, is_closing=True),
        FakeConnection(20, 30),
    ]
    held.append(FakeConnection(30, 20))
    shed_memory(cast("list[LimitedHttpProtocol]", held), memory)
    assert [place for place, each in enumerate(held) if each.aborted] == aborted


# headers


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: x\r\n" % i for i in range(101)) + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 20_000 + b"\r\n",
        # never ends
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 300_000,
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 700_000,
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 700_000,
    ],
)
def test_too_many_or_too_large_headers_are_rejected(server: Server, head: bytes) -> None:
    with connect(server) as client:
        client.sendall(head)
        status, text = receive(client)
        assert status == 431
        assert text.startswith("ERROR: ")
        assert is_closed(client)


def test_the_body_of_an_upgrade_request_is_no_request(server: Server) -> None:
    put = request("transformation", checksum=checksum(9), value=checksum(10))
    head = b"PUT / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: %d\r\n\r\n"
    with connect(server) as client:
        client.sendall(head % len(put))
        time.sleep(0.2)
        client.sendall(put)
        status, text = receive(client)
        assert (status, text[:6]) == (400, "ERROR:")
        client.sendall(request("transformation", checksum=checksum(9)))
        assert receive(client) == (404, "ERROR: Unknown key")


def test_connect_is_rejected(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert receive(client) == (400, "ERROR: this is not HTTP")


def test_a_body_in_chunks_of_one_byte_is_accepted(server: Server) -> None:
    put = request("transformation", checksum=checksum(11), value=checksum(12), x=" " * 60_000)
    body = put.partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    with connect(server) as client:
        head = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        get = request("transformation", checksum=checksum(11))
        last = get.replace(b"Host: x", b"Connection: close")
        client.sendall(head + chunks + b"0\r\n\r\n" + last)
        assert receive_all(client) == [(200, "OK"), (200, checksum(12))]


def test_bytes_after_a_body_do_not_count_for_the_next_request(server: Server) -> None:
    put = request("transformation", checksum=checksum(13), value=checksum(14))
    body = put.partition(b"\r\n\r\n")[2]
    head = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body)
    trailer = b"\r\n0\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"
    with connect(server) as client:
        client.sendall(head + body + trailer)
        assert receive(client) == (200, "OK")
        client.sendall(HEALTH[:-2] + b"X: " + b"x" * 40_000)
        time.sleep(0.1)
        client.sendall(b"\r\n\r\n")
        assert receive(client) == (200, "OK")


# the order of answers


def test_complete_requests_are_answered_before_a_malformed_one_is_rejected(server: Server) -> None:
    put = request("transformation", checksum=checksum(5), value=checksum(6))
    get = request("transformation", checksum=checksum(5))
    with connect(server) as client:
        client.sendall(put + get + b"complete nonsense\r\n\r\n")
        assert receive_all(client) == [(200, "OK"), (200, checksum(6))]


def test_a_malformed_body_after_other_requests_does_not_affect_them(server: Server) -> None:
    put = request("transformation", checksum=checksum(7), value=checksum(8))
    broken = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"
    with connect(server) as client:
        client.sendall(put + broken)
        assert receive_all(client) == [(200, "OK")]


def test_a_malformed_body_is_rejected(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        time.sleep(0.2)
        client.sendall(b"nonsense\r\n")
        assert receive(client) == (400, "ERROR: this is not HTTP")
        assert is_closed(client)


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    numbers = range(100, 130)
    puts = [request("transformation", checksum=checksum(n), value=checksum(-n)) for n in numbers]
    gets = [request("transformation", checksum=checksum(n)) for n in numbers]
    with connect(server) as client:
        client.sendall(b"".join(puts + gets) + b"nonsense")
        responses = receive_all(client)
    assert responses == [(200, "OK")] * 30 + [(200, checksum(-n)) for n in numbers]


# clients that go away


def test_pipelined_requests_of_a_client_that_resets_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    get = request("transformation", checksum=checksum(1))
    put = request("transformation", checksum=checksum(1), value=checksum(2))
    with (
        Server(file, "--log-level", "info") as server,
        closing(sqlite3.connect(file, isolation_level=None)) as holder,
    ):
        # the first PUT waits for the lock, the others for the first
        holder.execute("BEGIN EXCLUSIVE")
        with connect(server) as client:
            client.sendall(get + put + put + get)
            assert client.recv(1) == b"H"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # meanwhile the server does not read, so that its next answer is what shows the reset
        holder.execute("ROLLBACK")
        wait_until(lambda: 'status="499"' in server.ask("GET", path="/metrics").text)
        code, err = server.stop()
    assert code == 0
    logged = [json.loads(line) for line in err.splitlines()]
    assert sorted(line["method"] for line in logged) == ["GET", "GET", "PUT", "PUT"]
    assert {line["status"] for line in logged} <= {200, 404, 499}


# uvicorn


def test_only_one_module_knows_the_internals_of_uvicorn() -> None:
    internals = re.compile(r"uvicorn\.\w+\.|from uvicorn|server_state|lifespan\.state|loaded_app")
    source = Path(seamless_database.__file__).parent
    found = [path for path in source.rglob("*.py") if internals.search(path.read_text())]
    assert [path.relative_to(source).as_posix() for path in found] == ["http/limits.py"]
