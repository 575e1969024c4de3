"""A load of requests over keep-alive connections, from one thread and one poll loop.

It sends bytes that were made before and looks at no more of an answer than its head, because on
two cores a comfortable client would be what is measured. It counts its own processor time, so
that a figure can say how near the generator itself was to its limit: while it is busy for much
less than the whole time, the server is what is measured. (14 µs a request; beside a bare uvicorn
application that makes it half busy, and `wrk`, which is C, gets no more out of that: 37,500
requests a second against 38,300 by this.)
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from tools.bench.database.response_parser import http

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.bench.database.response_parser import Framing

HOST = "127.0.0.1"
TIMEOUT = 60.0  # seconds without any answer
CHUNK = 1 << 18


class UnexpectedAnswerError(Exception):
    """A server answered something else than the workload is about."""


@dataclass(frozen=True)
class Result:
    """What a load came to; latencies are those of each request, in seconds."""

    seconds: float
    latencies: list[float]
    statuses: dict[int, int]
    #: processor seconds of the generator
    spent: float

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    @property
    def busy(self) -> float:
        """Part of the time that the generator was busy itself."""
        return self.spent / self.seconds

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent of the requests took at most."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def all_answered(self, *wanted: int) -> Result:
        """Return this, if every answer had one of these statuses."""
        if not set(self.statuses) <= set(wanted):
            names = " or ".join(map(str, wanted))
            raise UnexpectedAnswerError(f"answers by status: {self.statuses}, not all {names}")
        return self


def repeated(requests: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Give so many requests, from the start again after the last."""
    return (request for request, _ in zip(cycle(requests), range(count), strict=False))


def load(
    ports: int | Sequence[int],
    requests: Iterator[bytes],
    connections: int,
    *,
    seconds: float = float("inf"),
    framing: Framing = http,
) -> Result:
    """Send requests, each connection waiting for its answer, to the last or until time is up.

    The connections go to the ports alternately.
    """
    chosen = cycle([ports] if isinstance(ports, int) else ports)
    streams = [socket.create_connection((HOST, next(chosen))) for _ in range(connections)]
    try:
        for stream in streams:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # a pause of the collector would pass for one of the server
        gc.collect()
        gc.disable()
        return _exchange(streams, requests, seconds, framing)
    finally:
        gc.enable()
        for stream in streams:
            stream.close()


def _exchange(
    streams: list[socket.socket],
    requests: Iterator[bytes],
    seconds: float,
    framing: Framing,
) -> Result:
    opened = {stream.fileno(): stream for stream in streams}
    sent_at: dict[int, float] = {}
    partly: dict[int, bytes] = {}
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    clock, spent = time.perf_counter, time.process_time()
    begin = clock()
    deadline = begin + seconds
    with select.epoll() as poll:
        for number, stream in opened.items():
            poll.register(number, select.EPOLLIN)
            if (request := next(requests, None)) is not None:
                sent_at[number] = clock()
                stream.sendall(request)
        waiting = len(sent_at)
        while waiting:
            events = poll.poll(TIMEOUT)
            if not events:
                raise TimeoutError(f"no answer for {TIMEOUT} seconds")
            for number, _ in events:
                stream = opened[number]
                data = _received(stream, partly.pop(number, b"") if partly else b"")
                frame = framing(data)
                if frame is None or len(data) < frame[1]:
                    partly[number] = data
                    continue
                if len(data) > frame[1]:
                    raise UnexpectedAnswerError(f"more than one answer: {data[:500]!r}")
                now = clock()
                latencies.append(now - sent_at[number])
                statuses[frame[0]] += 1
                if now < deadline and (request := next(requests, None)) is not None:
                    sent_at[number] = clock()
                    stream.sendall(request)
                else:
                    waiting -= 1
    return Result(clock() - begin, latencies, dict(statuses), time.process_time() - spent)


def _received(stream: socket.socket, before: bytes) -> bytes:
    data = stream.recv(CHUNK)
    if not data:
        raise ConnectionError("a server closed the connection of the load generator")
    return before + data if before else data
