"""The one thread that writes: requests queue up, are committed together, and answered after.

A transaction costs a sync of the disk, however much is in it. So whatever waits when the lock is
got goes into one transaction, in which a request that fails is undone alone. Nobody hears of
success before the commit has returned; if the commit fails, everybody in the batch hears that, the
refused ones too, for what they were refused for is gone as well.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from seamless_database.errors import DatabaseClosedError, UnavailableError
from seamless_database.storage.commit_metrics import CommitMetrics
from seamless_database.storage.sqlite.transactions import not_written

if TYPE_CHECKING:
    import asyncio

    from seamless_database.storage.backend import WriteCallback
    from seamless_database.storage.sqlite.transactions import Transactions, Work

#: requests in one transaction; bounds how long the first of them waits for the last
MAX_BATCH = 256
#: requests waiting; beyond, a client hears at once that we are overloaded
MAX_WAITING = 10_000

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """Something to write, whom to tell, and on which event loop; None is the writer's thread."""

    work: Work
    tell: WriteCallback
    loop: asyncio.AbstractEventLoop | None = None
    error: Exception | None = None


class Writer:
    """Owns what writes, and a thread that nobody else writes from.

    `submit`, `submit_with_callback` and `close` are safe from any thread.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        # unbounded itself: the bound is checked on submission, so that None always fits
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        #: guards `_closed`: nothing may be queued behind the None that ends the thread
        self._lock = threading.Lock()
        self._closed = False
        # of the thread alone: whether it has come upon the None
        self._ending = False
        #: how the commits went; the thread adds to it, anybody may read it
        self.commits = CommitMetrics()
        self._thread = threading.Thread(
            target=self._loop, name="seamless-database-writer", daemon=True
        )
        self._thread.start()

    def submit(self, work: Work) -> Future[None]:
        """Queue some work; the future is done once it is on the disk, or has failed."""
        future: Future[None] = Future()
        self._put(_Job(work, partial(_resolve, future)))
        return future

    def submit_with_callback(
        self, work: Work, tell: WriteCallback, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Queue some work, of which `tell` hears on an event loop."""
        self._put(_Job(work, tell, loop))

    @property
    def queued_writes(self) -> int:
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
            error = self._attempt(batch)
            if error is not None and self._transactions.made_room(error):
                error = self._attempt(batch)
            if error is not None:
                self._fail(batch, error)
            _dispatch(batch)

    def _put(self, job: _Job) -> None:
        with self._lock:
            if self._closed:
                raise DatabaseClosedError
            if self._queue.qsize() >= MAX_WAITING:
                raise UnavailableError(f"{MAX_WAITING} writes are waiting already; try again later")
            self._queue.put(job)

    def _attempt(self, batch: list[_Job]) -> Exception | None:
        """Write a batch; gives the error for which all of it is lost."""
        try:
            self._transact(batch)
        except Exception as error:  # noqa: BLE001  # the thread must live, and clients be told
            self._transactions.rollback()
            return error
        return None

    def _transact(self, batch: list[_Job]) -> None:
        """Write a batch, which grows by what is waiting; raises why all of it is lost."""
        try:
            self._transactions.begin()
        except Exception:
            # all that queued up meanwhile would only wait for the same lock once more
            self._collect(batch, MAX_WAITING)
            raise
        self._collect(batch, MAX_BATCH)
        alone = len(batch) == 1
        for job in batch:
            job.error = self._transactions.attempt(job.work, alone=alone)
        if alone and batch[0].error is not None:
            self._transactions.rollback()
            return
        begun = time.perf_counter()
        self._transactions.commit()
        self.commits.add(len(batch), time.perf_counter() - begun)

    def _collect(self, batch: list[_Job], most: int) -> None:
        """Add what is waiting to the batch, up to a limit or the end."""
        while len(batch) < most:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._ending = True
                return
            batch.append(job)

    @staticmethod
    def _fail(batch: list[_Job], error: Exception) -> None:
        told = error if isinstance(error, UnavailableError) else not_written(error)
        for job in batch:
            job.error = told


def _dispatch(batch: list[_Job]) -> None:
    """Tell everybody how it went; an event loop is woken once for all that it is to hear."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[_Job]] = {}
    for job in batch:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, jobs in by_loop.items():
        if loop is None:
            _tell(jobs)
            continue
        try:
            loop.call_soon_threadsafe(_tell, jobs)
        except RuntimeError:
            # it is closed, so nobody waits there any more
            continue


def _tell(jobs: list[_Job]) -> None:
    for job in jobs:
        try:
            job.tell(job.error)
        except Exception:  # noqa: BLE001  # the others are to hear of theirs
            _LOG.exception("nobody could be told of a write")


def _resolve(future: Future[None], error: Exception | None) -> None:
    # whoever went away has cancelled it; what was asked for is done all the same
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
