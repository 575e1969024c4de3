"""A load of HTTP requests over keep-alive connections, from one thread and one poll loop.

It sends bytes that were made before and reads answers by their `content-length`, because on two
cores a comfortable client would be what is measured.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEAD_END = b"\r\n\r\n"
PATIENCE = 30.0  # seconds without any answer


def request(method: str, body: bytes) -> bytes:
    """Write one request."""
    head = f"{method} / HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass
class _Connection:
    """One connection, with the answer that is on its way."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    sent_at: float = 0.0

    def send(self, data: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(data)

    def answer(self) -> int | None:
        """Read what has come; the status once the answer is complete."""
        self.received += self.socket.recv(65536)
        end = self.received.find(HEAD_END)
        if end < 0:
            return None
        head = bytes(self.received[:end]).lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(self.received) < end + 4 + length:
            return None
        self.received.clear()
        return int(head[9:12])


@dataclass(frozen=True)
class Result:
    """What a load came to: requests, seconds, and the latency of each request in seconds."""

    seconds: float
    latencies: list[float]
    statuses: dict[int, int]

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds


def load(port: int, requests: Iterable[bytes], connections: int, count: int) -> Result:
    """Send `count` requests over so many connections, each waiting for its answer."""
    source: Iterator[bytes] = cycle(requests)
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    poll = select.epoll()
    opened = {}
    for _ in range(connections):
        stream = socket.create_connection(("127.0.0.1", port))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened[stream.fileno()] = _Connection(stream)
        poll.register(stream.fileno(), select.EPOLLIN)
    begin, sent = time.perf_counter(), 0
    for connection in opened.values():
        connection.send(next(source))
        sent += 1
    while len(latencies) < count:
        events = poll.poll(PATIENCE)
        if not events:
            raise TimeoutError(f"no answer for {PATIENCE} seconds")
        for number, _ in events:
            connection = opened[number]
            status = connection.answer()
            if status is None:
                continue
            latencies.append(time.perf_counter() - connection.sent_at)
            statuses[status] = statuses.get(status, 0) + 1
            if sent < count:
                connection.send(next(source))
                sent += 1
    seconds = time.perf_counter() - begin
    for connection in opened.values():
        connection.socket.close()
    poll.close()
    return Result(seconds, latencies, statuses)
