"""Writes that only a long comparison can decide: it is done apart from the writer.

The transaction of such a write changes nothing and raises an `UndecidedError`. A thread of its own
then compares, and gives the write that takes the place of the first one, or the refusal.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from seamless_database.errors import UnavailableError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from seamless_database.request_types.statements import Connection, Row
    from seamless_database.storage.callbacks import WriteCallback

#: comparisons that wait or are going on; a client is told at once of more
MAX_UNDECIDED = 16


class Decided(Protocol):
    """A write that needs no more comparison."""

    def keys(self) -> tuple[str, ...]:
        """Name what it changes."""
        ...

    def run(self, connection: Connection) -> None:
        """Do it."""
        ...


class UndecidedError(Exception):
    """A write is not done yet: what `read` finds is compared by `decide`.

    `decide` gives the write to do, or raises the refusal; no connection is held meanwhile.
    """

    def __init__(
        self, read: Callable[[Connection], Row | None], decide: Callable[[Row | None], Decided]
    ) -> None:
        super().__init__("a write waits for a comparison")
        self.read = read
        self.decide = decide


class Comparisons:
    """Threads that decide writes, one after the other; safe from any thread.

    A thread ends with its process, even in the middle of a comparison: nothing is lost with it,
    as the write was not acknowledged.

    Parameters
    ----------
    settle
        decides a write, does what was decided, and returns when it is safe
    """

    def __init__(self, settle: Callable[[UndecidedError], None]) -> None:
        self._resolve = settle
        self._room = threading.BoundedSemaphore(MAX_UNDECIDED)
        #: held by the thread that compares: two at once would only take turns
        self._lock = threading.Lock()

    def submit(self, undecided: UndecidedError) -> Future[None]:
        """Decide a write; the future is done once that is safe, or refused."""
        future: Future[None] = Future()
        if self._room.acquire(blocking=False):
            threading.Thread(
                target=self._run,
                args=(undecided, future),
                name="seamless-database-comparison",
                daemon=True,
            ).start()
        else:
            report_to = f"{MAX_UNDECIDED} large records are being compared already; try again later"
            future.set_exception(UnavailableError(report_to))
        return future

    def report_to(
        self, tell: WriteCallback, loop: asyncio.AbstractEventLoop, error: BaseException | None
    ) -> None:
        """Tell of a write on its event loop, once it is decided."""
        if not isinstance(error, UndecidedError):
            tell(error)
            return

        def settled(future: Future[None]) -> None:
            # if the loop is closed, nothing waits there any more
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, future.exception())

        self.submit(error).add_done_callback(settled)

    def _run(self, undecided: UndecidedError, future: Future[None]) -> None:
        try:
            with self._lock:
                self._resolve(undecided)
        except Exception as error:  # noqa: BLE001  # whoever waits for it is told
            future.set_exception(error)
        else:
            future.set_result(None)
        finally:
            self._room.release()
