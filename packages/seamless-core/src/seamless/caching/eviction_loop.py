"""A thread that runs an eviction pass now and then."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from seamless.util.locks import call_after_fork, new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EvictionLoop"]


class EvictionLoop:
    """Calls a function every so many seconds, between `start` and `stop`. Thread-safe.

    A forked child has no such thread until it calls `start` itself.

    Parameters
    ----------
    evict
        What to call.
    """

    def __init__(self, evict: Callable[[], object]) -> None:
        self._evict = evict
        #: guards `_stop`
        self._lock = new_lock()
        #: what ends the running thread, None if no thread runs
        self._stop: SimpleQueue[None] | None = None
        call_after_fork(self)

    def start(self, interval: float) -> None:
        """Start the thread, unless it runs already.

        Raises
        ------
        ValueError
            When `interval` is no number of seconds that a thread can wait.
        """
        if not 0 < interval <= threading.TIMEOUT_MAX:
            raise ValueError(
                f"the interval between eviction passes is {interval} seconds; "
                f"it must be more than 0 and at most {threading.TIMEOUT_MAX:.0f}"
            )
        with self._lock:
            if self._stop is not None:
                return
            stop = self._stop = SimpleQueue()
            thread = threading.Thread(
                target=self._run, args=(stop, interval), name="seamless-eviction", daemon=True
            )
            try:
                thread.start()
            except BaseException:
                self._stop = None
                stop.put(None)
                raise

    def stop(self) -> None:
        """End the thread; nothing happens if none runs."""
        with self._lock:
            stop, self._stop = self._stop, None
        if stop is not None:
            stop.put(None)

    def reset_after_fork(self) -> None:
        """Forget the thread, which is the parent's."""
        self._stop = None

    def _run(self, stop: SimpleQueue[None], interval: float) -> None:
        try:
            while True:
                try:
                    stop.get(timeout=interval)
                except Empty:
                    self._evict()
                else:
                    return
        finally:  # after an error, such as MemoryError, `start` can start another thread
            with self._lock:
                if self._stop is stop:
                    self._stop = None
