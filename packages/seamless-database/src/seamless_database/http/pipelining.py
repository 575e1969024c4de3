"""HTTP connections on which requests may come before earlier ones are answered.

uvicorn parses all that it receives, at 3 KB for each request however small it is, and when the
connection is lost it tells the last of several requests only. Here a connection holds little more
than it has read at once, and every request learns that its client has gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application

#: bytes that are parsed at once
PARSED_AT_ONCE = 2048
#: seconds after which other connections have their turn; chunks of one byte each take so long
PARSING_SECONDS = 0.005


class _Flow(FlowControl):
    """Flow control that does not read on while there is something left to be parsed."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class _NoRequestError(Exception):
    """Ends the parsing of what is no request to a server like this; uvicorn answers 400."""


class PipelinedConnection(HttpToolsProtocol):
    """One connection, whose requests wait unparsed while earlier ones are answered."""

    flow: _Flow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: the request that is being answered; uvicorn keeps only the last of several
        self._running: RequestResponseCycle | None = None
        #: whether that is one which uvicorn does not know of
        self._taken = False
        self._unparsed = b""
        #: whether nothing is parsed any more
        self._deaf = False
        #: the head, without the upgrade, of a request that asks for another protocol
        self._plain_head = b""

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # as in uvicorn
    ) -> None:
        """Take the connection."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        # the default is eight times as much for TLS
        transport.set_write_buffer_limits(HIGH_WATER_LIMIT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request of the connection that its client has gone."""
        super().connection_lost(exc)
        self._unparsed = b""
        for cycle in (self._running, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        # the app counts and logs them, but does nothing that they ask for
        while self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def on_headers_complete(self) -> None:
        """Begin a request, unless the parser would take its body for another protocol."""
        if self.parser.should_upgrade():
            self._plain_head = self._head_without_upgrade()
            return
        super().on_headers_complete()
        # trailers come by the same callback as headers, and must not become some
        self.headers = []

    def on_message_complete(self) -> None:
        """Note that a request has arrived."""
        if not self._plain_head:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, if there is one."""
        super().on_response_complete()
        if self._unparsed:
            self._parse_rest()

    @property
    def held_bytes(self) -> int:
        """Bytes that were received but not used yet, or that are to be sent."""
        # both may be None before the first request, whatever uvicorn's annotations say
        transport: asyncio.Transport | None = self.transport
        cycle: RequestResponseCycle | None = self.cycle
        if transport is None:
            return 0
        body = 0 if cycle is None else len(cycle.body)
        return len(self._unparsed) + body + transport.get_write_buffer_size()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _must_wait(self) -> bool:
        """Whether what is received now belongs behind requests that are not being answered yet."""
        return self._taken or bool(self.pipeline or self._unparsed)

    def _parse(self, data: bytes) -> None:
        """Parse as much as may be parsed now; keep the rest, and read no more meanwhile."""
        begun = self.loop.time()
        for start in range(0, len(data), PARSED_AT_ONCE):
            if self._deaf:
                return
            if self._must_wait:
                self._keep(data[start:])
                return
            if self.loop.time() - begun > PARSING_SECONDS:
                self._keep(data[start:])
                self.loop.call_soon(self._parse_rest)
                return
            self._parse_piece(data[start : start + PARSED_AT_ONCE])

    def _keep(self, data: bytes) -> None:
        self._unparsed += data
        self.flow.held = True
        self.flow.pause_reading()

    def _parse_piece(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            # a server may ignore the wish, but then the body is a body and no new request
            (end,) = upgrade.args
            head, self._plain_head = self._plain_head, b""
            self.parser = httptools.HttpRequestParser(self)
            # as uvicorn sets it
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            PipelinedConnection._parse_piece(self, head + piece[end:])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise _NoRequestError
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                words = [word.strip() for word in value.split(b",")]
                kept = b", ".join(word for word in words if word.lower() != b"upgrade")
                lines.append(b"connection: %b" % kept)
            elif name != b"upgrade":
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"\r\n"])

    def _parse_rest(self) -> None:
        """Go on where parsing had to wait."""
        data, self._unparsed = self._unparsed, b""
        if not data or self.transport.is_closing():
            return
        if not self._must_wait:
            self.flow.held = False
            self.flow.resume_reading()
        self._parse(data)
