"""The connections of the asynchronous client: a bounded number in each event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from seamless_database.client.http_exchange import (
    KEEP_SECONDS,
    ExchangeError,
    Response,
    ResponseParser,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from seamless_database.client.http_exchange import Endpoint

#: connections in one event loop; requests beyond that wait
MAX_CONNECTIONS = 32


class Slot:
    """The right to use one connection, which is made when it is needed."""

    connection: _Connection | None = None
    #: the time at which the present user began to wait
    waiting_since = 0.0


class AsyncConnections:
    """The connections of one event loop."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._open: set[_Connection] = set()
        self._is_closed = False
        #: the time of the last response
        self._responded = 0.0
        #: the time at which a request had timed out, and no other had a response meanwhile
        self._silent = 0.0
        self._free: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()
        for _ in range(MAX_CONNECTIONS):
            self._free.put_nowait(Slot())

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Wait until one connection more may be in use."""
        since = self._loop.time()
        slot = await self._free.get()
        try:
            slot.waiting_since = since
            yield slot
        finally:
            self._free.put_nowait(slot)

    async def exchange(self, slot: Slot, request: bytes) -> Response:
        """Send a request and return the response; an `OSError` says why there is none."""
        if self._silent > max(self._responded, slot.waiting_since):
            raise TimeoutError  # the server has stopped answering
        try:
            if slot.connection is None or not slot.connection.is_usable():
                slot.connection = None
                slot.connection = await self._connect()
            response = await slot.connection.exchange(request)
        except TimeoutError:
            now = self._loop.time()
            if self._responded < now - self._timeout:
                self._silent = now
            raise
        self._responded = self._loop.time()
        return response

    async def close(self) -> None:
        """Close all connections; requests in flight fail."""
        self._is_closed = True
        for connection in list(self._open):
            connection.abort(ConnectionAbortedError("the client is closed"))
        while self._open:
            await asyncio.wait([connection.closed for connection in self._open])

    async def _connect(self) -> _Connection:
        self._check_open()
        endpoint = self._endpoint
        connection = _Connection(self._loop, self._timeout, self._open)
        connecting = self._loop.create_connection(
            lambda: connection,
            endpoint.host,
            endpoint.port,
            ssl=endpoint.tls,
            server_hostname=None if endpoint.tls is None else endpoint.host,
        )
        try:
            await asyncio.wait_for(connecting, self._timeout)
            self._check_open()
        except asyncio.TimeoutError:
            connection.abort(ExchangeError("no connection in time"))
            raise TimeoutError from None
        except BaseException:
            connection.abort(ExchangeError("no connection"))
            raise
        return connection

    def _check_open(self) -> None:
        if self._is_closed:
            raise ConnectionAbortedError("the client is closed")


class _Connection(asyncio.Protocol):
    """One connection, which has at most one request at a time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, timeout: float, connections: set[_Connection]
    ) -> None:
        self._loop = loop
        self._timeout = timeout
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._parser = ResponseParser()
        #: resolved when the response is complete; None while there is no request
        self._complete: asyncio.Future[None] | None = None
        #: resolved when the transport has released the socket
        self.closed: asyncio.Future[None] = loop.create_future()
        #: the time of the last use, or of the last data received
        self._used = loop.time()

    def is_usable(self) -> bool:
        """Whether the connection can take a request; one that was idle for long is closed."""
        if self._loop.time() > self._used + KEEP_SECONDS:
            self.abort(ExchangeError("the connection was idle"))
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes) -> Response:
        """Send a request and return the response."""
        assert self._transport is not None
        self._parser = parser = ResponseParser()
        self._complete = self._loop.create_future()
        self._used = self._loop.time()
        self._timer = self._loop.call_later(self._timeout, self._check_progress)
        try:
            self._transport.write(request)
            await self._complete
        finally:
            self._timer.cancel()
            self._complete = None
            self._used = self._loop.time()
            if not parser.keep_alive:
                self._transport.abort()
        return parser.response()

    def abort(self, error: OSError) -> None:
        """Close the connection at once; a request in flight fails with the error."""
        if self._complete is not None and not self._complete.done():
            self._complete.set_exception(error)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse a part of the response; no bytes are the end of the connection."""
        if self._complete is None or self._complete.done():
            self.abort(ExchangeError("data without a request"))
            return
        self._used = self._loop.time()
        try:
            self._parser.feed(data)
        except ExchangeError as error:
            self.abort(error)
        if self._parser.is_complete:
            self._complete.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """End the request in flight."""
        self._connections.discard(self)
        self.closed.set_result(None)
        if isinstance(error, OSError):
            self.abort(error)
        elif self._complete is not None:
            self.data_received(b"")

    def _check_progress(self) -> None:
        left = self._used + self._timeout - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_progress)
        else:
            self.abort(TimeoutError())
