"""The one thread that writes: requests queue up, are committed together, and answered after.

A transaction costs a sync of the disk, however much is in it. So whatever waits when the lock is
got goes into one transaction, each request inside its own savepoint: one that fails is undone
alone. Nobody hears of success before the commit has returned; if the commit fails, everybody in
the batch hears that, the refused ones too, for what they were refused for is gone as well.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from seamless_database.connection import Connection, patiently
from seamless_database.errors import (
    DatabaseClosedError,
    DatabaseError,
    DatabaseLockedError,
    UnavailableError,
)
from seamless_database.figures import Commits

#: requests in one transaction; bounds how long the first of them waits for the last
MAX_BATCH = 256
#: requests waiting; beyond, a client hears at once that we are overloaded
MAX_WAITING = 10_000

Work = Callable[[Connection], None]


@dataclass(slots=True)
class _Job:
    """Something to write, and whom to tell."""

    work: Work
    future: Future[None] = field(default_factory=Future)
    error: Exception | None = None

    def tell(self) -> None:
        # a client that went away has cancelled its future; what it asked for is done all the same
        if not self.future.set_running_or_notify_cancel():
            return
        if self.error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Owns the writing connection, and a thread that nobody else writes from.

    `submit` and `close` are safe from any thread.
    """

    def __init__(self, connection: Connection, lock_wait: float) -> None:
        self._connection = connection
        self._lock_wait = lock_wait
        # unbounded itself: the bound is checked on submission, so that None always fits
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        #: guards `_closed`: nothing may be queued behind the None that ends the thread
        self._lock = threading.Lock()
        self._closed = False
        # of the thread alone: whether it has come upon the None
        self._ending = False
        #: how the commits went; the thread adds to it, anybody may read it
        self.commits = Commits()
        self._thread = threading.Thread(
            target=self._loop, name="seamless-database-writer", daemon=True
        )
        self._thread.start()

    def submit(self, work: Work) -> Future[None]:
        """Queue some work; the future is done once it is on the disk, or has failed."""
        job = _Job(work)
        with self._lock:
            if self._closed:
                raise DatabaseClosedError
            if self._queue.qsize() >= MAX_WAITING:
                raise UnavailableError(f"{MAX_WAITING} writes are waiting already; try again later")
            self._queue.put(job)
        return job.future

    @property
    def waiting(self) -> int:
        """How many requests are queued."""
        return self._queue.qsize()

    def close(self) -> None:
        """Take no more work, finish what is queued, end the thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        while not self._ending:
            job = self._queue.get()
            if job is None:
                return
            batch = [job]
            try:
                self._transact(batch)
            except Exception as error:  # noqa: BLE001  # the thread must live, and clients be told
                self._undo()
                self._fail(batch, error)
            for job in batch:
                job.tell()

    def _transact(self, batch: list[_Job]) -> None:
        """Write a batch, which grows by what is waiting."""
        try:
            patiently(lambda: self._connection.command("BEGIN IMMEDIATE"), self._lock_wait)
        except (sqlite3.Error, DatabaseLockedError) as error:
            # those that queued up meanwhile would only wait for the same lock once more
            self._gather(batch)
            self._fail(batch, error)
            return
        self._gather(batch)
        try:
            for job in batch:
                self._attempt(job)
            begun = time.perf_counter()
            patiently(lambda: self._connection.command("COMMIT"), self._lock_wait)
            self.commits.add(len(batch), time.perf_counter() - begun)
        except (sqlite3.Error, DatabaseLockedError) as error:
            self._undo()
            self._fail(batch, error)

    def _gather(self, batch: list[_Job]) -> None:
        """Add what is waiting to the batch, up to its limit or the end."""
        while len(batch) < MAX_BATCH:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._ending = True
                return
            batch.append(job)

    def _attempt(self, job: _Job) -> None:
        """Run one job in its savepoint; raises only what spoils the whole transaction."""
        self._connection.command("SAVEPOINT job")
        try:
            job.work(self._connection)
        except Exception as error:  # whatever it is, it is this job's answer
            if not self._connection.in_transaction:
                # a full disk, say: SQLite has undone everything, the neighbours' work too
                raise
            job.error = _unavailable(error) if isinstance(error, sqlite3.Error) else error
            self._connection.command("ROLLBACK TO job")
        self._connection.command("RELEASE job")

    def _undo(self) -> None:
        try:
            self._connection.rollback()
        except sqlite3.Error:
            # nothing is left to undo; the next BEGIN will tell if the connection is broken
            return

    @staticmethod
    def _fail(batch: list[_Job], error: Exception) -> None:
        told = error if isinstance(error, DatabaseError) else _unavailable(error)
        for job in batch:
            job.error = told


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError(f"the database could not be written ({error}); nothing was stored")
