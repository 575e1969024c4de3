"""HTTP/1.1 connections over real sockets: heads, keep-alive, pipelining, upgrades."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING, BinaryIO

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


GET = {"type": "transformation", "checksum": checksum(1)}
MISS = {**GET, "checksum": checksum(404)}
TEXT = b"content-type: text/plain; charset=utf-8"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("short") / "seamless.db") as server:
        # text that is not ASCII has another length in bytes
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
        socket.create_connection((server.host, server.port), timeout=TIMEOUT) as client,
        client.makefile("rb") as stream,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client, stream


def response(stream: BinaryIO, *, body: bool = True) -> tuple[bytes, bytes]:
    """Head and body of the next response, without the date."""
    head = b"".join(iter(stream.readline, b"\r\n"))
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    return re.sub(rb"date: .*\r\n", b"date\r\n", head), stream.read(int(length[1]) if body else 0)


def responses(server: Server, *messages: bytes) -> list[tuple[bytes, bytes]]:
    """Send messages one after the other; return the responses."""
    found = []
    with connected(server) as (client, stream):
        for message in messages:
            client.sendall(message)
            found.append(response(stream, body=not message.startswith(b"HEAD")))
    return found


def test_the_head_of_a_response_has_the_headers_in_this_order(server: Server) -> None:
    ((head, body),) = responses(server, request(GET))
    lines = [b"HTTP/1.1 200 OK", b"date", TEXT, b"content-length: 64"]
    assert (head.splitlines(), body) == (lines, checksum(2).encode())


def test_the_response_to_a_head_request_has_the_headers_of_a_get(server: Server) -> None:
    get, head = responses(server, request(GET), request(GET, "HEAD"))
    assert head == (get[0], b"")


def test_a_client_of_http_1_0_gets_one_response_and_a_closed_connection(server: Server) -> None:
    with connected(server) as (client, stream):
        client.sendall(request(GET).replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, body = response(stream)
        assert stream.read() == b""
    assert b"\r\nconnection: close\r\n" in head
    assert body == checksum(2).encode()


def test_a_client_that_expects_continue_is_told_to_continue(server: Server) -> None:
    message = request(GET, "GET", "Expect: 100-continue")
    head, separator, body = message.partition(b"\r\n\r\n")
    with connected(server) as (client, stream):
        client.sendall(head + separator)
        assert stream.readline() + stream.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert response(stream)[1] == checksum(2).encode()


def test_an_upgrade_is_ignored_and_its_body_is_no_request(server: Server) -> None:
    upgrade = request(GET, "GET", "Connection: upgrade", "Upgrade: h2c")
    found = responses(server, upgrade, request(GET), upgrade)
    assert [body for _, body in found] == [checksum(2).encode()] * 3
    with connected(server) as (client, stream):
        client.sendall(upgrade + upgrade)
        assert [response(stream)[1] for _ in range(2)] == [checksum(2).encode()] * 2


def test_a_malformed_request_after_a_complete_one_is_rejected_after_its_response(
    server: Server,
) -> None:
    with connected(server) as (client, stream):
        client.sendall(request(GET))
        assert response(stream)[1] == checksum(2).encode()
        client.sendall(b"complete nonsense\r\n\r\n")
        head, body = response(stream)
        assert (int(head.split()[1]), body) == (400, b"ERROR: this is not HTTP")
        assert stream.read() == b""


def test_a_request_whose_path_is_not_ascii_is_rejected(server: Server) -> None:
    with connected(server) as (client, stream):
        client.sendall(request(GET).replace(b" / ", b" /\xc3\xa9 "))
        assert response(stream)[0].startswith(b"HTTP/1.1 400 ")


def test_the_last_request_of_a_connection_is_answered_and_closes_it(server: Server) -> None:
    message = request(GET, "GET", "Connection: close")
    for _ in range(2):
        with connected(server) as (client, stream):
            client.sendall(message)
            head, body = response(stream)
            assert stream.read() == b""
        assert b"\r\nconnection: close\r\n" in head
        assert body == checksum(2).encode()


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    hit, miss = request(GET), request(MISS)
    with connected(server) as (client, stream):
        for message, wanted in ((hit, [200]), (miss, [404]), (hit + miss + hit, [200, 404, 200])):
            client.sendall(message)
            assert [int(response(stream)[0].split()[1]) for _ in wanted] == wanted


def test_a_request_in_chunks_is_answered(server: Server) -> None:
    message = request(GET)
    with connected(server) as (client, stream):
        for chunk in (message, message[:30], message[30:-5], message[-5:], message):
            client.sendall(chunk)
            if chunk.endswith(b"}"):
                assert response(stream)[1] == checksum(2).encode()


def test_every_request_is_counted_and_logged(tmp_path: Path) -> None:
    message = request({**GET, "checksum": checksum(9)})
    with Server(tmp_path / "seamless.db", "--log-level", "info") as server:
        responses(server, *[message] * 5)
        page = server.ask("GET", path="/metrics").text
        labels = 'method="GET",status="404",type="transformation"'
        counted = re.search(f"requests_total\\{{{labels}\\}} (.*)", page)
        assert counted is not None
        assert float(counted[1]) == 5
        _, text = server.stop()
    entries = [json.loads(line) for line in text.splitlines()]
    logged = [(e["method"], e["path"], e["type"], e["status"], e["bytes"]) for e in entries]
    assert logged == [("GET", "/", "transformation", 404, len("ERROR: Unknown key"))] * 5
    assert len({e["client"] for e in entries}) == 1


def test_the_token_of_each_request_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"write {'w' * 20}\n")
    file.chmod(0o600)
    right, wrong = (f"Authorization: Bearer {letter * 20}" for letter in "wx")
    with Server(tmp_path / "seamless.db", "--token-file", str(file)) as server:
        heads = [right, right, wrong, wrong, "X: x", right, right]
        found = responses(server, *[request(GET, "GET", head) for head in heads])
    statuses = [int(head.split()[1]) for head, _ in found]
    assert statuses == [404, 404, 401, 401, 401, 404, 404]
