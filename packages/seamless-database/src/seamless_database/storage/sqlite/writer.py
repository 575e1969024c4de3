"""Group commit: the writer thread commits everything that is queued in one transaction.

A transaction costs one sync of the disk, however many requests it holds. So the thread first gets
the lock of the file, then takes all that is queued by then. A request is answered after the commit
has returned. If the commit fails, every request of the batch fails, rejected ones included: the
rollback also undoes what they were rejected for.

A request reads before it changes anything, so a rejected one has changed nothing. If one fails
after a change, because of an error of SQLite for example, the batch is rolled back and run again
with a savepoint for each request. Savepoints all the time would double the time of a batch.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from seamless_database.errors import UnavailableError
from seamless_database.storage.batch_queue import Batch, BatchQueue, fail
from seamless_database.storage.histograms import CommitMetrics
from seamless_database.storage.sqlite.transactions import not_written

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless_database.storage.sqlite.transactions import Transactions

#: requests in one transaction, which bounds how long the first of them waits for the last; the
#: entries of a bulk write stay together
MAX_BATCH = 256


class Writer(BatchQueue[None]):
    """The thread that owns the writing connection, and its queue; safe from any thread."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        #: updated by the writer thread; any thread may read it
        self.commits = CommitMetrics()
        super().__init__(self._write, "writer", max_batch=MAX_BATCH)

    def _write(self, batch: Batch[None]) -> UnavailableError | None:
        error = self._begin()
        has_begun = error is None
        if error is None:
            # what was queued while this thread waited for the lock
            self.collect(batch)
            error = self._run_step(lambda: self._commit(batch))
            if error is not None and self._transactions.checkpoint_if_disk_full(error):
                error = self._begin() or self._run_step(lambda: self._commit(batch))
        if error is None:
            return None
        failure = error if isinstance(error, UnavailableError) else not_written(error)
        fail(batch, failure)
        # without a lock, what is queued would wait for the same lock once more
        return None if has_begun else failure

    def _begin(self) -> Exception | None:
        error = self._run_step(self._transactions.begin)
        if error is not None and self._transactions.checkpoint_if_disk_full(error):
            error = self._run_step(self._transactions.begin)
        return error

    def _commit(self, batch: Batch[None]) -> None:
        """Run a batch and commit it; raises the reason why the whole transaction is lost."""
        if not self._run_batch(batch, savepoints=False):
            self._transactions.rollback()
            if len(batch) > 1:
                self._transactions.begin()
                self._run_batch(batch, savepoints=True)
        if all(operation.error is not None for operation in batch):
            self._transactions.rollback()
            return
        started = time.perf_counter()
        self._transactions.commit()
        self.commits.add(len(batch), time.perf_counter() - started)

    def _run_batch(self, batch: Batch[None], *, savepoints: bool) -> bool:
        """Run operations; returns False if one has failed whose changes have to be undone."""
        for operation in batch:
            changes = self._transactions.total_changes
            operation.error = self._transactions.run(operation.work, savepoint=savepoints)
            operation.changed = self._transactions.total_changes != changes
            if operation.error is not None and operation.changed and not savepoints:
                return False
        return True

    def _run_step(self, step: Callable[[], None]) -> Exception | None:
        try:
            step()
        except Exception as error:  # noqa: BLE001  # it becomes the outcome of the batch
            self._transactions.rollback()
            return error
        return None
