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
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
PUT = HEAD.replace(b"GET", b"PUT")
HEADERS = [(b"host", b"x"), (b"content-length", b"3")]


class Echo:
    """Answers every request by its body, but for those that it leaves."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.asked: list[bytes] = []
        self.at_once = at_once

    def admits(
        self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], length: int
    ) -> bool:
        return (b"x", b"no") not in headers

    def get(self, body: bytes, client: object) -> tuple[int, bytes] | None:
        self.asked.append(body)
        return None if body == b"no!" else (200, body)

    def get_soon(self, body: bytes, client: object, tell: Callable[[int, bytes], None]) -> bool:
        assert not self.at_once
        return self.put(body, client, tell)

    def put(self, body: bytes, client: object, tell: Callable[[int, bytes], None]) -> bool:
        self.asked.append(body)
        self.tell = tell
        return body != b"no!"


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
            answer = way.answer(200, b"OK", own, last=False)
            assert answer == b"HTTP/1.1 200 OK\r\ndate: " + day + b"\r\n" + rest


def test_the_last_answer_says_so() -> None:
    answer = ShortWay(Echo()).answer(200, b"OK", [], last=True)
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nOK")


# which way a connection goes


class Wire:
    """A listening socket with an app behind it that answers "app", and one client."""

    def __init__(self, echo: Echo) -> None:
        self.called = 0
        self.state = ServerState()
        self._config = Config(
            self._app, interface="asgi3", ws="none", lifespan="off", log_config=None
        )
        self._way = ShortWay(echo)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.called += 1
        while (await receive())["more_body"]:
            pass
        headers = [(b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"app"})

    def _connection(self) -> GuardedConnection:
        return GuardedConnection(self._config, self.state, {}, limits=Limits(), short_way=self._way)

    async def __aenter__(self) -> Wire:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, "127.0.0.1", 0)
        address = self._server.sockets[0].getsockname()
        self._reader, self._writer = await asyncio.open_connection(*address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()
        self._server.close()

    async def hang_up(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
        while self.state.connections:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.001)

    def send(self, message: bytes) -> None:
        self._writer.write(message)

    async def answer(self) -> bytes:
        """The next answer; all of them end with three bytes of text."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        return head + await self._reader.readexactly(3)

    async def talk(self, *messages: bytes) -> list[bytes]:
        """Send messages one after the other; the texts of the answers."""
        texts = []
        for message in messages:
            self.send(message)
            texts.append((await self.answer())[-3:])
        return texts

    async def end(self) -> bytes:
        """What else is sent until the server hangs up."""
        return await self._reader.read()


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1000 * PATIENCE):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came")


def test_what_came_before_goes_the_short_way() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            texts = await wire.talk(HEAD + b"one", HEAD + b"two", HEAD + b"six")
            assert (wire.called, echo.asked, texts) == (
                1,
                [b"two", b"six"],
                [b"app", b"two", b"six"],
            )

    asyncio.run(run())


def test_what_is_left_goes_the_ordinary_way() -> None:
    async def run() -> None:
        for head in (HEAD, PUT):
            echo = Echo()
            async with Wire(echo) as wire:
                assert await wire.talk(head + b"one", head + b"no!", head + b"no!") == [b"app"] * 3
                assert (wire.called, echo.asked) == (3, [b"no!"] * 2)

    asyncio.run(run())


def test_a_write_is_answered_when_it_is_told() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            echo.tell(409, b"two")
            assert (await wire.answer()).startswith(b"HTTP/1.1 409 Conflict\r\n")
            assert wire.called == 1

    asyncio.run(run())


def test_what_follows_a_write_waits_for_its_answer() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one", HEAD + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            wire.send(HEAD + b"six")
            (connection,) = wire.state.connections
            await until(lambda: isinstance(connection, GuardedConnection) and connection.pipeline)
            echo.tell(200, b"two")
            assert [(await wire.answer())[-3:] for _ in range(2)] == [b"two", b"app"]

    asyncio.run(run())


def test_a_server_that_ends_waits_for_a_write_and_hangs_up() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            (connection,) = wire.state.connections
            connection.shutdown()
            echo.tell(200, b"two")
            assert b"\r\nconnection: close\r\n" in await wire.answer()
            assert await wire.end() == b""

    asyncio.run(run())


def test_nonsense_behind_a_write_is_dropped_and_the_write_is_answered() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            wire.send(b"complete nonsense\r\n\r\n")
            await asyncio.sleep(0.05)
            echo.tell(200, b"two")
            assert (await wire.answer())[-3:] == b"two"
            assert await wire.end() == b""

    asyncio.run(run())


def test_a_client_that_goes_while_it_waits_is_no_failure() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            await wire.hang_up()
            echo.tell(200, b"two")

    asyncio.run(run())


def test_a_client_that_goes_with_more_behind_its_write_is_no_failure() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            wire.send(HEAD + b"six")
            (connection,) = wire.state.connections
            await until(lambda: isinstance(connection, GuardedConnection) and connection.pipeline)
            connection.transport.abort()
            await until(lambda: not wire.state.connections)
            echo.tell(200, b"two")

    # the loop of the server is the one that minds
    pytest.importorskip("uvloop").run(run())


@pytest.mark.parametrize("start", [b"G", b"GET / HTTP/1.1\r\nHost", HEAD, HEAD + b"t", b"\r\n"])
def test_a_request_may_begin_behind_another(start: bytes) -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            texts = await wire.talk(HEAD + b"one" + start, (HEAD + b"two").removeprefix(start))
            assert (texts, wire.called, echo.asked) == ([b"app", b"app"], 2, [])

    asyncio.run(run())


def test_nonsense_may_follow_the_first_request() -> None:
    async def run() -> None:
        async with Wire(Echo()) as wire:
            wire.send(HEAD + b"one" + b"\0")
            assert (await wire.answer())[-3:] == b"app"
            assert await wire.end() == b""

    asyncio.run(run())


def test_after_an_upgrade_nothing_goes_the_short_way() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(HEAD + b"one", HEAD + b"two")
            upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
            wire.send(upgrade)
            await wire.answer()
            wire.send(HEAD + b"six")
            await wire.answer()
            assert echo.asked == [b"two"]

    asyncio.run(run())


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
