"""An HTTP/1.1 connection: parse requests, run them one after the other, keep responses in order.

Requests that arrive before earlier ones are answered (pipelining) wait unparsed, so that a
connection holds little more than it has read at once. When the client disconnects, every request
of the connection learns of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httptools

from seamless_database.http.request_cycle import FlowControl, RequestCycle

if TYPE_CHECKING:
    from seamless_database.http.request_cycle import ASGIApplication
    from seamless_database.http.request_log import Client
    from seamless_database.http.responses import Header

#: bytes that are parsed at once
PARSED_AT_ONCE = 2048
#: seconds for which one connection is parsed before the event loop serves the others; a body that
#: consists of chunks of one byte takes longer than that
PARSING_SECONDS = 0.005
#: bytes of a body that wait for the application, and bytes of responses that wait for the client
HIGH_WATER_MARK = 64 * 1024


_ASGI_VERSION = {"version": "3.0", "spec_version": "2.3"}


class UnsupportedRequestError(Exception):
    """Ends the parsing of a request that this server does not take."""


class HttpConnection(asyncio.Protocol):
    """One connection; a subclass decides what a client may do."""

    transport: asyncio.Transport
    flow: FlowControl

    def __init__(
        self,
        app: ASGIApplication,
        loop: asyncio.AbstractEventLoop,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        self.app = app
        self.loop = loop
        #: the tasks of all connections; the server waits for them when it stops
        self.tasks = tasks
        self.client: Client = None
        self._scheme = "http"
        self._parser = self._new_parser()
        #: requests without a complete response, the oldest first; only that one runs
        self._cycles: deque[RequestCycle] = deque()
        #: requests that have begun to arrive, and parts of requests that are complete
        self._begun = self._parts = 0
        self._is_arriving = False
        #: the request whose body is arriving
        self._arriving_cycle: RequestCycle | None = None
        self._url = b""
        self._headers: list[Header] = []
        self._expects_continue = False
        self._unparsed = b""
        #: whether everything that still arrives is dropped
        self._rejecting = False
        #: the head, without the upgrade, of a request that asks for another protocol
        self._plain_head = b""

    @property
    def default_headers(self) -> list[Header]:
        """The headers that the server adds to every response."""
        raise NotImplementedError

    def reject_malformed(self) -> None:
        """Reject what is not HTTP."""
        raise NotImplementedError

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # what a stream socket has
    ) -> None:
        """Take the connection."""
        self.transport = transport
        self.flow = FlowControl(transport)
        address = transport.get_extra_info("peername")
        # a client over a Unix socket has no port
        self.client = address[:2] if isinstance(address, tuple) else None
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        # the default of TLS is eight times as much
        transport.set_write_buffer_limits(HIGH_WATER_MARK)

    def connection_lost(self, _error: Exception | None) -> None:
        """Mark every request of the connection as disconnected, and wake it."""
        self._unparsed = b""
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.wake()
        self.flow.resume_writing()
        # the application records the requests that were waiting, but does not execute them
        waiting = [cycle for cycle in self._cycles if cycle.task is None]
        self._cycles.clear()
        for cycle in waiting:
            self._run(cycle)

    def pause_writing(self) -> None:
        """Make responses wait, because the client does not read."""
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        """Let responses go on."""
        self.flow.resume_writing()

    def write(self, data: bytes) -> None:
        """Send something to the client, unless the connection is closing."""
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Close the connection once what was written has been sent."""
        self.transport.close()

    # callbacks of the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begun += 1
        self._is_arriving = True
        self._url = b""
        self._headers = []
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which is ignored."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the request, unless the parser would take its body for another protocol."""
        parser = self._parser
        self._parts += 1
        if parser.should_upgrade():
            self._plain_head = self._head_without_upgrade()
            return
        path, raw_path, query = _split_url(self._url)
        version = parser.get_http_version()
        scope = {
            "type": "http",
            "asgi": _ASGI_VERSION,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": self._scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
            "client": self.client,
        }
        # trailers come by the same callback as headers, and must not be added to them
        self._headers = []
        cycle = RequestCycle(
            self,
            scope,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            expects_continue=self._expects_continue,
        )
        self._arriving_cycle = cycle
        self._cycles.append(cycle)
        if len(self._cycles) == 1:
            self._run(cycle)
        else:
            self._hold_reading()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._parts += 1
        cycle = self._arriving_cycle
        if cycle is None or cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_MARK:
            self.flow.pause_reading()
        cycle.wake()

    def on_message_complete(self) -> None:
        """Complete a request."""
        self._parts += 1
        self._is_arriving = False
        cycle = self._arriving_cycle
        if cycle is not None:
            cycle.more_body = False
            cycle.wake()
            self._arriving_cycle = None

    def on_response_complete(self, cycle: RequestCycle) -> None:
        """Close the connection, or go on with the next request if there is one."""
        self._cycles.popleft()
        if not cycle.keep_alive or (self._rejecting and not self._cycles):
            self.close()
        if self.transport.is_closing():
            return
        if self._cycles:
            self._run(self._cycles[0])
        if self._unparsed:
            self._parse_rest()
        elif not self._must_wait:
            self.flow.held = False
            self.flow.resume_reading()

    # parsing

    @property
    def held_bytes(self) -> int:
        """Bytes that were received and not used yet, or that wait to be sent."""
        bodies = sum(len(cycle.body) for cycle in self._cycles)
        return len(self._unparsed) + bodies + self.transport.get_write_buffer_size()

    @property
    def _must_wait(self) -> bool:
        """Whether received bytes stay unparsed, behind requests that wait for their turn."""
        return len(self._cycles) > 1 or bool(self._unparsed)

    def _run(self, cycle: RequestCycle) -> None:
        cycle.task = self.loop.create_task(cycle.run(self.app))
        self.tasks.add(cycle.task)

    def _parse(self, data: bytes) -> None:
        """Parse what may be parsed now, and keep the rest without reading more meanwhile."""
        started = self.loop.time()
        for start in range(0, len(data), PARSED_AT_ONCE):
            if self._rejecting:
                return
            if self._must_wait:
                self._keep(data[start:])
                return
            if self.loop.time() - started > PARSING_SECONDS:
                self._keep(data[start:])
                self.loop.call_soon(self._parse_rest)
                return
            self._parse_chunk(data[start : start + PARSED_AT_ONCE])

    def _keep(self, data: bytes) -> None:
        self._unparsed += data
        self._hold_reading()

    def _hold_reading(self) -> None:
        self.flow.held = True
        self.flow.pause_reading()

    def _parse_rest(self) -> None:
        """Continue where parsing had to wait."""
        data, self._unparsed = self._unparsed, b""
        if not data or self.transport.is_closing():
            return
        if not self._must_wait:
            self.flow.held = False
            self.flow.resume_reading()
        self._parse(data)

    def _parse_chunk(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # a server may ignore the upgrade, but then the body is no request of its own
            (end,) = upgrade.args
            head, self._plain_head = self._plain_head, b""
            self._parser = self._new_parser()
            HttpConnection._parse_chunk(self, head + data[end:])
        except httptools.HttpParserError:
            self.reject_malformed()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # a response may close the connection although more requests have arrived
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _head_without_upgrade(self) -> bytes:
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        if method == b"CONNECT":
            raise UnsupportedRequestError
        lines = [b"%b %b HTTP/%b" % (method, self._url, version)]
        for name, value in self._headers:
            if name == b"connection":
                options = [option.strip() for option in value.split(b",")]
                kept = b", ".join(option for option in options if option.lower() != b"upgrade")
                lines.append(b"connection: %b" % kept)
            elif name != b"upgrade":
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"\r\n"])


@lru_cache(maxsize=64)
def _split_url(url: bytes) -> tuple[str, bytes, bytes]:
    """Split a URL into the decoded path, the path as it was sent, and the query."""
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return unquote(path) if "%" in path else path, parsed.path, parsed.query or b""
