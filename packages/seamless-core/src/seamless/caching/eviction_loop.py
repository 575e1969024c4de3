"""A thread that runs an eviction pass now and then."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EvictionLoop"]


class EvictionLoop:
    """Calls a function every so many seconds, between `start` and `stop`. Thread-safe.

    Parameters
    ----------
    evict
        What to call.
    """

    def __init__(self, evict: Callable[[], object]) -> None:
        self._evict = evict
        #: guards `_stop`, the end of the thread that runs
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None

    def start(self, interval: float) -> None:
        """Start the thread, unless it runs already."""
        with self._lock:
            if self._stop is not None:
                return
            stop = self._stop = threading.Event()
        threading.Thread(
            target=self._run, args=(stop, interval), name="seamless-eviction", daemon=True
        ).start()

    def stop(self) -> None:
        """End the thread; nothing happens if none runs."""
        with self._lock:
            stop, self._stop = self._stop, None
        if stop is not None:
            stop.set()

    def _run(self, stop: threading.Event, interval: float) -> None:
        while not stop.wait(interval):
            self._evict()
