"""Batch queue: a thread that runs queued operations, many of them at once.

SQLite's writer and PostgreSQL's look-ups and writer each are a batch queue with a handler of their
own: a group commit, or one round trip for many reads.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seamless_database.errors import DatabaseClosedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")

#: operations in one queue; the server rejects further ones at once
MAX_QUEUED = 10_000


class Operation(Generic[T]):
    """Work for a connection, the locks that it needs, and its outcome: a value or an error.

    Parameters
    ----------
    work
        a function of a connection of the back end
    lock_keys
        names of what no other operation may change before the commit
    """

    __slots__ = ("changed", "error", "future", "lock_keys", "loop", "value", "work")

    def __init__(self, work: Callable[[Any], T], lock_keys: tuple[str, ...] = ()) -> None:
        self.work = work
        self.lock_keys = lock_keys
        self.value: T | None = None
        self.error: Exception | None = None
        #: whether a write has changed any row; set by the handler
        self.changed = False
        #: gets the outcome, on its event loop if it has one
        self.future: Future[T | None] | asyncio.Future[T | None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def run(self, connection: object) -> None:
        """Do the work and keep its value or its error."""
        self.value = self.error = None
        try:
            self.value = self.work(connection)
        except Exception as error:  # noqa: BLE001  # the outcome of this operation
            self.error = error


class _Completion(Future[T]):
    """The future of the last of several operations: done without an error, also if that fails."""

    def set_exception(self, exception: BaseException | None) -> None:
        """Be done; the operation keeps its error."""
        self.set_result(None)  # type: ignore[arg-type]  # no value


Batch = list[Operation[T]]
#: runs the operations of a batch and sets their outcomes; if it returns an error, the queue fails
#: every operation that is still queued with that error
Handler = Callable[[Batch[T]], UnavailableError | None]


class BatchQueue(Generic[T]):
    """A queue of operations and the thread that runs them; safe from any thread.

    Parameters
    ----------
    handler
        runs a batch and sets the outcome of each operation. It returns an error if the queued
        operations would fail in the same way, after the same long wait.
    name
        the name of the thread
    max_batch
        operations in one batch, at most
    """

    def __init__(self, handler: Handler[T], name: str, *, max_batch: int) -> None:
        self._handler = handler
        self._max_batch = max_batch
        # unbounded, so that a None always fits; `_put` enforces the bound
        self._queue: queue.SimpleQueue[Batch[T] | None] = queue.SimpleQueue()
        #: guards `_closed`: nothing may be queued behind the None that stops the thread
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(
            target=self._loop, name=f"seamless-database-{name}", daemon=True
        )
        self._thread.start()

    def submit(self, operation: Operation[T]) -> Future[T | None]:
        """Queue an operation from any thread; the future gets its outcome."""
        operation.future = future = Future[T | None]()
        self._put([operation])
        return future

    def submit_all(self, operations: Sequence[Operation[T]]) -> Future[T | None]:
        """Queue operations to run in one batch, even one beyond the limit, from any thread.

        The future is done when all of them have an outcome; it never fails.
        """
        operations[-1].future = future = _Completion[T | None]()
        # a copy, because `collect` adds to it
        self._put([*operations])
        return future

    async def execute(self, operation: Operation[T]) -> T | None:
        """Queue an operation from an event loop, and wait for its outcome."""
        operation.loop = asyncio.get_running_loop()
        future: asyncio.Future[T | None] = operation.loop.create_future()
        operation.future = future
        self._put([operation])
        return await future

    def collect(self, batch: Batch[T]) -> None:
        """Add queued operations to a batch, until it is full or nothing is queued.

        Operations that were queued together stay together.
        """
        self._collect(batch, self._max_batch)

    @property
    def size(self) -> int:
        """How many requests are queued; operations that were queued together count as one."""
        return self._queue.qsize()

    def close(self) -> None:
        """Accept no more operations, run those that are queued, and stop the thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _put(self, operations: Batch[T]) -> None:
        with self._lock:
            if self._closed:
                raise DatabaseClosedError
            if self._queue.qsize() >= MAX_QUEUED:
                message = f"{MAX_QUEUED} requests are waiting already; try again later"
                raise UnavailableError(message)
            self._queue.put(operations)

    def _loop(self) -> None:
        while (batch := self._queue.get()) is not None:
            self.collect(batch)
            outage = self._run(batch)
            _report(batch)
            if outage is not None:
                queued: Batch[T] = []
                self._collect(queued, MAX_QUEUED)
                fail(queued, outage)
                _report(queued)

    def _run(self, batch: Batch[T]) -> UnavailableError | None:
        try:
            return self._handler(batch)
        except Exception as error:  # noqa: BLE001  # the thread must go on, and clients must be answered
            fail(batch, UnavailableError(f"the database failed unexpectedly ({error!r})"))
            return None

    def _collect(self, batch: Batch[T], max_batch: int) -> None:
        while len(batch) < max_batch:
            try:
                operations = self._queue.get_nowait()
            except queue.Empty:
                return
            if operations is None:
                # for `_loop`, which stops after the batch
                self._queue.put(None)
                return
            batch += operations


def fail(operations: Iterable[Operation[T]], error: Exception) -> None:
    """Let operations fail with an error."""
    for operation in operations:
        operation.error = error


def retry_in_halves(handler: Handler[T], batch: Batch[T]) -> UnavailableError | None:
    """Run each half of a batch as a batch of its own, unless an outage fails the second one.

    A handler that calls this for its own batch finds the operation that fails in few steps.
    """
    middle = len(batch) // 2
    outage = handler(batch[:middle])
    if outage is None:
        return handler(batch[middle:])
    fail(batch[middle:], outage)
    return outage


def _report(batch: Batch[T]) -> None:
    """Report outcomes; each event loop is woken once for all of its operations."""
    by_loop: dict[asyncio.AbstractEventLoop | None, Batch[T]] = {}
    for operation in batch:
        by_loop.setdefault(operation.loop, []).append(operation)
    for loop, own in by_loop.items():
        if loop is None:
            _resolve(own)
            continue
        # a closed event loop has no client that waits
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, own)


def _resolve(batch: Batch[T]) -> None:
    for operation in batch:
        future, error = operation.future, operation.error
        if future is None:
            # of operations that were queued together, only the last one has a future
            continue
        if isinstance(error, StopIteration):
            # a future of asyncio rejects it, and the other operations would get no outcome
            error = RuntimeError(f"a request raised {error!r}")
        # a cancelled future accepts no outcome; the operation is done all the same
        with suppress(InvalidStateError, asyncio.InvalidStateError):
            if error is None:
                future.set_result(operation.value)
            else:
                future.set_exception(error)
