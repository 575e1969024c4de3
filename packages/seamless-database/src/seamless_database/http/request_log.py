"""Record finished requests: count them for the metrics, and write the access log.

Everything here belongs to the event loop. A line of the access log is formatted and written by the
thread of a `LineWriter`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from seamless_database.metrics.counters import UNKNOWN, RequestMetrics
from seamless_database.request_types import READS, WRITES

if TYPE_CHECKING:
    from seamless_database.http.line_writer import LineWriter

METHODS = ("GET", "HEAD", "PUT")
#: the request types that requests are counted by
TYPES = ("healthcheck", *READS, *WRITES)
#: characters of a path or a type that a line repeats; the client may send any length
MAX_SHOWN = 200
#: host and port of a client
Client = tuple[str, int] | None


@dataclass(slots=True)
class RequestContext:
    """What is recorded of a request, and what it holds until its response is sent."""

    method: str
    path: str
    client: Client
    type: str = UNKNOWN
    #: bytes of the memory budget that its large response holds
    memory: int = 0
    started: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the access log."""

    client: str
    method: str
    path: str
    type: str
    status: int
    #: bytes of the response body
    size: int
    seconds: float
    #: time of the response, in seconds since 1970
    when: float

    def line(self, dropped: int) -> str:
        """Format the line; `dropped` is the number of lines that are missing before it."""
        values: dict[str, object] = {
            "time": datetime.fromtimestamp(self.when, timezone.utc).isoformat("T", "milliseconds"),
            "client": self.client,
            "method": self.method,
            "path": self.path[:MAX_SHOWN],
            "type": self.type[:MAX_SHOWN],
            "status": self.status,
            "bytes": self.size,
            "ms": round(1000 * self.seconds, 3),
        }
        if dropped:
            values["dropped"] = dropped
        return json.dumps(values) + "\n"


class AccessLog:
    """Writes one line of JSON for each request."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def add(self, entry: Entry) -> None:
        """Queue a line, or drop it when too many are queued."""
        self._writer.put(lambda dropped: entry.line(dropped).encode())


class RequestRecorder:
    """Records the requests of one server process."""

    def __init__(self, log: AccessLog | None) -> None:
        self.requests = RequestMetrics(METHODS, TYPES)
        self._log = log

    def record(self, context: RequestContext, status: int, size: int) -> None:
        """Record a finished request, by the status and the body size of its response."""
        seconds = time.perf_counter() - context.started
        self.requests.add(context.method, context.type, status, seconds)
        if self._log is not None:
            client = ":".join(map(str, context.client or ()))
            request = (client, context.method, context.path, context.type)
            self._log.add(Entry(*request, status, size, seconds, time.time()))
