"""The server's HTTP protocol on a real socket, with the application and the clock of a test."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from database_server import TIMEOUT

from seamless_database.http.limits import LimitedHttpProtocol, Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send


class SteppedLoop:
    """The running event loop, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class Conversation:
    """One client, and the protocol that serves it."""

    def __init__(
        self,
        protocol: LimitedHttpProtocol,
        loop: SteppedLoop,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.protocol = protocol
        self._loop = loop
        self._reader, self._writer = reader, writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def disconnect(self) -> None:
        self._writer.close()

    def check_at(self, now: float) -> None:
        """Let the server check its timeouts at a time."""
        self._loop.now = now
        self.protocol.check_timeouts()

    async def read_until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self._reader.readuntil(end), TIMEOUT)

    async def read_to_end(self) -> bytes:
        """Everything up to the end of the connection."""
        return await asyncio.wait_for(self._reader.read(), TIMEOUT)

    async def settle(self) -> None:
        """Let the server take what has been sent."""
        for _ in range(10):
            await asyncio.sleep(0.003)


class ScriptedApplication:
    """An ASGI application that answers each request with `OK` when the test allows it."""

    def __init__(self) -> None:
        self.allowed = asyncio.Semaphore(0)
        self.started: deque[Scope] = deque()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.started.append(scope)
        await self.allowed.acquire()
        await respond(send, b"OK")


async def respond(send: Send, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def conversation(app: Any, **limits: Any) -> AsyncIterator[Conversation]:
    """Connect a client to the protocol, which runs the application within the limits."""
    state = SimpleNamespace(tasks=set(), connections=set(), default_headers=[])
    loop = SteppedLoop()
    accepted: asyncio.Queue[LimitedHttpProtocol] = asyncio.Queue()

    def protocol() -> LimitedHttpProtocol:
        made = LimitedHttpProtocol(
            cast("Any", SimpleNamespace(loaded_app=app)),
            cast("Any", state),
            {},
            cast("Any", loop),
            limits=Limits(**limits),
        )
        accepted.put_nowait(made)
        return made

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield Conversation(await accepted.get(), loop, reader, writer)
    finally:
        writer.close()
        server.close()
        await asyncio.wait_for(asyncio.gather(*state.tasks), TIMEOUT)
