"""One line of JSON for each request, for those who ask for it; a slow reader delays nobody.

Lines are made and written by a thread. What it cannot write in time is dropped, and the next
line tells how many that were.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

#: lines that may wait to be written
MAX_WAITING = 10_000
#: seconds that the end waits for them
PATIENCE = 1.0
#: how much of a path, which may be of any length, is repeated
SHOWN = 200


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
            "path": self.path[:SHOWN],
            "type": self.type[:SHOWN],
            "status": self.status,
            "bytes": self.size,
            "ms": round(1000 * self.seconds, 3),
        }
        if dropped:
            told["dropped"] = dropped
        return json.dumps(told) + "\n"


class AccessLog:
    """Writes entries to an open file; a context manager that finishes what is waiting, in time.

    The file is a descriptor: a Python stream has a lock, and the thread that holds it for a
    reader that does not read would keep the interpreter from ending.
    """

    def __init__(self, descriptor: int, *, max_waiting: int = MAX_WAITING) -> None:
        self._descriptor = descriptor
        self._max_waiting = max_waiting
        self._queue: queue.SimpleQueue[tuple[Entry, int] | None] = queue.SimpleQueue()
        # of the thread that calls `add` alone
        self._dropped = 0
        self._thread = threading.Thread(target=self._loop, name="access-log", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Have an entry written, unless too many are waiting already."""
        if self.waiting >= self._max_waiting:
            self._dropped += 1
            return
        self._queue.put((entry, self._dropped))
        self._dropped = 0

    @property
    def waiting(self) -> int:
        """How many entries are to be written yet."""
        return self._queue.qsize()

    def close(self) -> None:
        """Write what is waiting; give up on a file that takes too long."""
        self._queue.put(None)
        self._thread.join(PATIENCE)

    def __enter__(self) -> AccessLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _loop(self) -> None:
        while (item := self._queue.get()) is not None:
            entry, dropped = item
            try:
                self._write(entry.line(dropped).encode())
            except OSError:
                # full or gone: no reason to stop serving, nor to stop trying
                continue

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._descriptor, line) :]
