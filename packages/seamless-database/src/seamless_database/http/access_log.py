"""One line of JSON for each request, made and written by the thread of a `LineWriter`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seamless_database.http.line_writer import LineWriter

#: how much of a path, which may be of any length, is repeated
MAX_PATH = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """What is told of one request."""

    client: str
    method: str
    path: str
    type: str
    status: int
    #: bytes of the answer
    size: int
    seconds: float
    #: when it was answered
    when: float

    def line(self, dropped: int) -> str:
        """Write it down; `dropped` are the lines that are missing before this one."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(self.when, timezone.utc).isoformat("T", "milliseconds"),
            "client": self.client,
            "method": self.method,
            "path": self.path[:MAX_PATH],
            "type": self.type[:MAX_PATH],
            "status": self.status,
            "bytes": self.size,
            "ms": round(1000 * self.seconds, 3),
        }
        if dropped:
            told["dropped"] = dropped
        return json.dumps(told) + "\n"


class AccessLog:
    """Has a line written about each request."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def add(self, entry: Entry) -> None:
        """Have an entry written, unless too many are waiting already."""
        self._writer.put(lambda dropped: entry.line(dropped).encode())
