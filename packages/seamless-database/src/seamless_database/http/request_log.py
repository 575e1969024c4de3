"""What is kept of each request: it is counted, it is logged, and it keeps the server busy.

Belongs to the event loop, as the parts do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seamless_database.http.access_log import Entry
from seamless_database.metrics.counters import UNKNOWN, RequestMetrics
from seamless_database.request_types import READS, WRITES

if TYPE_CHECKING:
    from seamless_database.http.access_log import AccessLog
    from seamless_database.http.idle import IdleTracker

METHODS = ("GET", "HEAD", "PUT")
#: the types that requests are counted by
TYPES = ("healthcheck", *READS, *WRITES)
#: where a request comes from: host and port
Client = tuple[str, int] | None


@dataclass(slots=True)
class RequestContext:
    """One request on its way, as it is told of."""

    method: str
    path: str
    client: Client
    type: str = UNKNOWN
    #: bytes of memory that are taken for a large answer
    memory: int = 0
    begun: float = field(default_factory=time.perf_counter)


class RequestRecorder:
    """Keeps count of the requests of one server."""

    def __init__(self, activity: IdleTracker, log: AccessLog | None) -> None:
        self.activity = activity
        self.requests = RequestMetrics(METHODS, TYPES)
        self._log = log

    def record(self, exchange: RequestContext, status: int, size: int) -> None:
        """Count a request that was answered with so many bytes, or whose client has gone."""
        seconds = time.perf_counter() - exchange.begun
        self.requests.add(exchange.method, exchange.type, status, seconds)
        if self._log is not None:
            client = ":".join(map(str, exchange.client or ()))
            request = (client, exchange.method, exchange.path, exchange.type)
            self._log.add(Entry(*request, status, size, seconds, time.time()))
