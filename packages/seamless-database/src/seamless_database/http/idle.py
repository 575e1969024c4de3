"""What the server is busy with: how long it has been idle, and who keeps it from stopping.

Belongs to the event loop; nothing here is safe from another thread.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class IdleTracker:
    """Counts requests from the moment their headers have arrived to their answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._busy = 0
        self._last = clock()
        self._receiving: set[asyncio.Task[Any]] = set()
        self._dismissed = False

    @property
    def dismissed(self) -> bool:
        """Whether requests that have not arrived in full were told to give up."""
        return self._dismissed

    def begin(self) -> None:
        """Note that a request has come."""
        self._busy += 1

    def end(self) -> None:
        """Note that a request is done with."""
        self._busy -= 1
        self._last = self._clock()

    def touch(self) -> None:
        """Note that a request has come and is done with."""
        self._last = self._clock()

    def idle(self) -> float:
        """Seconds since the last request was done with; 0 while there is one."""
        return 0.0 if self._busy else self._clock() - self._last

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Mark the time in which a request waits for its client, or for other clients."""
        task = asyncio.current_task()
        assert task is not None  # requests run in tasks
        self._receiving.add(task)
        try:
            yield
        finally:
            self._receiving.discard(task)

    def dismiss(self) -> None:
        """Give up on the requests that are still waiting for their client."""
        self._dismissed = True
        for task in self._receiving:
            task.cancel()
