"""Nobody can tell from an answer of a real server which way it went."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
from database_samples import checksum, record
from database_server import PATIENCE, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


GET = {"type": "transformation", "checksum": checksum(1)}
REQUESTS: dict[str, Any] = {
    "hit": GET,
    "miss": {**GET, "checksum": checksum(404)},
    "record": {**GET, "type": "metadata"},
    "upper case": {**GET, "checksum": checksum(1).upper()},
    "list": {"type": "rev_transformations", "checksum": checksum(2)},
    "nothing that can be read": {"type": "healthcheck"},
    "missing field": {"type": "transformation"},
    "wrong field": {**GET, "checksum": "x"},
    "no object": [],
}
RECORD = {"type": "metadata", "checksum": checksum(1), "result": checksum(2)}
WRITES: dict[str, Any] = {
    "result": {"type": "transformation", "checksum": checksum(5), "value": checksum(6)},
    "record": {**RECORD, "value": record(checksum(1), checksum(2), name="ä\ud800")},
    "conflict": {**RECORD, "value": record(checksum(1), checksum(2), name="other")},
    "contest of nothing": {**RECORD, "type": "irreproducible", "result": checksum(404)},
    "missing field": RECORD,
    "record of something else": {**RECORD, "value": record(checksum(3), checksum(2))},
    "nothing that can be written": {"type": "protocol"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("short") / "seamless.db") as server:
        # what is no ASCII has another length in bytes
        value = record(checksum(1), checksum(2), name="ä\ud800")
        put = server.put("metadata", checksum=checksum(1), result=checksum(2), value=value)
        assert put.status == 200
        yield server


def request(body: object, method: str = "GET", *headers: str) -> bytes:
    content = json.dumps(body).encode()
    lines = [f"{method} / HTTP/1.1", "Host: x", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


@contextlib.contextmanager
def connected(server: Server) -> Iterator[tuple[socket.socket, BinaryIO]]:
    with (
        socket.create_connection((server.host, server.port), timeout=PATIENCE) as client,
        client.makefile("rb") as stream,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client, stream


def answer(stream: BinaryIO, *, body: bool = True) -> tuple[bytes, bytes]:
    """Head and body of the next answer, the date left out."""
    head = b"".join(iter(stream.readline, b"\r\n"))
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    return re.sub(rb"date: .*\r\n", b"date\r\n", head), stream.read(int(length[1]) if body else 0)


def answers(server: Server, *messages: bytes) -> list[tuple[bytes, bytes]]:
    """Send messages one after the other."""
    found = []
    with connected(server) as (client, stream):
        for message in messages:
            client.sendall(message)
            found.append(answer(stream, body=not message.startswith(b"HEAD")))
    return found


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_the_same_request_has_the_same_answer(server: Server, name: str, method: str) -> None:
    assert_same_answers(server, REQUESTS[name], method)


@pytest.mark.parametrize("name", WRITES)
def test_the_same_write_has_the_same_answer(server: Server, name: str) -> None:
    assert_same_answers(server, WRITES[name], "PUT")


def assert_same_answers(server: Server, body: object, method: str) -> None:
    message = request(body, method)
    # which is not plain enough
    ordinary = request(body, method, "Connection: keep-alive, keep-alive")
    first, *others = answers(server, ordinary, message, message, message)
    assert others == [first] * 3


def test_the_last_request_of_a_connection_is_answered_and_closes_it(server: Server) -> None:
    message = request(GET, "GET", "Connection: close")
    for _ in range(2):
        with connected(server) as (client, stream):
            client.sendall(message)
            head, body = answer(stream)
            assert stream.read() == b""
        assert b"\r\nconnection: close\r\n" in head
        assert body == checksum(2).encode()


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    hit, miss = request(GET), request(REQUESTS["miss"])
    with connected(server) as (client, stream):
        for message, wanted in ((hit, [200]), (miss, [404]), (hit + miss + hit, [200, 404, 200])):
            client.sendall(message)
            assert [int(answer(stream)[0].split()[1]) for _ in wanted] == wanted


def test_a_request_in_pieces_is_answered(server: Server) -> None:
    message = request(GET)
    with connected(server) as (client, stream):
        for piece in (message, message[:30], message[30:-5], message[-5:], message):
            client.sendall(piece)
            if piece.endswith(b"}"):
                assert answer(stream)[1] == checksum(2).encode()


def test_every_request_is_counted_and_logged(tmp_path: Path) -> None:
    message = request({**GET, "checksum": checksum(9)})
    with Server(tmp_path / "seamless.db", "--log-level", "info") as server:
        answers(server, *[message] * 5)
        page = server.ask("GET", path="/metrics").text
        labels = 'method="GET",status="404",type="transformation"'
        counted = re.search(f"requests_total\\{{{labels}\\}} (.*)", page)
        assert counted is not None
        assert float(counted[1]) == 5
        _, text = server.stop()
    entries = [json.loads(line) for line in text.splitlines()]
    told = [(e["method"], e["path"], e["type"], e["status"], e["bytes"]) for e in entries]
    assert told == [("GET", "/", "transformation", 404, len("ERROR: Unknown key"))] * 5
    assert len({e["client"] for e in entries}) == 1


def test_a_token_is_looked_at_in_each_request(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"write {'w' * 20}\n")
    file.chmod(0o600)
    right, wrong = (f"Authorization: Bearer {letter * 20}" for letter in "wx")
    with Server(tmp_path / "seamless.db", "--token-file", str(file)) as server:
        heads = [right, right, wrong, wrong, "X: x", right, right]
        found = answers(server, *[request(GET, "GET", head) for head in heads])
    statuses = [int(head.split()[1]) for head, _ in found]
    assert statuses == [404, 404, 401, 401, 401, 404, 404]
