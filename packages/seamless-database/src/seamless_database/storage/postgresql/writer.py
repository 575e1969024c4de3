"""Batch writer: writes many requests in one transaction, with advisory locks on their keys.

Any number of servers write to one database. A transaction holds a lock for each key that it
writes, from before it reads the key until the commit: so requests for one key run one after the
other, whichever server they were sent to. A transaction requests all its locks at once, in order,
hence there are no deadlocks. Locks end with the transaction, and PostgreSQL ends the transaction of
a server that was stopped within it.

A rejected request has sent no changes, so the other requests need no savepoints. If the database
itself rejects a statement, or has no room for so many locks, each half of the batch gets a
transaction of its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from seamless_database.errors import DatabaseLockedError, UnavailableError
from seamless_database.storage.batch_queue import Batch, fail, retry_in_halves
from seamless_database.storage.histograms import CommitMetrics
from seamless_database.storage.postgresql.advisory_locks import lock, lock_ids, try_lock
from seamless_database.storage.postgresql.batch_sql import change_commands, fetch_all
from seamless_database.storage.postgresql.batched_reads import run_batched
from seamless_database.storage.postgresql.error_kinds import ErrorKind, error_kind, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seamless_database.request_types.statements import Row
    from seamless_database.storage.batch_queue import Operation
    from seamless_database.storage.postgresql.batched_reads import Call
    from seamless_database.storage.postgresql.connection import Command, PipelineConnection
    from seamless_database.storage.postgresql.health import Health
    from seamless_database.storage.postgresql.url import PostgresUrl

#: attempts to write a batch after conflicts with other transactions
ATTEMPTS = 4
#: operations that read together; the largest row that one reads has about 1 MiB
MAX_GROUP = 256
#: after how many lock timeouts PostgreSQL ends a transaction that is idle, or a statement
IDLE_FACTOR = 2

_BEGIN: Command = ("BEGIN ISOLATION LEVEL READ COMMITTED", None)
# settings of this transaction only: a connection pooler may give the session to another client
_SETTINGS = """
SELECT set_config('synchronous_commit', CASE
         WHEN NOT %(durable)s THEN 'off'
         WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
         ELSE current_setting('synchronous_commit') END, true),
       set_config('lock_timeout', %(lock_timeout)s, true),
       set_config('statement_timeout', %(idle_timeout)s, true),
       set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, true)
