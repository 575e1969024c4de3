"""Whether the service can do its work: what is known from the last attempts, and asked when idle.

A thread looks every second: it ends exchanges with a server that has stopped to answer, and
probes whether reads, or writes, are possible. Those who ask for the state never wait.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds between two looks
INTERVAL = 1.0


class Health:
    """What is wrong, if anything is."""

    def __init__(self) -> None:
        self._trouble: str | None = None
        #: counts what has gone wrong, so that good news of before is not taken for good news
        self._failures = 0

    @property
    def degraded_reason(self) -> str | None:
        """What keeps the service from its work; None if nothing does."""
        return self._trouble

    @property
    def failures(self) -> int:
        """How often something went wrong."""
        return self._failures

    def record_failure(self, reason: str) -> None:
        """Note that something went wrong that will go wrong for others too."""
        self._failures += 1
        self._trouble = reason

    def record_success(self, failures: int | None = None) -> None:
        """Note that all is well, unless something went wrong since there were `failures`."""
        if failures in (None, self._failures):
            self._trouble = None


class HealthMonitor:
    """The thread that looks."""

    def __init__(self, abort: Callable[[float], None], probe: Callable[[], None]) -> None:
        self._abort = abort
        self._probe = probe
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"seamless-database-{name}", daemon=True)
            # a probe may have to be cut itself
            for name, target in (("watch", self._abort_overdue), ("probe", self._run_probe))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _abort_overdue(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._abort(time.monotonic())

    def _run_probe(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._probe()
