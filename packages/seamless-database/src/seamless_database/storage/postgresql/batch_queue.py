"""Threads that do what is queued, as much at once as is waiting."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from seamless_database.errors import DatabaseClosedError, UnavailableError
from seamless_database.storage.postgresql.batched_reads import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seamless_database.request_types.statements import Connection

T = TypeVar("T")

#: hears the value of a task, or the error
WriteCallback = Callable[[T | None, Exception | None], None]
_LOG = logging.getLogger(__name__)
#: what may wait; beyond, a client hears at once that we are overloaded
MAX_WAITING = 10_000


class QueuedOperation(Operation[T]):
    """A piece of work, what else must not touch meanwhile, and whom to tell of its outcome."""

    def __init__(self, work: Callable[[Connection], T], keys: tuple[str, ...] = ()) -> None:
        super().__init__(work)
        self.keys = keys
        #: told of the outcome, on its event loop if it has one
        self.tell: WriteCallback[T] = _no_callback
        self.loop: asyncio.AbstractEventLoop | None = None

    def fail(self, error: Exception) -> None:
        """Let it have failed."""
        self.error = error


def retry_individually(
    handle: Callable[[list[QueuedOperation[T]]], UnavailableError | None],
    tasks: list[QueuedOperation[T]],
) -> UnavailableError | None:
    """Handle each task apart from the others; an outage is waited for once."""
    for number, task in enumerate(tasks, start=1):
        outage = handle([task])
        if outage is not None:
            for other in tasks[number:]:
                other.fail(outage)
            return outage
    return None


def _no_callback(_value: object, _error: Exception | None) -> None:
    """Nobody wants to know."""


class BatchQueue(Generic[T]):
    """A queue of tasks, and the threads that share it.

    `submit` and `close` are safe from any thread.

    Parameters
    ----------
    handle
        does some tasks, all of whose outcomes are known when it returns; gives an error if
        whatever else is waiting would fail in the same way, after the same long wait
    name
        what the threads are called
    threads
        how many there are
    most
        tasks that are handled at once
    """

    def __init__(
        self,
        handle: Callable[[list[QueuedOperation[T]]], UnavailableError | None],
        name: str,
        *,
        threads: int,
        most: int,
    ) -> None:
        self._handle = handle
        self._most = most
        # unbounded itself: the bound is checked on submission, so that None always fits
        self._queue: queue.SimpleQueue[QueuedOperation[T] | None] = queue.SimpleQueue()
        #: guards `_closed`: nothing may be queued behind the Nones that end the threads
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._loop, name=f"seamless-database-{name}", daemon=True)
            for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: QueuedOperation[T]) -> Future[T | None]:
        """Queue a task; its outcome will be that of the future."""
        future: Future[T | None] = Future()
        task.tell = partial(_resolve, future)
        self._put(task)
        return future

    def submit_with_callback(self, task: QueuedOperation[T], tell: WriteCallback[T]) -> None:
        """Queue a task, of whose outcome `tell` hears on the event loop that runs now."""
        task.tell, task.loop = tell, asyncio.get_running_loop()
        self._put(task)

    def _put(self, task: QueuedOperation[T]) -> None:
        with self._lock:
            if self._closed:
                raise DatabaseClosedError
            if self._queue.qsize() >= MAX_WAITING:
                told = f"{MAX_WAITING} requests are waiting already; try again later"
                raise UnavailableError(told)
            self._queue.put(task)

    @property
    def queued_writes(self) -> int:
        """How many tasks are queued."""
        return self._queue.qsize()

    def close(self) -> None:
        """Take no more, finish what is queued, end the threads."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _loop(self) -> None:
        going_on = True
        while going_on:
            task = self._queue.get()
            if task is None:
                return
            tasks = [task]
            going_on = self._collect(tasks, self._most)
            outage = self._do(tasks)
            if outage is not None and going_on:
                others: list[QueuedOperation[T]] = []
                going_on = self._collect(others, MAX_WAITING)
                _fail(others, outage)

    def _do(self, tasks: list[QueuedOperation[T]]) -> UnavailableError | None:
        outage = None
        try:
            outage = self._handle(tasks)
        except Exception as error:  # noqa: BLE001  # the thread must live, and clients be told
            told = UnavailableError(f"the database failed unexpectedly ({error!r})")
            for task in tasks:
                task.fail(told)
        _tell(tasks)
        return outage

    def _collect(self, tasks: list[QueuedOperation[T]], most: int) -> bool:
        """Add what is waiting, up to a limit; tells whether there will be more."""
        while len(tasks) < most:
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return True
            if task is None:
                return False
            tasks.append(task)
        return True


def _fail(tasks: list[QueuedOperation[T]], error: UnavailableError) -> None:
    for task in tasks:
        task.fail(error)
    _tell(tasks)


def _tell(tasks: list[QueuedOperation[T]]) -> None:
    """Tell of outcomes; an event loop is woken once for all that it is to hear."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[QueuedOperation[T]]] = {}
    for task in tasks:
        by_loop.setdefault(task.loop, []).append(task)
    for loop, own in by_loop.items():
        if loop is None:
            _tell_all(own)
            continue
        # if it is closed, nobody waits there any more
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell_all, own)


def _tell_all(tasks: Iterable[QueuedOperation[T]]) -> None:
    for task in tasks:
        try:
            task.tell(task.value, task.error)
        except Exception:  # noqa: BLE001  # the others are to hear of theirs
            _LOG.exception("nobody could be told of an answer")


def _resolve(future: Future[T | None], value: T | None, error: Exception | None) -> None:
    # whoever went away has cancelled it; what was asked for is done all the same
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
