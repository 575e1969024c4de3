"""The page for those who watch the server: `GET /metrics`, and when a request is one for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seamless_database import __version__
from seamless_database.metrics.row_counts import RowCounts
from seamless_database.metrics.snapshot import MetricsSnapshot, merge_all
from seamless_database.server.worker import read_statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from seamless_database.metrics.counters import RequestMetrics
    from seamless_database.server.worker import WorkerContext
    from seamless_database.storage.backend import Backend

PATH = "/metrics"
_BODY = (b"content-length", b"transfer-encoding")


def is_scrape(scope: Scope) -> bool:
    """Whether a request is for the metrics: one with a body is a request of the protocol."""
    if scope["path"] != PATH or scope["method"] not in ("GET", "HEAD"):
        return False
    return not any(name in _BODY and value != b"0" for name, value in scope["headers"])


class Metrics:
    """Gathers the figures of a server, and writes them down.

    One worker of several tells the figures of all: its own, and what the others have posted.
    """

    def __init__(
        self, database: Backend, requests: RequestMetrics, worker: WorkerContext | None = None
    ) -> None:
        self._database = database
        self._requests = requests
        self._rows = RowCounts(database)
        self._worker = worker
        #: what those have counted who had our seat before: a count must never fall
        self._previous = MetricsSnapshot()
        if (
            worker is not None
            and (note := read_statuses(worker.shared_state).get(worker.number)) is not None
        ):
            self._previous = MetricsSnapshot.from_json({**note.figures, "waiting": 0})

    async def render(self) -> tuple[str, bytes]:
        """Give the text and its content type."""
        rows = await self._rows.current()
        # the first time, a library is loaded, which should not hold up anybody
        return await asyncio.to_thread(self._write, rows)

    def publish(self, worker: WorkerContext, idle: float) -> None:
        """Tell the other workers our figures, and for how long we have been idle."""
        worker.publish(idle, self._local().to_json())

    def close(self) -> None:
        """Give up what takes long."""
        self._rows.close()

    def _local(self) -> MetricsSnapshot:
        database = self._database
        own = MetricsSnapshot(
            dict(self._requests.items()), database.commits, database.queued_writes
        )
        return self._previous.merge(own)

    def _write(self, rows: Mapping[str, int]) -> tuple[str, bytes]:
        from seamless_database.metrics import prometheus

        figures, processes = self._local(), {}
        if self._worker is not None:
            found = read_statuses(self._worker.shared_state)
            processes = {str(number + 1): note.pid for number, note in found.items()}
            others = [note for number, note in found.items() if number != self._worker.number]
            figures = merge_all(
                [figures, *(MetricsSnapshot.from_json(note.figures) for note in others)]
            )
        snapshot = prometheus.Snapshot(
            version=__version__,
            writable=self._database.writable,
            requests=sorted(figures.requests.items(), key=repr),
            commits=figures.commits,
            waiting=figures.waiting,
            rows=rows,
            file_bytes=self._database.sizes(),
            processes=processes,
        )
        return prometheus.text(snapshot), prometheus.CONTENT_TYPE
