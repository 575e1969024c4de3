"""Transactions of the SQLite writer: locks, savepoints, rollback, checkpoints on a full disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from seamless_database.errors import (
    DatabaseLockedError,
    FileReplacedError,
    UnavailableError,
)
from seamless_database.storage.sqlite.connection import Connection, reason_of, retry_while_locked

if TYPE_CHECKING:
    from seamless_database.storage.sqlite.checkpoints import Checkpoints
    from seamless_database.storage.sqlite.fair_lock import FairWriterLock
    from seamless_database.storage.sqlite.file_identity import FileIdentity

#: attempts to empty the WAL while other connections read from it, and seconds between two
CHECKPOINTS, CHECKPOINT_PAUSE = 20, 0.05
#: a change of the database, to run in a transaction
Work = Callable[[Connection], None]


class Transactions:
    """Write transactions on one SQLite connection, one after the other; belongs to one thread.

    Parameters
    ----------
    connection
        the writing connection
    lock_wait
        seconds to wait while another process holds the lock of the file
    writer_lock
        the fair lock that the worker processes of one server share
    identity
        checks whether the file is still the one that the connection has open
    checkpoints
        the thread that runs checkpoints; None if SQLite runs them in commits
    """

    def __init__(
        self,
        connection: Connection,
        lock_wait: float,
        writer_lock: FairWriterLock | None = None,
        identity: FileIdentity | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._connection = connection
        self._lock_wait = lock_wait
        self._writer_lock = writer_lock
        self._identity = identity
        self._checkpoints = checkpoints
        #: whether the WAL was emptied after the file had been replaced
        self._wal_was_emptied = False

    def begin(self) -> None:
        """Begin a transaction and get the lock of the file; raises an `UnavailableError`."""
        if self._identity is not None:
            self._check_file(self._identity)
        deadline = time.monotonic() + self._lock_wait
        if self._writer_lock is not None and not self._writer_lock.acquire(self._lock_wait):
            raise DatabaseLockedError(self._lock_wait)
        if self._checkpoints is not None:
            self._checkpoints.before_transaction()
        try:
            self._command("BEGIN IMMEDIATE", max(0.0, deadline - time.monotonic()))
        except DatabaseLockedError as error:
            raise DatabaseLockedError(self._lock_wait) from error

    def run(self, work: Work, *, savepoint: bool) -> Exception | None:
        """Run work and return its error; with a savepoint, work that fails is undone.

        An exception means that the whole transaction is lost.
        """
        connection = self._connection
        if savepoint:
            connection.command("SAVEPOINT job")
        failure: Exception | None = None
        try:
            work(connection)
        except Exception as error:  # the outcome of this work
            if not connection.in_transaction:
                # SQLite has rolled back the work of all, for example because the disk is full
                raise
            failure = not_written(error) if isinstance(error, sqlite3.Error) else error
            if savepoint:
                connection.command("ROLLBACK TO job")
        if savepoint:
            connection.command("RELEASE job")
        return failure

    @property
    def total_changes(self) -> int:
        """How many rows were changed so far, including changes that were undone."""
        return self._connection.total_changes

    def commit(self) -> None:
        """Commit; it is durable on return. An `UnavailableError` says that all of it is lost."""
        self._command("COMMIT", self._lock_wait)
        self._release_writer_lock()
        if self._identity is not None:
            # what was committed to a file that was replaced meanwhile is lost to its readers
            self._check_file(self._identity)
        if self._checkpoints is not None:
            self._checkpoints.note_commit()

    def rollback(self) -> None:
        """Undo the open transaction, if there is one; never raises."""
        try:
            self._connection.rollback()
        except sqlite3.Error:
            # nothing is left to undo; the next BEGIN fails if the connection is broken
            return
        finally:
            self._release_writer_lock()

    def checkpoint_if_disk_full(self, error: Exception) -> bool:
        """Run a checkpoint if a full disk caused an error; returns whether a retry may succeed.

        After the checkpoint SQLite writes to the WAL from its beginning, which needs no more disk.
        """
        cause = error.__cause__ if isinstance(error, UnavailableError) else error
        # SQLite reports the disk quota of a user as an input/output error
        is_full = isinstance(cause, sqlite3.OperationalError) and any(
            words in str(cause) for words in ("disk is full", "disk I/O error")
        )
        return is_full and self._checkpoint("RESTART")

    def _check_file(self, identity: FileIdentity) -> None:
        try:
            identity.check_file()
        except FileReplacedError:
            if not self._wal_was_emptied:
                # This completes the file that was moved away, and keeps SQLite from applying its
                # WAL to another file. Later, another server may use the WAL for the new file.
                self._wal_was_emptied = True
                self._checkpoint("TRUNCATE")
            raise
        #: whether the WAL was emptied after the file had been replaced
        self._wal_was_emptied = False

    def _checkpoint(self, mode: str) -> bool:
        """Copy the WAL into the open file; returns whether all of it was copied."""
        for _ in range(CHECKPOINTS):
            try:
                row = self._connection.command(f"PRAGMA wal_checkpoint({mode})")
            except sqlite3.Error:
                return False
            if row is not None and row[0] == 0:
                return True
            # a reader is active
            time.sleep(CHECKPOINT_PAUSE)
        return False

    def _release_writer_lock(self) -> None:
        if self._writer_lock is not None:
            self._writer_lock.release()

    def _command(self, sql: str, wait: float) -> None:
        try:
            retry_while_locked(lambda: self._connection.command(sql), wait)
        except sqlite3.Error as error:
            raise not_written(error) from error


def not_written(error: Exception) -> UnavailableError:
    """Return the error for a transaction that is lost."""
    reason = reason_of(error)
    return UnavailableError(f"the database could not be written ({reason}); nothing was stored")
