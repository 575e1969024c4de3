"""Threads that compare large records, so that the writer does not have to.

A write that needs a long comparison raises an `UndecidedError` and changes nothing. A thread then
compares, and runs the write that replaces the first one, or rejects it.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from seamless_database.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless_database.request_types.base import UndecidedError

#: comparisons that run or wait; the server rejects further ones at once
MAX_UNDECIDED = 16


class Comparisons:
    """One thread for each comparison, of which one at a time runs; safe from any thread.

    The threads are daemons. The end of the process loses nothing, since no write is acknowledged
    before it is durable.

    Parameters
    ----------
    decide
        compares, runs the write that follows, and returns when it is durable: whether it has
        changed any row
    """

    def __init__(self, decide: Callable[[UndecidedError], bool]) -> None:
        self._decide = decide
        self._room = threading.BoundedSemaphore(MAX_UNDECIDED)
        #: held by the thread that compares: two at once would compete for the interpreter
        self._lock = threading.Lock()

    def submit(self, undecided: UndecidedError) -> Future[bool]:
        """Start a comparison; the future is done once the write is durable or rejected."""
        future: Future[bool] = Future()
        if self._room.acquire(blocking=False):
            threading.Thread(
                target=self._run,
                args=(undecided, future),
                name="seamless-database-comparison",
                daemon=True,
            ).start()
        else:
            message = f"{MAX_UNDECIDED} large records are being compared already; try again later"
            future.set_exception(UnavailableError(message))
        return future

    def _run(self, undecided: UndecidedError, future: Future[bool]) -> None:
        try:
            with self._lock:
                changed = self._decide(undecided)
        except Exception as error:  # noqa: BLE001  # the caller of `submit` receives it
            future.set_exception(error)
        else:
            future.set_result(changed)
        finally:
            self._room.release()
