"""The page for those who watch the server: `GET /metrics`, and when a request is one for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seamless_database import __version__
from seamless_database.row_counts import RowCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from seamless_database.backend import Backend
    from seamless_database.figures import Requests

PATH = "/metrics"
_BODY = (b"content-length", b"transfer-encoding")


def is_asked(scope: Scope) -> bool:
    """Whether a request is for the metrics: one with a body is a request of the protocol."""
    if scope["path"] != PATH or scope["method"] not in ("GET", "HEAD"):
        return False
    return not any(name in _BODY and value != b"0" for name, value in scope["headers"])


class Metrics:
    """Gathers the figures of a server, and writes them down."""

    def __init__(self, database: Backend, requests: Requests) -> None:
        self._database = database
        self._requests = requests
        self._rows = RowCounts(database)

    async def page(self) -> tuple[str, bytes]:
        """Give the text and its content type."""
        rows = await self._rows.latest()
        # the first time, a library is loaded, which should not hold up anybody
        return await asyncio.to_thread(self._write, rows)

    def close(self) -> None:
        """Give up what takes long."""
        self._rows.close()

    def _write(self, rows: Mapping[str, int]) -> tuple[str, bytes]:
        from seamless_database import exposition

        database = self._database
        snapshot = exposition.Snapshot(
            version=__version__,
            writable=database.writable,
            requests=self._requests.items(),
            commits=database.commits,
            waiting=database.waiting,
            rows=rows,
            file_bytes=database.sizes(),
        )
        return exposition.text(snapshot), exposition.CONTENT_TYPE
