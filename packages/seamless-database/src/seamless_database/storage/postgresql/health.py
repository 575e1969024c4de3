"""Health monitor: whether requests can be served, from the last attempts and from probes.

A request for the state never waits.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds between two probes, and between two searches for overdue pipelines
INTERVAL = 1.0


class Health:
    """The reason why requests fail, if they do; safe from any thread."""

    def __init__(self) -> None:
        #: why requests fail; None if they do not
        self.degraded_reason: str | None = None
        #: how many failures were recorded
        self.failures = 0

    def record_failure(self, reason: str) -> None:
        """Record a failure that other requests would meet too."""
        self.failures += 1
        self.degraded_reason = reason

    def record_success(self, failures: int | None = None) -> None:
        """Record a success, unless something failed since `failures` were counted."""
        if failures in (None, self.failures):
            self.degraded_reason = None


class HealthMonitor:
    """The threads that abort overdue pipelines and probe the database.

    Parameters
    ----------
    abort_overdue
        aborts the pipelines whose deadline is before the time that it is passed
    probe
        records a failure or a success
    """

    def __init__(self, abort_overdue: Callable[[float], None], probe: Callable[[], None]) -> None:
        self._abort_overdue = abort_overdue
        self._probe = probe
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"seamless-database-{name}", daemon=True)
            # two threads, because a probe may be overdue itself
            for name, target in (("abort", self._run_abort), ("probe", self._run_probe))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop the threads."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run_abort(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._abort_overdue(time.monotonic())

    def _run_probe(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._probe()
