"""PostgreSQL database, open for reading or for writing: the counterpart of `Database` for a file.

Look-ups of one row that are queued at the same time share a round trip, and queued writes share a
transaction. No rows are cached: another server may change them.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import psycopg

from seamless_database.errors import (
    DatabaseError,
    SchemaError,
    ServerError,
    UnavailableError,
)
from seamless_database.storage.backend import LOCK_WAIT, Backend, Durability
from seamless_database.storage.batch_queue import (
    Batch,
    BatchQueue,
    Operation,
    fail,
    retry_in_halves,
)
from seamless_database.storage.postgresql import schema
from seamless_database.storage.postgresql.batch_sql import fetch_all
from seamless_database.storage.postgresql.batched_reads import run_batched
from seamless_database.storage.postgresql.connection import PipelineConnection, ReadOnlyConnection
from seamless_database.storage.postgresql.health import Health, HealthMonitor
from seamless_database.storage.postgresql.read_pool import PostgresReadPool
from seamless_database.storage.postgresql.writer import BatchWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless_database.request_types.base import ReadRequest
    from seamless_database.storage.postgresql.url import PostgresUrl

T = TypeVar("T")

#: seconds that a look-up may take, and a write in addition to its waits for locks; a server that
#: takes longer counts as unreachable
TIMEOUT = 10.0
#: seconds that any other read may take
LONG_TIMEOUT = 60.0
#: look-ups in one round trip, and writes in one transaction
MAX_LOOKUPS, MAX_BATCH = 64, 256
#: the encoding, and whether the database is read-only: a standby, or set to be so
_STATE = """
SELECT current_setting('server_encoding'), current_setting('transaction_read_only') = 'on'
"""
#: changes nothing, but needs what a write needs: a transaction number, and a sync
_WRITE_PROBE = "SELECT txid_current()"


class PostgresDatabase(Backend):
    """One PostgreSQL database.

    Parameters
    ----------
    url
        the database
    writable
        whether `put` is allowed; a writable database creates its tables
    lock_wait
        seconds to wait for a lock that another server holds
    durability
        what an acknowledged write survives
    """

    def __init__(
        self,
        url: PostgresUrl,
        *,
        writable: bool = False,
        lock_wait: float = LOCK_WAIT,
        durability: Durability = Durability.FULL,
    ) -> None:
        super().__init__(writable=writable)
        # psycopg logs what it also raises
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        self.name = url.redacted
        self._url = url
        self._check_database(lock_wait)
        self._health = Health()
        self._connections = PostgresReadPool(url, TIMEOUT, self._health)
        self._long_connections = PostgresReadPool(url, LONG_TIMEOUT, self._health)
        self._writing_connection = PipelineConnection(url, TIMEOUT + 2 * lock_wait)
        # one thread: with two, batches are smaller, and a look-up costs a tenth more processor time
        self._reads: BatchQueue[str | None] = BatchQueue(
            self._look_up, "lookup", max_batch=MAX_LOOKUPS
        )
        if writable:
            writer = BatchWriter(
                self._writing_connection,
                url,
                lock_wait,
                durable=durability is Durability.FULL,
                health=self._health,
            )
            self._commits = writer.commits
            self._writes = BatchQueue(writer.write, "writer", max_batch=MAX_BATCH)
        self._monitor = HealthMonitor(self._abort_overdue, self._probe)

    async def execute_read(self, request: ReadRequest) -> str | None:
        """Answer a parsed read request; queued look-ups share a round trip."""
        if request.is_point_lookup:
            return await self._reads.execute(Operation(request.run))
        return await self._run_in_pool(partial(self.read, request.run))

    def read(self, work: Callable[[ReadOnlyConnection], T]) -> T | None:
        """Call `work` with a reading connection."""
        try:
            return self._long_connections.read(lambda raw: work(ReadOnlyConnection(raw)))
        except psycopg.errors.UndefinedTable as error:
            self._expect_no_tables(error)
            return None

    @property
    def degraded_reason(self) -> str | None:
        """Why requests fail at present, as far as is known; never waits."""
        return self._health.degraded_reason

    def _close(self) -> None:
        if self._writes is not None:
            self._writes.close()
        self._reads.close()
        self._pool.shutdown()
        self._monitor.close()
        for each in (self._writing_connection, self._connections, self._long_connections):
            each.close()

    def _check_database(self, lock_wait: float) -> None:
        """Check that the database can be used, and create its tables if it is writable."""
        connection = PipelineConnection(self._url, TIMEOUT)
        try:
            encoding, read_only = connection.command(_STATE)[0]
            if encoding != "UTF8":
                raise ServerError(self.name, f"its encoding is {encoding}, and has to be UTF8")
            if not self.writable:
                self.is_new = not schema.inspect(connection, self._url)
            elif read_only:
                reason = "it can only be read (a standby?); leave out --writable"
                raise ServerError(self.name, reason)
            else:
                self.is_new = schema.create(connection, self._url, lock_wait)
        except psycopg.Error as error:
            raise ServerError(self.name, self._url.redact(str(error))) from error
        finally:
            connection.close()

    def _look_up(self, batch: Batch[str | None]) -> UnavailableError | None:
        """Answer look-ups in one round trip, or in halves if one of them fails."""
        failures = self._health.failures
        try:
            self._read_batch(batch)
        except UnavailableError as error:
            outage = error if self._health.failures != failures else None
            if outage is None and len(batch) > 1:
                return retry_in_halves(self._look_up, batch)
            fail(batch, error)
            return outage
        return None

    def _read_batch(self, batch: Batch[str | None]) -> None:
        try:
            self._connections.read(lambda raw: run_batched(batch, partial(fetch_all, raw)))
        except psycopg.errors.UndefinedTable as error:
            self._expect_no_tables(error)
            # no rows for every call, because some requests call nothing
            run_batched(batch, lambda calls: [[] for _ in calls])

    def _expect_no_tables(self, error: psycopg.Error) -> None:
        """Return if no writable server has created the tables yet, and raise otherwise."""
        try:
            if self.writable or self._connections.read(self._has_all_tables):
                raise UnavailableError(f"the database could not be read ({error})") from error
        except SchemaError as schema_error:
            raise UnavailableError(str(schema_error)) from error

    def _has_all_tables(self, connection: PipelineConnection) -> bool:
        return schema.inspect(connection, self._url) == schema.VERSION

    def _abort_overdue(self, now: float) -> None:
        self._writing_connection.abort_if_overdue(now)
        for pool in (self._connections, self._long_connections):
            pool.abort_overdue(now)

    def _probe(self) -> None:
        """Record whether the database can be read, and written if it is writable."""
        failures = self._health.failures
        try:
            ((_, read_only),) = self._connections.read(lambda raw: raw.command(_STATE))
            if self.writable and read_only:
                self._health.record_failure("the database can only be read at present")
                return
            if self.writable and self._health.degraded_reason is not None:
                self._connections.read(lambda raw: raw.command(_WRITE_PROBE))
        except (DatabaseError, psycopg.Error) as error:
            self._health.record_failure(self._url.redact(str(error)))
        else:
            self._health.record_success(failures)
