"""HTTP connections with limits: on their number, on headers, and on how slow a client may be.

What uvicorn reads from a connection it keeps without bounds of size or time, and what is no HTTP
it answers at once, even if the answer to an earlier request has not been sent yet. Here both are
bounded, and answers keep their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from seamless_database.http.pipelining import PARSED_AT_ONCE, PipelinedConnection
from seamless_database.http.send_rate import Progress

if TYPE_CHECKING:
    from seamless_database.http.fast_path import HeadCache
    from seamless_database.http.fast_path_handler import WriteCallback
    from seamless_database.http.request_log import Client

#: takes the body of a small request, and tells its answer later; False if it refuses
Take = Callable[[bytes, "Client", "WriteCallback"], bool]
#: seconds in which a client that was refused may read why; what it still sends is dropped. When
#: the server ends, also the seconds in which a client may take nothing of an answer.
LINGER = 2.0


@dataclass(frozen=True)
class Limits:
    """What clients may take of a server."""

    #: connections at a time; idle ones give way to new ones
    connections: int = 10_000
    #: bytes of a request's line and headers together, and the number of headers
    head: int = 64 * 1024
    headers: int = 100
    #: seconds that a client may take for a request, or not take any of its answer
    patience: float = 60.0
    #: bytes a second; a request of more than that gets more time
    pace: int = 16 * 1024
    #: seconds that a connection may be idle
    idle: float = 300.0
    #: bytes that all connections together may hold of what is not read, not parsed or not sent yet
    memory: int = 256 * 1024 * 1024


def shed(connections: Iterable[LimitedHttpProtocol], memory: int) -> None:
    """Abort connections that have stood still for longest, until the others hold so many bytes."""
    held = {each: each.held_bytes for each in connections if not each.is_closing}
    excess = sum(held.values()) - memory
    if excess <= 0:
        return
    for each in sorted(held, key=lambda each: each.active_at):
        if held[each]:
            each.transport.abort()
            excess -= held[each]
        if excess <= 0:
            return


class _HeadTooLargeError(Exception):
    """Ends the reading of a request; uvicorn takes it for malformed HTTP."""


class LimitedHttpProtocol(PipelinedConnection):
    """One connection; `look` is to be called about every second."""

    def __init__(
        self, *args: Any, limits: Limits, short_way: HeadCache | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._short_way = short_way
        #: complete requests among what was received last
        self._arrived = 0
        self._heard = self._looked = self.loop.time()
        # of the request that is arriving, if one is: since when, and how much of it
        self._arriving = False
        self._since, self._size = 0.0, 0
        #: bytes that belong neither to a complete head nor to a body
        self._loose = 0
        self._hang_up_at: float | None = None
        self._progress = Progress(self._heard, limits.patience, limits.pace)
        #: the TLS handshake, before which there is no transport
        self._handshake: asyncio.Task[None] | None = None

    def begin_handshake(self, handshake: asyncio.Task[None]) -> None:
        """Count as a connection before the TLS handshake has ended; an idle one gives way to it."""
        self._handshake = handshake
        self.connections.add(self)
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def end_handshake(self) -> bool:
        """Be a connection like any other; False if the handshake failed."""
        self._handshake = None
        # whatever uvicorn's annotation says
        transport: asyncio.Transport | None = self.transport
        if transport is None:
            self.connections.discard(self)
        return transport is not None

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # as in uvicorn
    ) -> None:
        """Take the connection, or refuse it if there are too many busy ones."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections and not self._make_room():
            self._refuse(503, "too many connections; try again later")

    def data_received(self, data: bytes) -> None:
        """Parse what was received, unless the connection is only waiting to be closed."""
        if self._deaf:
            return
        self._heard = self.loop.time()
        if self._taken or self.pipeline or self._unparsed:
            # spelt out, because every small request comes by here
            self._parse(data)
            return
        at_rest = not (self._arriving or self._busy or self.transport.is_closing())
        if at_rest and self._answered_at_once(data):
            return
        self._arrived = 0
        if len(data) <= PARSED_AT_ONCE:
            self._parse_piece(data)
        else:
            self._parse(data)
        if at_rest and self._arrived == 1 and not (self._arriving or self._deaf):
            self._learn(data)

    def _parse_piece(self, piece: bytes) -> None:
        self._size += len(piece)
        self._loose += len(piece)
        super()._parse_piece(piece)
        if self._loose > self._limits.head:
            self._refuse(431, f"the headers are larger than {self._limits.head} bytes")

    def shutdown(self) -> None:
        """Finish what has begun, because the server ends."""
        if self._handshake is not None:
            self._handshake.cancel()
        elif self._hang_up_at is None:
            super().shutdown()
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what uvicorn cannot read, in our words."""
        self._refuse(400, "this is not HTTP")

    def on_message_begin(self) -> None:
        """Note that a request has begun to arrive."""
        super().on_message_begin()
        self._arriving = True
        self._since, self._size = self._heard, 0

    def on_headers_complete(self) -> None:
        """Look at the size of the headers before the request begins."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.head or len(self.headers) > self._limits.headers:
            self._refuse(431, f"more than {self._limits.headers} headers, or too large ones")
            raise _HeadTooLargeError
        super().on_headers_complete()
        self._loose = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        super().on_body(body)
        self._loose = 0

    def on_message_complete(self) -> None:
        """Note that a request has arrived."""
        super().on_message_complete()
        self._arrived += 1
        self._arriving = False
        self._loose = 0

    def on_response_complete(self) -> None:
        """Go on with the next request, if there may be one."""
        last = not self.pipeline
        super().on_response_complete()
        if self._deaf and last:
            self.transport.close()

    def look(self) -> None:
        """Give up on a client that has used up our patience."""
        if self._handshake is not None:
            # the event loop has the same timeout for it
            return
        now = self.loop.time()
        if self.flow.read_paused:
            # it is us who keep the request from arriving
            self._since += now - self._looked
        self._looked = now
        self._progress.note(now, self.unsent, self._running)
        if self._progress.is_too_slow(now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._hang_up_at is not None:
            if now > self._hang_up_at:
                self.transport.close()
        elif self._arriving:
            if now - self._since > self._limits.patience + self._size / self._limits.pace:
                self._refuse(408, "the request did not arrive in time")
        elif self.idle_since is not None and now - self.idle_since > self._limits.idle:
            self.transport.close()

    @property
    def idle_since(self) -> float | None:
        """When something was last received or sent, if no request or answer is under way."""
        if self._arriving or self._busy:
            return None
        return self.active_at

    @property
    def held_bytes(self) -> int:
        """Bytes that were received but not used yet, or that are to be sent."""
        return super().held_bytes + (self._size if self._arriving else 0)

    @property
    def unsent(self) -> int:
        """Bytes of answers that the client has not taken yet."""
        return 0 if self._handshake is not None else self.transport.get_write_buffer_size()

    def is_stalled(self, now: float) -> bool:
        """Tell whether the client has taken nothing for `LINGER` seconds, as of the last look."""
        return now - self._progress.moved_at > LINGER

    @property
    def active_at(self) -> float:
        """When something was last received, or taken of an answer."""
        return max(self._heard, self._progress.moved_at) if self._progress.unsent else self._heard

    @property
    def _busy(self) -> RequestResponseCycle | None:
        """The request whose answer is not complete, the last one if there are several."""
        # None until there is one, whatever uvicorn's annotation says
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    def _answered_at_once(self, data: bytes) -> bool:
        """Answer a small request on the spot, or take one, if it is one for which that is done."""
        way = self._short_way
        if way is None or self.flow.write_paused:
            return False
        body = way.body(data)
        if body is None:
            return False
        if data.startswith(b"PUT"):
            return self._took(way, way.requests.put, body)
        if not way.requests.at_once:
            again = partial(self._parse_again, data)
            return self._took(way, partial(way.requests.get_soon, again=again), body)
        answer = way.requests.get(body, self.client)
        if answer is None:
            return False
        # from here on, `look` ends what stays idle
        self._unset_keepalive_if_required()
        self.server_state.total_requests += 1
        own = self.server_state.default_headers
        self.transport.write(way.answer(*answer, own, last=False))
        return True

    def _took(self, way: HeadCache, take: Take, body: bytes) -> bool:
        """Have a small request done; until it is, the connection is as busy as with any request."""
        cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        if not take(body, self.client, partial(self._tell, way, cycle)):
            return False
        self._unset_keepalive_if_required()
        self.cycle = self._running = cycle
        self._taken = True
        return True

    def _parse_again(self, data: bytes) -> None:
        """Let uvicorn have a request that was taken, but whose answer is too large for that."""
        self._taken, self.cycle.response_complete = False, True
        self._unparsed = data + self._unparsed
        self._parse_rest()

    def _tell(self, way: HeadCache, cycle: RequestResponseCycle, status: int, text: bytes) -> None:
        """Answer what was taken; an answer to the last request closes the connection."""
        cycle.response_complete = True
        self._taken = False
        if cycle.disconnected or self.transport.is_closing():
            return
        own, last = self.server_state.default_headers, not cycle.keep_alive
        self.transport.write(way.answer(status, text, own, last=last))
        if last:
            self.transport.close()
        self.on_response_complete()

    def _learn(self, data: bytes) -> None:
        """Remember the head of the one request that has just arrived at once."""
        if self._short_way is not None and self.scope["http_version"] == "1.1":
            self._short_way.remember(data, self.scope["method"], self.url, self.scope["headers"])

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest; False if none is idle."""
        idle = [
            (other.idle_since, id(other), other)
            for other in self.connections
            if isinstance(other, LimitedHttpProtocol)
            and other is not self
            and other.idle_since is not None
            and not other.is_closing
        ]
        if not idle:
            return False
        min(idle)[-1]._evict()
        return True

    @property
    def is_closing(self) -> bool:
        """Whether the connection is about to be closed."""
        return self._handshake is None and self.transport.is_closing()

    def _evict(self) -> None:
        if self._handshake is None:
            # a TLS client that is idle would not answer to the goodbye, and keep its file open
            self.transport.abort()
        else:
            self._handshake.cancel()
            self.connections.discard(self)

    def _refuse(self, status: int, text: str) -> None:
        """Answer what will never be a request, after those that are; then hang up."""
        if self._deaf or self.transport.is_closing():
            return
        self._deaf = True
        busy = self._busy
        if self.pipeline and self.pipeline[0][0].more_body:
            # the unfinished one waits behind others, whose answers come first
            self.pipeline.popleft()
        elif busy is None or busy.more_body:
            self._answer(busy, status, text)
            return
        # the last of the answers that are still to come closes the connection
        self._arriving = False

    def _answer(self, busy: RequestResponseCycle | None, status: int, text: str) -> None:
        if busy is not None:
            # so that nobody waits for the rest of it
            busy.disconnected = True
            busy.message_event.set()
        if busy is None or not busy.response_started:
            body = f"ERROR: {text}".encode()
            head = [
                *self.server_state.default_headers,
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
            ]
            lines = b"".join(b"%b: %b\r\n" % header for header in head)
            self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
        if self.transport.can_write_eof():
            # closed at once, the connection would be reset under the client that still sends
            self.transport.write_eof()
            self._hang_up_at = self.loop.time() + LINGER
        else:
            self.transport.close()