"""
# a commit that times out while it waits for a standby is reported like one that is done
_NO_TIMEOUT: Command = ("SELECT set_config('statement_timeout', '0', true)", None)
_COMMIT: Command = ("COMMIT", None)
_COMMITTED = "COMMIT"

NOT_WRITTEN = "the database could not be written, and nothing was stored"
UNKNOWN = (
    "the connection to the database was lost during the commit, so whether this was stored is not "
    "known; send it again"
)


class _UnknownOutcomeError(UnavailableError):
    """The connection was lost during a commit, which PostgreSQL has done or not."""

    def __init__(self) -> None:
        super().__init__(UNKNOWN)


class BatchWriter:
    """Writes batches to one database; belongs to one thread.

    Parameters
    ----------
    connection
        the writing connection
    url
        the database
    lock_wait
        seconds to wait for a lock that another server holds
    durable
        whether a commit returns after the sync
    health
        records failures and successes
    """

    def __init__(
        self,
        connection: PipelineConnection,
        url: PostgresUrl,
        lock_wait: float,
        *,
        durable: bool,
        health: Health,
    ) -> None:
        self._connection = connection
        self._url = url
        self._lock_wait = lock_wait
        self._health = health
        milliseconds = int(1000 * lock_wait)
        settings = {
            "durable": durable,
            "lock_timeout": str(milliseconds),
            "idle_timeout": str(IDLE_FACTOR * milliseconds),
        }
        self._opening: tuple[Command, ...] = (_BEGIN, (_SETTINGS, settings))
        #: updated by the writer thread; any thread may read it
        self.commits = CommitMetrics()

    def write(self, batch: Batch[None]) -> UnavailableError | None:
        """Write a batch and set the outcome of each operation.

        Returns an error if other operations would fail in the same way.
        """
        try:
            error = self._write_with_retries(batch)
        except _UnknownOutcomeError as unknown:
            fail(batch, unknown)
            self._health.record_failure(str(unknown))
            return None
        if error is None:
            self._health.record_success()
            return None
        kind = error_kind(error)
        if kind is ErrorKind.LOCKED:
            fail(batch, DatabaseLockedError(self._lock_wait))
        elif kind is ErrorKind.LOST or len(batch) == 1:
            return self._fail_all(batch, error, kind)
        else:
            return retry_in_halves(self.write, batch)
        return None

    def _fail_all(
        self, batch: Batch[None], error: psycopg.Error, kind: ErrorKind
    ) -> UnavailableError | None:
        failure = unavailable(self._url, error, NOT_WRITTEN)
        fail(batch, failure)
        if kind not in (ErrorKind.REJECTED, ErrorKind.RETRY):
            self._health.record_failure(str(failure))
        return failure if kind is ErrorKind.LOST else None

    def _write_with_retries(self, batch: Batch[None]) -> psycopg.Error | None:
        """Write a batch, again where that may help; returns the reason why nothing was stored."""
        wait_for_locks = True
        for number in range(1, ATTEMPTS + 1):
            transaction = _Transaction(self._connection, self._opening)
            was_connected = self._connection.connected
            try:
                self._transact(batch, transaction, wait_for_locks=wait_for_locks)
            except psycopg.Error as error:
                self._connection.rollback()
                kind = error_kind(error)
                # the connection may have been lost long ago, which only its next use reveals
                lost_before = was_connected and not self._connection.was_aborted
                may_retry = kind is ErrorKind.RETRY or (kind is ErrorKind.LOST and lost_before)
                if kind is ErrorKind.LOCKED and wait_for_locks and not transaction.has_locks:
                    # the operations whose locks are free need not wait for those of the others
                    wait_for_locks, may_retry = False, True
                if not may_retry or number == ATTEMPTS:
                    return error
            except Exception:
                # the next batch must not find the transaction open
                self._connection.close()
                raise
            else:
                return None
        raise AssertionError  # unreachable

    def _transact(
        self, batch: Batch[None], transaction: _Transaction, *, wait_for_locks: bool
    ) -> None:
        """Write a batch in one transaction; raises a `psycopg.Error` if nothing was stored."""
        self._connection.connect()
        if wait_for_locks:
            transaction.lock(lock_ids(batch))
        else:
            batch = self._with_available_locks(batch, transaction)
        for group in conflict_free_groups(batch):
            changes = run_batched(group, transaction.fetch)
            for operation, own in zip(group, changes, strict=True):
                operation.changed = bool(own)
            transaction.change(change_commands(changes))
        started = time.perf_counter()
        transaction.commit()
        self.commits.add(len(batch), time.perf_counter() - started)

    def _with_available_locks(self, batch: Batch[None], transaction: _Transaction) -> Batch[None]:
        """Lock what is free; returns the operations that have their locks, and fails the others."""
        held = transaction.try_lock(lock_ids(batch))
        able: Batch[None] = []
        for operation in batch:
            if held.issuperset(lock_ids([operation])):
                able.append(operation)
            else:
                fail([operation], DatabaseLockedError(self._lock_wait))
        return able


class _Transaction:
    """One transaction; a command that returns no rows is sent with the next one that does."""

    def __init__(self, connection: PipelineConnection, opening: Iterable[Command]) -> None:
        self._connection = connection
        self._unsent = list(opening)
        #: whether the transaction certainly has begun, and has its locks
        self.has_locks = False

    def lock(self, ids: list[int]) -> None:
        """Wait for locks before the next fetch."""
        self._unsent.append(lock(ids))

    def try_lock(self, ids: list[int]) -> set[int]:
        """Get the locks that are free; returns their ids."""
        *_, taken = self._connection.execute_pipeline([*self._take_unsent(), try_lock(ids)])
        self.has_locks = True
        return set(ids).difference(lock_id for (lock_id,) in taken)

    def fetch(self, calls: Sequence[Call]) -> list[list[Row]]:
        """Fetch the rows of each call."""
        rows = fetch_all(self._connection, calls, *self._take_unsent())
        self.has_locks = True
        return rows

    def change(self, commands: Iterable[Command]) -> None:
        """Send commands with the next fetch or the commit."""
        self._unsent += commands

    def commit(self) -> None:
        """Commit; the changes are durable on return."""
        if not self.has_locks:
            # a lost connection must not be discovered by the commit, whose outcome were unknown
            self._connection.execute_pipeline(self._take_unsent())
        # a warning of an earlier command says nothing about the commit
        self._connection.take_warning()
        try:
            self._connection.execute_pipeline([*self._unsent, _NO_TIMEOUT, _COMMIT])
        except psycopg.Error as error:
            if error_kind(error) is ErrorKind.LOST:
                raise _UnknownOutcomeError from error
            raise
        if self._connection.status != _COMMITTED or self._connection.take_warning():
            # for example, a standby has not confirmed it
            raise _UnknownOutcomeError

    def _take_unsent(self) -> list[Command]:
        unsent, self._unsent = self._unsent, []
        return unsent


def conflict_free_groups(batch: Iterable[Operation[None]]) -> list[Batch[None]]:
    """Split a batch into groups without a common lock key; those of one key keep their order.

    A group is small enough for its rows to be in memory together.
    """
    groups: list[Batch[None]] = []
    last: dict[str, int] = {}
    for operation in batch:
        number = 1 + max((last.get(key, -1) for key in operation.lock_keys), default=-1)
        if number == len(groups):
            groups.append([])
        groups[number].append(operation)
        last.update(dict.fromkeys(operation.lock_keys, number))
    return [
        group[start : start + MAX_GROUP]
        for group in groups
        for start in range(0, len(group), MAX_GROUP)
    ]
