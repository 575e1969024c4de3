"""What the writer needs of the connection that it owns: transactions, and SQLite's way of them.

Whoever fills a batch knows nothing of locks, savepoints or the errors of a library. It is told
of three things only: a job that failed alone, a transaction that is lost with all that was in
it, and one that could not be had.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from seamless_database.errors import (
    DatabaseLockedError,
    FileReplacedError,
    UnavailableError,
)
from seamless_database.storage.sqlite.connection import Connection, reason_of, retry_while_locked

if TYPE_CHECKING:
    from seamless_database.storage.sqlite.fair_lock import FairWriterLock
    from seamless_database.storage.sqlite.file_identity import Identity

#: attempts to empty the WAL while others read from it, and seconds between two
CHECKPOINTS, CHECKPOINT_PAUSE = 20, 0.05
#: what is to be done inside a transaction
Work = Callable[[Connection], None]


class Transactions(Protocol):
    """Transactions that write, one after the other, of one thread."""

    def begin(self) -> None:
        """Begin one; an `UnavailableError` says that there is none to be had."""
        ...

    def attempt(self, work: Work, *, alone: bool) -> Exception | None:
        """Do some work; give what it failed with, after undoing it, and nothing but it.

        Work that is `alone` in its transaction need not be undone apart: the caller undoes the
        transaction. What is raised is why the whole transaction is lost.
        """
        ...

    def commit(self) -> None:
        """End it, and return once it is safe; an `UnavailableError` says that all of it is lost."""
        ...

    def rollback(self) -> None:
        """Undo it, if there is one; never raises."""
        ...

    def made_room(self, error: Exception) -> bool:
        """Free room on a full disk; tells whether a lost transaction is worth another attempt."""
        ...


class SQLiteTransactions:
    """Transactions on one SQLite connection.

    Parameters
    ----------
    connection
        the connection, which nobody else uses
    lock_wait
        how many seconds to wait while another process holds the lock of the file
    turns
        what the processes of one server queue up with, if it has several
    identity
        tells whether the file is still the one that the connection has open
    """

    def __init__(
        self,
        connection: Connection,
        lock_wait: float,
        writer_lock: FairWriterLock | None = None,
        identity: Identity | None = None,
    ) -> None:
        self._connection = connection
        self._lock_wait = lock_wait
        self._turns = writer_lock
        self._identity = identity
        self._is_emptied = False

    def begin(self) -> None:
        """Get the lock of the file."""
        if self._identity is not None:
            self._check_file(self._identity)
        if self._turns is None:
            self._command("BEGIN IMMEDIATE", self._lock_wait)
            return
        deadline = time.monotonic() + self._lock_wait
        if not self._turns.acquire(self._lock_wait):
            raise DatabaseLockedError(self._lock_wait)
        try:
            self._command("BEGIN IMMEDIATE", max(0.0, deadline - time.monotonic()))
        except DatabaseLockedError as error:
            raise DatabaseLockedError(self._lock_wait) from error

    def attempt(self, work: Work, *, alone: bool) -> Exception | None:
        """Do some work, in a savepoint if there is more in the transaction."""
        connection = self._connection
        if not alone:
            connection.command("SAVEPOINT job")
        failure: Exception | None = None
        try:
            work(connection)
        except Exception as error:  # whatever it is, it is this job's answer
            if not connection.in_transaction:
                # a full disk, say: SQLite has undone everything, the neighbours' work too
                raise
            failure = not_written(error) if isinstance(error, sqlite3.Error) else error
            if not alone:
                connection.command("ROLLBACK TO job")
        if not alone:
            connection.command("RELEASE job")
        return failure

    def commit(self) -> None:
        """Write it down, synced if the connection is told to."""
        self._command("COMMIT", self._lock_wait)
        self._end_turn()
        if self._identity is not None:
            # it may have been replaced meanwhile, and what is in the former file is lost to others
            self._check_file(self._identity)

    def rollback(self) -> None:
        """Undo what is open."""
        try:
            self._connection.rollback()
        except sqlite3.Error:
            # nothing is left to undo; the next BEGIN will tell if the connection is broken
            return
        finally:
            self._end_turn()

    def _check_file(self, identity: Identity) -> None:
        try:
            identity.check_file()
        except FileReplacedError:
            if not self._is_emptied:
                # A file that was moved away is complete then, and SQLite cannot take the WAL for
                # that of another file. Later, another server may have it in use for that one.
                self._is_emptied = True
                self._checkpoint("TRUNCATE")
            raise
        self._is_emptied = False

    def made_room(self, error: Exception) -> bool:
        """Move what is in the WAL into the file, after which the WAL begins anew in its room."""
        cause = error.__cause__ if isinstance(error, UnavailableError) else error
        # a limit on the space of one user is an input/output error to SQLite
        is_full = isinstance(cause, sqlite3.OperationalError) and any(
            words in str(cause) for words in ("disk is full", "disk I/O error")
        )
        return is_full and self._checkpoint("RESTART")

    def _checkpoint(self, mode: str) -> bool:
        """Move what is in the WAL into the file that we have open; tells whether all of it is."""
        for _ in range(CHECKPOINTS):
            try:
                row = self._connection.command(f"PRAGMA wal_checkpoint({mode})")
            except sqlite3.Error:
                return False
            if row is not None and row[0] == 0:
                return True
            # a read is going on
            time.sleep(CHECKPOINT_PAUSE)
        return False

    def _end_turn(self) -> None:
        if self._turns is not None:
            self._turns.release()

    def _command(self, sql: str, wait: float) -> None:
        try:
            retry_while_locked(lambda: self._connection.command(sql), wait)
        except sqlite3.Error as error:
            raise not_written(error) from error


def not_written(error: Exception) -> UnavailableError:
    """Say that a transaction is lost, and why."""
    reason = reason_of(error)
    return UnavailableError(f"the database could not be written ({reason}); nothing was stored")
