"""Write what is queued: many requests in one transaction, with locks on what they touch.

Any number of servers write to one database. Whoever writes holds a lock on the key of what is
written, from before it is looked at until the commit: so requests for one key come one after the
other, wherever they were sent. A transaction asks for all its locks at once, in order, hence
there are no deadlocks. Locks end with the transaction, and the database ends that of a server
which was stopped in the middle.

A request that is refused has sent no changes, so its neighbours need no savepoints. If the
database itself refuses something, each request gets a transaction of its own.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from typing import TYPE_CHECKING

import psycopg

from seamless_database.errors import (
    DatabaseError,
    DatabaseLockedError,
    UnavailableError,
)
from seamless_database.storage.commit_metrics import CommitMetrics
from seamless_database.storage.postgresql.batch_queue import retry_individually
from seamless_database.storage.postgresql.batch_sql import changing, fetch_all
from seamless_database.storage.postgresql.batched_reads import run_batched
from seamless_database.storage.postgresql.connection import Command, unavailable
from seamless_database.storage.postgresql.dialect import Fault, fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seamless_database.request_types.statements import Row
    from seamless_database.storage.postgresql.batch_queue import QueuedOperation
    from seamless_database.storage.postgresql.batched_reads import Call
    from seamless_database.storage.postgresql.connection import PipelineConnection
    from seamless_database.storage.postgresql.health import Health
    from seamless_database.storage.postgresql.url import PostgresUrl

Tasks = list["QueuedOperation[None]"]

#: how often to try what others were in the way of
ATTEMPTS = 4
#: how many times the wait for a lock a transaction may stand still before the database ends it
IDLE_FACTOR = 2
#: held by every transaction that writes, together with others; alone by who changes all of it
GLOBAL_LOCK = -(2**63)

_BEGIN: Command = ("BEGIN ISOLATION LEVEL READ COMMITTED", None)
# settings of this transaction only: a pooler may give the session to somebody else after it
_SETTINGS = """
SELECT set_config('synchronous_commit', CASE
         WHEN NOT %(durable)s THEN 'off'
         WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
         ELSE current_setting('synchronous_commit') END, true),
       set_config('lock_timeout', %(wait)s, true),
       set_config('statement_timeout', %(longest)s, true),
       set_config('idle_in_transaction_session_timeout', %(longest)s, true)
"""
_LOCK = """
SELECT CASE WHEN key = %(everything)s THEN pg_advisory_xact_lock_shared(key)
       ELSE pg_advisory_xact_lock(key) END
FROM unnest(%(keys)s::bigint[]) AS key
"""
_TRY_LOCK = """
SELECT key FROM unnest(%(keys)s::bigint[]) AS key
WHERE NOT CASE WHEN key = %(everything)s THEN pg_try_advisory_xact_lock_shared(key)
          ELSE pg_try_advisory_xact_lock(key) END
