"""Limits of connections: their number, the size of headers, the memory, and how slow a client is.

This is the only module that knows the internals of uvicorn, which accepts the connections, counts
them, and renews the headers of every response.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from seamless_database.http.connection import (
    PARSED_AT_ONCE,
    HttpConnection,
    UnsupportedRequestError,
)
from seamless_database.http.responses import (
    NOT_HTTP,
    REQUEST_TIMEOUT,
    TOO_MANY_CONNECTIONS,
    Header,
    Response,
    encode_response,
    headers_too_large,
    too_many_headers,
)
from seamless_database.http.slow_readers import ReadingProgress

if TYPE_CHECKING:
    import uvicorn
    from uvicorn.server import ServerState

#: seconds in which a rejected client may read why; what it still sends is dropped. While the
#: server stops, also the seconds in which a client may read nothing of a response.
LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class Limits:
    """What clients may use of a server."""

    #: open connections; idle ones are closed in favour of new ones
    connections: int = 10_000
    #: bytes of the request line and the headers together
    head_size: int = 64 * 1024
    headers: int = 100
    #: seconds in which a client has to send a request, and may read nothing of a response
    request_timeout: float = 60.0
    #: bytes a second by which larger requests and responses get more time
    min_rate: int = 16 * 1024
    #: seconds that a connection may be idle
    idle_timeout: float = 300.0
    #: bytes that all connections together may hold unread, unparsed or unsent
    memory: int = 256 * 1024 * 1024


class LimitedHttpProtocol(HttpConnection):
    """One connection within limits; the server calls `check_timeouts` about every second.

    The parameters are those that uvicorn passes to a protocol, and the limits.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # uvicorn passes it
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        loop = _loop or asyncio.get_running_loop()
        super().__init__(cast("Any", config.loaded_app), loop, server_state.tasks)
        self._server_state = server_state
        self._connections = cast("set[LimitedHttpProtocol]", server_state.connections)
        self._limits = limits
        self._last_received = self._last_checked = loop.time()
        # of the request that is arriving, if one is: its start, and its size so far
        self._request_started, self._request_size = 0.0, 0
        #: bytes received since the parser last completed a part of a request (its head, a piece of
        #: its body, its end): an incomplete head, or size lines and trailers of a chunked body
        self._bytes_since_part = 0
        self._close_at: float | None = None
        self._reading = ReadingProgress(loop.time(), limits.request_timeout, limits.min_rate)
        #: the TLS handshake, before which there is no transport
        self._handshake: asyncio.Task[None] | None = None

    @property
    def default_headers(self) -> list[Header]:
        """The date."""
        return self._server_state.default_headers

    # the life of a connection

    def begin_handshake(self, handshake: asyncio.Task[None]) -> None:
        """Count as a connection during the TLS handshake; an idle one is closed in favour of it."""
        self._handshake = handshake
        self._connections.add(self)
        if len(self._connections) > self._limits.connections:
            self._close_idlest()

    def end_handshake(self) -> bool:
        """Become a connection like any other; False if the handshake failed."""
        self._handshake = None
        if not hasattr(self, "transport"):
            self._connections.discard(self)
            return False
        return True

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # what a stream socket has
    ) -> None:
        """Take the connection, or reject it if there are too many busy ones."""
        super().connection_made(transport)
        self._connections.add(self)
        if len(self._connections) > self._limits.connections and not self._close_idlest():
            self._reject(TOO_MANY_CONNECTIONS)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        self._connections.discard(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Parse what was received, unless the client has been rejected."""
        if self._rejecting:
            return
        self._last_received = self.loop.time()
        if len(data) <= PARSED_AT_ONCE and not self._must_wait:
            self._parse_chunk(data)
        else:
            self._parse(data)

    def shutdown(self) -> None:
        """Finish the requests that have been started, because the server stops."""
        if self._handshake is not None:
            self._handshake.cancel()
        elif self._cycles:
            self._cycles[-1].keep_alive = False
        else:
            self.close()

    # limits of a request

    def _parse_chunk(self, data: bytes) -> None:
        begun, parts = self._begun, self._parts
        super()._parse_chunk(data)
        if self._begun != begun:
            self._request_started, self._request_size = self._last_received, 0
        self._request_size += len(data)
        self._bytes_since_part = 0 if self._parts != parts else self._bytes_since_part + len(data)
        if self._bytes_since_part > self._limits.head_size:
            self._reject(headers_too_large(self._limits.head_size))

    def on_headers_complete(self) -> None:
        """Check the size of the headers before the request starts."""
        limits = self._limits
        if len(self._headers) > limits.headers:
            self._reject(too_many_headers(limits.headers))
            raise UnsupportedRequestError
        # `_bytes_since_part` counts neither the data that is being parsed now, nor the start of
        # this head if it arrived together with the end of the request before
        if self._bytes_since_part + 2 * PARSED_AT_ONCE > limits.head_size:
            size = sum(len(name) + len(value) + 4 for name, value in self._headers)
            if size + len(self._url) > limits.head_size:
                self._reject(headers_too_large(limits.head_size))
                raise UnsupportedRequestError
        super().on_headers_complete()

    def reject_malformed(self) -> None:
        """Reject what is not HTTP."""
        self._reject(NOT_HTTP)

    # limits in time, and of all connections together

    def check_timeouts(self) -> None:
        """Close the connection of a client that is too slow, or has been idle for too long."""
        if self._handshake is not None:
            # the event loop has a timeout of its own for it
            return
        now = self.loop.time()
        if self.flow.read_paused:
            # it is the server that keeps the request from arriving
            self._request_started += now - self._last_checked
        self._last_checked = now
        self._reading.sample(now, self.unsent, self._cycles[0] if self._cycles else None)
        limits = self._limits
        if self._reading.is_too_slow(now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._close_at is not None:
            if now > self._close_at:
                self.close()
        elif self._is_arriving:
            allowed = limits.request_timeout + self._request_size / limits.min_rate
            if now - self._request_started > allowed:
                self._reject(REQUEST_TIMEOUT)
        elif self.idle_since is not None and now - self.idle_since > limits.idle_timeout:
            self.close()

    @property
    def idle_since(self) -> float | None:
        """When something was last received or sent, if no request is in flight."""
        return None if self._is_arriving or self._cycles else self.active_at

    @property
    def held_bytes(self) -> int:
        """Bytes that were received and not used yet, or that wait to be sent."""
        if self._handshake is not None:
            return 0
        return super().held_bytes + (self._request_size if self._is_arriving else 0)

    @property
    def unsent(self) -> int:
        """Bytes of responses that wait to be sent."""
        return 0 if self._handshake is not None else self.transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        """Whether the connection is about to be closed."""
        return self._handshake is None and self.transport.is_closing()

    @property
    def active_at(self) -> float:
        """When something was last received, or read of a response."""
        if self._reading.unsent:
            return max(self._last_received, self._reading.last_read_at)
        return self._last_received

    def is_stalled(self, now: float) -> bool:
        """Whether the client has read nothing for `LINGER_SECONDS`, as of the last check."""
        return now - self._reading.last_read_at > LINGER_SECONDS

    def _close_idlest(self) -> bool:
        """Close the connection that has been idle for longest; False if none is idle."""
        idle = [
            (other.idle_since, id(other), other)
            for other in self._connections
            if other is not self and other.idle_since is not None and not other.is_closing
        ]
        if not idle:
            return False
        min(idle)[-1]._evict()
        return True

    def _evict(self) -> None:
        if self._handshake is None:
            # an idle TLS client would not answer a close_notify, and so keep its file open
            self.transport.abort()
        else:
            self._handshake.cancel()
            self._connections.discard(self)

    def _reject(self, response: Response) -> None:
        """Answer what never becomes a request, after earlier requests; then close."""
        if self._rejecting or self.transport.is_closing():
            return
        self._rejecting = True
        self._is_arriving = False
        incomplete, self._arriving_cycle = self._arriving_cycle, None
        if incomplete is not None and incomplete in self._cycles:
            self._cycles.remove(incomplete)
            incomplete.disconnected = True
            incomplete.wake()
        if self._cycles:
            # the last of the responses that are still to come closes the connection
            return
        # a request may have been answered before its body arrived
        if incomplete is None or not incomplete.response_started:
            self.write(encode_response(response, self.default_headers))
        self.close_gracefully()

    def close_gracefully(self) -> None:
        """Close the connection once the client has had time to read what was sent.

        Closed at once, it would be reset under a client that still sends.
        """
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._close_at = self.loop.time() + LINGER_SECONDS
        else:
            self.close()


def new_connection(server: uvicorn.Server) -> LimitedHttpProtocol:
    """Create the protocol of a connection that uvicorn has not accepted itself."""
    protocol: Any = server.config.http_protocol_class
    connection: LimitedHttpProtocol = protocol(
        config=server.config,
        server_state=server.server_state,
        app_state=server.lifespan.state,
        _loop=asyncio.get_running_loop(),
    )
    return connection


def open_connections(server: uvicorn.Server) -> list[LimitedHttpProtocol]:
    """Return the connections of a server, also those in their TLS handshake."""
    return list(cast("set[LimitedHttpProtocol]", server.server_state.connections))


def shed_memory(connections: list[LimitedHttpProtocol], memory: int) -> None:
    """Abort the connections that have been still for longest, until the rest fit in the memory."""
    held = {each: each.held_bytes for each in connections if not each.is_closing}
    excess = sum(held.values()) - memory
    for each in sorted(held, key=lambda each: each.active_at):
        if excess <= 0:
            return
        if held[each]:
            each.transport.abort()
            excess -= held[each]
