"""The idle clock of a server: requests in flight, time since the last one, and their cancellation.

Belongs to the event loop; nothing here is safe from another thread.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class IdleTracker:
    """Counts requests in flight, each from the arrival of its headers to its response."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_flight = 0
        self._last_finished = clock()
        self._receiving: set[asyncio.Task[Any]] = set()
        #: whether `cancel_incomplete` has been called
        self.shutting_down = False

    def request_started(self) -> None:
        """Count a request as in flight."""
        self._in_flight += 1

    def request_finished(self) -> None:
        """End a request that was in flight."""
        self._in_flight -= 1
        self._last_finished = self._clock()

    def idle_seconds(self) -> float:
        """Seconds since the last request finished; 0 while one is in flight."""
        return 0.0 if self._in_flight else self._clock() - self._last_finished

    def receiving(self) -> _Receiving:
        """Mark the time in which a request waits for its client, or for other clients."""
        return _Receiving(self._receiving)

    def cancel_incomplete(self) -> None:
        """Cancel the requests that are still waiting for their client."""
        self.shutting_down = True
        for task in self._receiving:
            task.cancel()


class _Receiving:
    """Holds the current task in a set; a class, because a generator costs several times as much."""

    __slots__ = ("_task", "_tasks")

    def __init__(self, tasks: set[asyncio.Task[Any]]) -> None:
        self._tasks = tasks

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # requests run in tasks
        self._task = task
        self._tasks.add(task)

    def __exit__(self, *_: object) -> None:
        self._tasks.discard(self._task)
