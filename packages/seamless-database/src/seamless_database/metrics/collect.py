"""Collect the metrics of a server for `GET /metrics`, over all its worker processes."""

from __future__ import annotations

import asyncio
from functools import reduce
from typing import TYPE_CHECKING, Any

from seamless_database import __version__
from seamless_database.errors import DatabaseError
from seamless_database.metrics.counters import MetricsSnapshot
from seamless_database.storage.row_estimates import estimate_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from seamless_database.metrics.counters import RequestMetrics
    from seamless_database.metrics.worker_status import StatusSlot
    from seamless_database.storage.backend import Backend

PATH = "/metrics"
_BODY_HEADERS = (b"content-length", b"transfer-encoding")


def is_scrape(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request is for the metrics: one with a body is a request of the protocol."""
    if scope["path"] != PATH or scope["method"] not in ("GET", "HEAD"):
        return False
    return not any(name in _BODY_HEADERS and value != b"0" for name, value in scope["headers"])


class Metrics:
    """The metrics of a server; each worker process can render those of all of them.

    Parameters
    ----------
    database
        the database that this process serves
    requests
        the requests of this process
    status_slot
        where a worker process publishes its metrics; None for a single process
    """

    def __init__(
        self,
        database: Backend,
        requests: RequestMetrics,
        status_slot: StatusSlot | None = None,
    ) -> None:
        self._database = database
        self._requests = requests
        self._status_slot = status_slot
        #: the counts of the previous process with this slot: a counter must never fall
        self._previous = MetricsSnapshot()
        if status_slot is not None and (status := status_slot.previous()) is not None:
            self._previous = MetricsSnapshot.from_json({**status.metrics, "queued_writes": 0})

    async def render(self) -> tuple[str, bytes]:
        """Return the text for Prometheus and its content type."""
        return await asyncio.to_thread(self._render)

    def publish(self, status_slot: StatusSlot, idle_seconds: float) -> None:
        """Publish the metrics of this process for the other workers."""
        status_slot.publish(idle_seconds, self._snapshot().to_json())

    def _snapshot(self) -> MetricsSnapshot:
        database = self._database
        own = MetricsSnapshot(
            dict(self._requests.items()), database.commits, database.queued_writes
        )
        return self._previous.merge(own)

    def _rows(self) -> Mapping[str, int]:
        try:
            return estimate_rows(self._database)
        except DatabaseError:
            # a database that is locked or being closed still has its other metrics
            return {}

    def _render(self) -> tuple[str, bytes]:
        # loaded at the first scrape, because it would slow down every start
        from seamless_database.metrics import prometheus

        snapshot, processes = self._snapshot(), {}
        if self._status_slot is not None:
            others = [
                MetricsSnapshot.from_json(each.metrics) for each in self._status_slot.others()
            ]
            snapshot = reduce(MetricsSnapshot.merge, others, snapshot)
            statuses = self._status_slot.shared_state.read_statuses()
            processes = {str(number + 1): status.pid for number, status in statuses.items()}
        page = prometheus.Page(
            version=__version__,
            writable=self._database.writable,
            metrics=snapshot,
            rows=self._rows(),
            file_bytes=self._database.sizes(),
            processes=processes,
        )
        return prometheus.render(page), prometheus.CONTENT_TYPE
