"""One request on a connection: the ASGI `receive` and `send` of its task, and its response."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from seamless_database.http.responses import CLOSE, INTERNAL_ERROR, encode_head, encode_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

    from seamless_database.http.responses import Header

    ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LOG = logging.getLogger(__name__)


class FlowControl:
    """Pauses reading for the server's own reasons, and writers while the client does not read."""

    __slots__ = ("_transport", "held", "read_paused", "writable")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        #: whether reading stays paused although the application asks for more of a body
        self.held = False
        #: set once the client has read enough; None unless writers have to wait for that
        self.writable: asyncio.Event | None = None

    def pause_reading(self) -> None:
        """Stop reading from the client."""
        if not self.read_paused:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless reading is held."""
        if self.read_paused and not self.held:
            self.read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Make writers wait."""
        self.writable = self.writable or asyncio.Event()

    def resume_writing(self) -> None:
        """Wake the writers up."""
        if self.writable is not None:
            self.writable.set()
            self.writable = None


class RequestConnection(Protocol):
    """What a request uses of its connection, which is in `connection.py`."""

    flow: FlowControl
    #: the tasks of all connections
    tasks: set[asyncio.Task[None]]

    @property
    def default_headers(self) -> list[Header]:
        """The headers that the server adds to every response."""

    def write(self, data: bytes) -> None:
        """Send something to the client, unless the connection is closing."""

    def close(self) -> None:
        """Close the connection once what was written has been sent."""

    def on_response_complete(self, cycle: RequestCycle) -> None:
        """Go on with the next request, or close the connection."""


class RequestCycle:
    """One request and its response; its task runs `run`.

    The head of a response is sent together with the first part of its body.
    """

    #: runs the application; None until the request is the oldest of its connection
    task: asyncio.Task[None] | None = None
    #: whether more of the body will arrive
    more_body = True
    disconnected = False
    response_started = False
    response_complete = False
    #: bytes of the response body that the application has not sent yet
    unsent_length = 0
    #: the head of the response, until the first part of the body
    _head = b""
    #: whether the application has received the last part of the body
    _is_delivered = False
    _waiter: asyncio.Future[None] | None = None

    def __init__(
        self,
        connection: RequestConnection,
        scope: Scope,
        *,
        keep_alive: bool,
        expects_continue: bool,
    ) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self._connection = connection
        self._flow = connection.flow
        self._expects_continue = expects_continue
        #: what has arrived of the body and was not received by the application yet
        self.body = bytearray()

    async def run(self, app: ASGIApplication) -> None:
        """Call the application; whatever it does, the client gets a response or a closed end."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:  # noqa: BLE001  # also the cancellation of a shutdown
            _LOG.error("a request failed unexpectedly", exc_info=error)
        if not self._is_over:
            connection = self._connection
            if not self.response_started:
                connection.write(encode_response(INTERNAL_ERROR, connection.default_headers))
            connection.close()
        if self.task is not None:
            self._connection.tasks.discard(self.task)

    async def receive(self) -> Message:
        """Wait for a part of the body, or for the end of the connection."""
        if self._expects_continue:
            self._expects_continue = False
            self._connection.write(_CONTINUE)
        if not self.body and (self.more_body or self._is_delivered) and not self._is_over:
            self._flow.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._is_over:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        self._is_delivered = not self.more_body
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Send the head or a part of the body; waits while the client does not read."""
        if (writable := self._flow.writable) is not None and not self.disconnected:
            await writable.wait()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._start_response(message)
            return
        body: bytes = message["body"]
        if self.scope["method"] == "HEAD":
            body = b""
        self.unsent_length -= len(body)
        if self._head:
            self._expects_continue = False
            self.response_started = True
            body, self._head = self._head + body, b""
        self._connection.write(body)
        if not message.get("more_body", False):
            if self.unsent_length:
                raise RuntimeError("a response body has another length than its header says")
            self.response_complete = True
            self.wake()
            self._connection.on_response_complete(self)

    def wake(self) -> None:
        """Let `receive` look again for a part of the body, or the end of the connection."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def _is_over(self) -> bool:
        return self.disconnected or self.response_complete

    def _start_response(self, message: Message) -> None:
        headers = message["headers"]
        for name, value in headers:
            if name == b"content-length" and self.scope["method"] != "HEAD":
                self.unsent_length = int(value)
            elif name == b"connection":
                # the only value that the application sends is `close`
                self.keep_alive = False
                headers = [header for header in headers if header != CLOSE]
        last = () if self.keep_alive else (CLOSE,)
        self._head = encode_head(message["status"], self._connection.default_headers, headers, last)