"""
# a commit that waits for a standby would be taken for done if it was timed out
_WITHOUT_LIMIT: Command = ("SELECT set_config('statement_timeout', '0', true)", None)
_COMMIT: Command = ("COMMIT", None)
_COMMITTED = "COMMIT"

NOT_WRITTEN = "the database could not be written, and nothing was stored"
UNKNOWN = (
    "the connection to the database was lost during the commit, so whether this was stored is not "
    "known; send it again"
)


class _UnknownOutcomeError(UnavailableError):
    """Nobody knows whether a transaction was committed."""

    def __init__(self) -> None:
        super().__init__(UNKNOWN)


class BatchWriter:
    """Writes to one database; belongs to one thread.

    Parameters
    ----------
    session
        the connection, which nobody else uses
    address
        where it goes
    lock_wait
        how many seconds to wait for those who hold a lock
    durable
        whether a commit returns after it is on the disk
    health
        who is told of what goes wrong
    """

    def __init__(
        self,
        session: PipelineConnection,
        address: PostgresUrl,
        lock_wait: float,
        *,
        durable: bool,
        health: Health,
    ) -> None:
        self._session = session
        self._address = address
        self._lock_wait = lock_wait
        self._health = health
        wait = int(1000 * lock_wait)
        settings = {"durable": durable, "wait": str(wait), "longest": str(IDLE_FACTOR * wait)}
        self._opening: tuple[Command, ...] = (_BEGIN, (_SETTINGS, settings))
        #: how the commits went; the thread adds to it, anybody may read it
        self.commits = CommitMetrics()

    def write(self, tasks: Tasks) -> UnavailableError | None:
        """Do some tasks; all of them are safe, or know why not.

        Gives the error that any others would meet with as well.
        """
        try:
            error = self._write_with_retries(tasks)
        except _UnknownOutcomeError as unknown:
            _fail(tasks, unknown)
            self._health.record_failure(str(unknown))
            return None
        if error is None:
            self._health.record_success()
            return None
        what = fault(error)
        if what is Fault.LOCKED:
            _fail(tasks, DatabaseLockedError(self._lock_wait))
        elif what is Fault.LOST or len(tasks) == 1:
            return self._fail_all(tasks, error, what)
        else:
            return retry_individually(self.write, tasks)
        return None

    def _fail_all(self, tasks: Tasks, error: psycopg.Error, what: Fault) -> UnavailableError | None:
        told = unavailable(self._address, error, NOT_WRITTEN)
        _fail(tasks, told)
        if what not in (Fault.REFUSED, Fault.AGAIN):
            self._health.record_failure(str(told))
        return told if what is Fault.LOST else None

    def _write_with_retries(self, tasks: Tasks) -> psycopg.Error | None:
        """Try it, several times if that can help; gives why nothing was stored."""
        wait_for_locks = True
        for number in range(1, ATTEMPTS + 1):
            transaction = _Transaction(self._session, self._opening)
            was_connected = self._session.connected
            try:
                self._transact(tasks, transaction, wait_for_locks=wait_for_locks)
            except psycopg.Error as error:
                self._session.rollback()
                what = fault(error)
                # the connection may have been lost long ago: one look at a new one tells
                lost_before = was_connected and not self._session.was_aborted
                worth_it = what is Fault.AGAIN or (what is Fault.LOST and lost_before)
                if what is Fault.LOCKED and wait_for_locks and not transaction.has_locks:
                    # those whose locks are to be had need not wait any more for the others'
                    wait_for_locks, worth_it = False, True
                if not worth_it or number == ATTEMPTS:
                    return error
            except Exception:
                # whatever it is, nobody may find the transaction open
                self._session.close()
                raise
            else:
                return None
        raise AssertionError  # unreachable

    def _transact(self, tasks: Tasks, transaction: _Transaction, *, wait_for_locks: bool) -> None:
        """Write tasks in one transaction; raises `psycopg.Error` if nothing was stored."""
        self._session.connect()
        if wait_for_locks:
            transaction.lock(_lock_ids(tasks))
        else:
            tasks = self._with_available_locks(tasks, transaction)
        for wave in conflict_free_groups(tasks):
            run_batched(wave, transaction.fetch)
            transaction.change(changing(task.changes for task in wave))
        begun = time.perf_counter()
        transaction.commit()
        self.commits.add(len(tasks), time.perf_counter() - begun)

    def _with_available_locks(self, tasks: Tasks, transaction: _Transaction) -> Tasks:
        """Take what locks there are; gives those tasks that have theirs."""
        held = transaction.try_lock(_lock_ids(tasks))
        able: Tasks = []
        for task in tasks:
            if held.issuperset(_lock_ids([task])):
                able.append(task)
            else:
                task.fail(DatabaseLockedError(self._lock_wait))
        return able


class _Transaction:
    """One transaction; what it sends goes with the next thing that has to be waited for."""

    def __init__(self, session: PipelineConnection, opening: Iterable[Command]) -> None:
        self._session = session
        self._unsent = list(opening)
        #: whether it is certain that it was begun, and has the locks that it asked for
        self.has_locks = False

    def lock(self, numbers: list[int]) -> None:
        """Hold locks, before anything else is done."""
        self._unsent.append((_LOCK, {"keys": numbers, "everything": GLOBAL_LOCK}))

    def try_lock(self, numbers: list[int]) -> set[int]:
        """Take locks that nobody holds; gives those that were to be had."""
        values = {"keys": numbers, "everything": GLOBAL_LOCK}
        *_, taken = self._session.execute_pipeline([*self._sending(), (_TRY_LOCK, values)])
        self.has_locks = True
        return set(numbers).difference(number for (number,) in taken)

    def fetch(self, calls: Sequence[Call]) -> list[list[Row]]:
        """Fetch what tasks want to know."""
        rows = fetch_all(self._session, calls, *self._sending())
        self.has_locks = True
        return rows

    def change(self, commands: Iterable[Command]) -> None:
        """Change what tasks change."""
        self._unsent += commands

    def commit(self) -> None:
        """End it, and return when it is safe."""
        if not self.has_locks:
            # should the connection be no more, it must not be the commit that finds out
            self._session.execute_pipeline(self._sending())
        self._session.had_warning()
        try:
            self._session.execute_pipeline([*self._unsent, _WITHOUT_LIMIT, _COMMIT])
        except psycopg.Error as error:
            if fault(error) is Fault.LOST:
                raise _UnknownOutcomeError from error
            raise
        if self._session.status != _COMMITTED or self._session.had_warning():
            # a standby, say, has not confirmed it
            raise _UnknownOutcomeError

    def _sending(self) -> list[Command]:
        sending, self._unsent = self._unsent, []
        return sending


def conflict_free_groups(tasks: Iterable[QueuedOperation[None]]) -> list[Tasks]:
    """Part tasks so that no two of a wave share a key; those that do keep their order."""
    found: list[Tasks] = []
    last: dict[str, int] = {}
    for task in tasks:
        number = 1 + max((last.get(key, -1) for key in task.keys), default=-1)
        if number == len(found):
            found.append([])
        found[number].append(task)
        last.update(dict.fromkeys(task.keys, number))
    return found


def _lock_ids(tasks: Iterable[QueuedOperation[None]]) -> list[int]:
    """The numbers of the locks that tasks need, in the order in which everybody asks for them."""
    keys = {key for task in tasks for key in task.keys}
    # the lock on everything is the lowest of all
    return [GLOBAL_LOCK, *sorted(_lock_id(key) for key in keys)]


def _lock_id(key: str) -> int:
    digest = blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _fail(tasks: Tasks, error: DatabaseError) -> None:
    for task in tasks:
        task.fail(error)
