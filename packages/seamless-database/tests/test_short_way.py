"""The short way of small requests: which heads are known, and that nobody can tell which way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
from database_samples import checksum, record
from database_server import PATIENCE, Server
from uvicorn.config import Config
from uvicorn.server import ServerState

from seamless_database.guarded_http import GuardedConnection, Limits
from seamless_database.short_way import KNOWN, SMALL, ShortWay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
HEADERS = [(b"host", b"x"), (b"content-length", b"3")]
OWN = [(b"date", b"today")]


class Echo:
    """Answers every request by its body, but for those that it leaves."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def admits(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        return (b"x", b"no") not in headers

    def get(self, body: bytes, client: object) -> tuple[int, bytes] | None:
        self.asked.append(body)
        return None if body == b"no!" else (200, body)


def learnt(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request with these headers is known after it was learnt."""
    way = ShortWay(Echo())
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    data = b"GET / HTTP/1.1\r\n" + lines + b"\r\nabc"
    way.learn(data, "GET", b"/", headers)
    return way.body(data) == b"abc"


# what is known


def test_a_head_that_came_before_is_known_with_any_body() -> None:
    way = ShortWay(Echo())
    assert way.body(HEAD + b"abc") is None
    way.learn(HEAD + b"abc", "GET", b"/", HEADERS)
    assert way.body(HEAD + b"xyz") == b"xyz"


@pytest.mark.parametrize("body", [b"", b"ab", b"abcd", b"abc" + HEAD + b"abc"])
def test_a_request_of_another_length_is_not_known(body: bytes) -> None:
    way = ShortWay(Echo())
    way.learn(HEAD + b"abc", "GET", b"/", HEADERS)
    assert way.body(HEAD + body) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n" + HEAD + b"abc", HEAD[:-4], HEAD.replace(b"x", b"y") + b"abc", HEAD.lower()],
)
def test_other_words_are_not_known(data: bytes) -> None:
    way = ShortWay(Echo())
    way.learn(HEAD + b"abc", "GET", b"/", HEADERS)
    assert way.body(data) is None


@pytest.mark.parametrize("data", [b"\r\n" + HEAD + b"abc", HEAD + b"abc\r\n", HEAD + b"ab"])
def test_what_is_not_one_request_is_not_learnt(data: bytes) -> None:
    way = ShortWay(Echo())
    way.learn(data, "GET", b"/", HEADERS)
    assert way.body(data) is None
    assert way.body(HEAD + b"abc") is None


def test_plain_headers_are_learnt() -> None:
    assert learnt([*HEADERS, (b"accept", b"*/*"), (b"connection", b"Keep-Alive")])


@pytest.mark.parametrize(
    "header",
    [
        (b"connection", b"close"),
        (b"connection", b"upgrade"),
        (b"content-length", b"3"),
        (b"expect", b"100-continue"),
        (b"proxy-connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"x", b"no"),
    ],
)
def test_unusual_headers_are_not_learnt(header: tuple[bytes, bytes]) -> None:
    assert not learnt([*HEADERS, header])


def test_a_request_without_a_length_is_not_learnt() -> None:
    assert not learnt([(b"host", b"x")])


def test_large_requests_are_not_known() -> None:
    way = ShortWay(Echo())
    length = b"%d" % SMALL
    data = HEAD.replace(b"3", length) + b"x" * SMALL
    way.learn(data, "GET", b"/", [(b"host", b"x"), (b"content-length", length)])
    assert way.body(data) is None


def test_known_heads_are_bounded() -> None:
    way = ShortWay(Echo())
    for number in range(KNOWN + 1):
        head = HEAD.replace(b"x", b"%d" % number)
        way.learn(head + b"abc", "GET", b"/", HEADERS)
    assert way.body(HEAD.replace(b"x", b"0") + b"abc") is None
    assert way.body(head + b"abc") == b"abc"


def test_an_answer_has_the_headers_of_the_server() -> None:
    way = ShortWay(Echo())
    rest = b"content-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\nOK"
    for day in (b"today", b"tomorrow"):
        own = [(b"date", day)]
        for _ in range(2):
            answer = way.answer(200, b"OK", own)
            assert answer == b"HTTP/1.1 200 OK\r\ndate: " + day + b"\r\n" + rest


# which way a connection goes


async def talk(echo: Echo, *messages: bytes) -> tuple[int, bytes]:
    """Send messages over one connection; how many of them reached the app, and all answers."""
    called = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal called
        called += 1
        while (await receive())["more_body"]:
            pass
        headers = [(b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"app"})

    config = Config(app, ws="none", lifespan="off", log_config=None)
    state, way = ServerState(), ShortWay(echo)

    def connection() -> GuardedConnection:
        return GuardedConnection(config, state, {}, limits=Limits(), short_way=way)

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    answers = b""
    for message in messages:
        writer.write(message)
        # every answer ends with three bytes of text
        head = await reader.readuntil(b"\r\n\r\n")
        answers += head + await reader.readexactly(3)
    writer.close()
    await writer.wait_closed()
    server.close()
    while state.connections:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.001)
    return called, answers


def test_what_came_before_goes_the_short_way() -> None:
    echo = Echo()
    called, answers = asyncio.run(talk(echo, HEAD + b"one", HEAD + b"two", HEAD + b"six"))
    assert (called, echo.asked) == (1, [b"two", b"six"])
    assert re.findall(rb"\r\n\r\n(...)", answers) == [b"app", b"two", b"six"]


def test_what_is_left_goes_the_ordinary_way() -> None:
    echo = Echo()
    called, answers = asyncio.run(talk(echo, HEAD + b"one", HEAD + b"no!", HEAD + b"two"))
    assert (called, echo.asked) == (2, [b"no!", b"two"])
    assert re.findall(rb"\r\n\r\n(...)", answers) == [b"app", b"app", b"two"]


# that nobody can tell

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
    message = request(REQUESTS[name], method)
    ordinary = request(REQUESTS[name], method, "Connection: keep-alive, keep-alive")
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
