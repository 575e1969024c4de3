"""A connection that knows the short way, without any server behind it, for the tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from database_server import PATIENCE
from uvicorn.config import Config
from uvicorn.server import ServerState

from seamless_database.http.fast_path import HeadCache
from seamless_database.http.limits import LimitedHttpProtocol, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
PUT = HEAD.replace(b"GET", b"PUT")
HEADERS = [(b"host", b"x"), (b"content-length", b"3")]


class Echo:
    """Answers every request by its body, but for those that it leaves."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.asked: list[bytes] = []
        self.at_once = at_once

    def accepts(
        self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], length: int
    ) -> bool:
        return (b"x", b"no") not in headers

    def get(self, body: bytes, client: object) -> tuple[int, bytes] | None:
        self.asked.append(body)
        return None if body == b"no!" else (200, body)

    def get_soon(
        self,
        body: bytes,
        client: object,
        tell: Callable[[int, bytes], None],
        again: Callable[[], None],
    ) -> bool:
        assert not self.at_once
        self.again = again
        return self.put(body, client, tell)

    def put(self, body: bytes, client: object, tell: Callable[[int, bytes], None]) -> bool:
        self.asked.append(body)
        self.tell = tell
        return body != b"no!"


class Wire:
    """A listening socket with an app behind it that answers "app", and one client."""

    def __init__(self, echo: Echo) -> None:
        self.called = 0
        self.state = ServerState()
        self._config = Config(
            self._app, interface="asgi3", ws="none", lifespan="off", log_config=None
        )
        self._way = HeadCache(echo)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.called += 1
        while (await receive())["more_body"]:
            pass
        headers = [(b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"app"})

    def _connection(self) -> LimitedHttpProtocol:
        return LimitedHttpProtocol(
            self._config, self.state, {}, limits=Limits(), short_way=self._way
        )

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
