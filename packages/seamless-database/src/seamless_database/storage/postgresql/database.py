"""A PostgreSQL database, open for reading or for writing; the same as `Database` is for a file.

Point reads that wait at the same time share a round trip, writes that wait share a transaction.
Nothing that was read is kept: another server may have changed it since.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from seamless_database import request_types
from seamless_database.errors import (
    DatabaseClosedError,
    DatabaseError,
    ReadOnlyError,
    SchemaError,
    ServerError,
    UnavailableError,
)
from seamless_database.protocol.request import from_python
from seamless_database.request_types.statements import UndecidedError
from seamless_database.storage.backend import NOT_IMMEDIATE, Durability
from seamless_database.storage.comparisons import Comparisons
from seamless_database.storage.postgresql import schema
from seamless_database.storage.postgresql.batch_queue import (
    BatchQueue,
    QueuedOperation,
    retry_individually,
)
from seamless_database.storage.postgresql.batch_sql import fetch_all
from seamless_database.storage.postgresql.batched_reads import run_batched
from seamless_database.storage.postgresql.connection import PipelineConnection, ReadOnlyConnection
from seamless_database.storage.postgresql.health import Health, HealthMonitor
from seamless_database.storage.postgresql.read_pool import PostgresReadPool
from seamless_database.storage.postgresql.writer import BatchWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from seamless_database.request_types.statements import WriteOperation
    from seamless_database.storage.backend import NotImmediate, ReadCallback, WriteCallback
    from seamless_database.storage.commit_metrics import CommitMetrics
    from seamless_database.storage.postgresql.url import PostgresUrl

T = TypeVar("T")

#: how long to wait for a lock that another server holds, in seconds
LOCK_WAIT = 5.0
#: seconds that a point read may take, and a write next to the waits for locks; then the server
#: is taken for one that has stopped to answer
PATIENCE = 10.0
#: the same for what has no bounds; more than a count of rows may take
LONG_PATIENCE = 60.0
#: threads for point reads, and for the others
POINT_READERS, READERS = 2, 4
#: point reads in one round trip, and writes in one transaction
MAX_POINT_READS, MAX_BATCH = 64, 256
#: what tells of a database that can be read only: a standby, or one that was made so
_CONDITION = """
SELECT current_setting('server_encoding'), current_setting('transaction_read_only') = 'on'
"""
#: leaves nothing behind, but takes what a write takes: a transaction number, and a sync
_TRIAL = "SELECT txid_current()"


class PostgresDatabase:
    """One PostgreSQL database.

    `get`, `put` and `read` are safe from any thread; `answer` and `store` are the same for an
    event loop.

    Parameters
    ----------
    address
        where the database is
    writable
        whether `put` is allowed; a writable database creates its tables
    lock_wait
        how many seconds to wait while another server holds a lock
    durability
        what a write that was acknowledged survives
    """

    def __init__(
        self,
        address: PostgresUrl,
        *,
        writable: bool = False,
        lock_wait: float = LOCK_WAIT,
        durability: Durability = Durability.FULL,
    ) -> None:
        # what the library has to say is in the errors that it raises
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        self.name = address.shown
        self.writable = writable
        self._address = address
        self._closed = False
        self._start(lock_wait)
        self._health = Health()
        self._sessions = PostgresReadPool(address, PATIENCE, self._health)
        self._long_sessions = PostgresReadPool(address, LONG_PATIENCE, self._health)
        self._session = PipelineConnection(address, PATIENCE + 2 * lock_wait)
        self._reads: BatchQueue[str | None] = BatchQueue(
            self._look_up, "reader", threads=POINT_READERS, most=MAX_POINT_READS
        )
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="seamless-database-lister")
        self._comparisons = Comparisons(self._decide)
        self._writing: BatchWriter | None = None
        self._writes: BatchQueue[None] | None = None
        if writable:
            durable = durability is Durability.FULL
            self._writing = BatchWriter(
                self._session, address, lock_wait, durable=durable, health=self._health
            )
            self._writes = BatchQueue(self._writing.write, "writer", threads=1, most=MAX_BATCH)
        self._watch = HealthMonitor(self._cut, self._probe)

    def get(self, body: Mapping[str, Any]) -> str | None:
        """Answer a read request, given as the JSON object of the protocol; None is a miss."""
        return self.read(request_types.parse_read(from_python(body)).run)

    def put(self, body: Mapping[str, Any]) -> None:
        """Do a write request, given as the JSON object of the protocol; returns when it is safe."""
        self._put(request_types.parse_write(from_python(body)))

    async def execute_read(self, request: request_types.ReadRequest) -> str | None:
        """Answer a checked read request; look-ups of one row share round trips."""
        loop = asyncio.get_running_loop()
        if request.is_point_lookup:
            answered: asyncio.Future[str | None] = loop.create_future()
            self._reads.submit_with_callback(
                QueuedOperation(request.run), partial(_resolve, answered)
            )
            return await answered
        try:
            return await loop.run_in_executor(self._pool, self.read, request.run)
        except RuntimeError as error:
            if self._closed:
                raise DatabaseClosedError from error
            raise

    def try_read(self, request: request_types.ReadRequest) -> NotImmediate:
        """Answer nothing: the database is somewhere else, and asking it takes time."""
        return NOT_IMMEDIATE

    @property
    def is_local(self) -> bool:
        """The database is somewhere else."""
        return False

    def submit_read(self, request: request_types.ReadRequest, tell: ReadCallback) -> None:
        """Queue a checked point read; `tell` hears on this event loop what was found."""
        self._reads.submit_with_callback(QueuedOperation(request.run), tell)

    async def execute_write(self, request: request_types.WriteRequest) -> None:
        """Do a checked write request; returns when it is safe."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.submit_write(request, partial(_resolve, stored, None))
        await stored

    def submit_write(self, request: request_types.WriteRequest, tell: WriteCallback) -> None:
        """Queue a checked write request; `tell` hears on this event loop when it is safe."""
        task = QueuedOperation(request.run, request.lock_keys())
        told = partial(self._comparisons.report_to, tell, asyncio.get_running_loop())
        self._writer().submit_with_callback(task, lambda _nothing, error: told(error))

    def read(self, work: Callable[[ReadOnlyConnection], T]) -> T | None:
        """Call `work` with a reading connection."""
        try:
            return self._long_sessions.read(lambda session: work(ReadOnlyConnection(session)))
        except psycopg.errors.UndefinedTable as error:
            self._expect_no_tables(error)
            return None

    @property
    def commits(self) -> CommitMetrics | None:
        """How the commits went so far; None without a writer."""
        return None if self._writing is None else self._writing.commits

    @property
    def queued_writes(self) -> int:
        """How many writes are queued."""
        return 0 if self._writes is None else self._writes.queued_writes

    @property
    def startup_notices(self) -> tuple[str, ...]:
        """Nothing is special."""
        return ()

    @property
    def degraded_reason(self) -> str | None:
        """What keeps requests from being answered; None if nothing does."""
        return self._health.degraded_reason

    def sizes(self) -> dict[str, int]:
        """The files on the disk are not ours."""
        return {}

    def close(self) -> None:
        """Finish what is queued, and let go of the server."""
        if self._closed:
            return
        self._closed = True
        if self._writes is not None:
            self._writes.close()
        self._reads.close()
        self._pool.shutdown()
        self._watch.close()
        for each in (self._session, self._sessions, self._long_sessions):
            each.close()

    def __enter__(self) -> PostgresDatabase:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, lock_wait: float) -> None:
        """Look whether the database can be what is asked of it; make it so."""
        session = PipelineConnection(self._address, PATIENCE)
        try:
            encoding, read_only = session.command(_CONDITION)[0]
            if encoding != "UTF8":
                raise ServerError(self.name, f"its encoding is {encoding}, and has to be UTF8")
            if not self.writable:
                self.is_new = not schema.inspect(session, self._address)
            elif read_only:
                reason = "it can only be read (a standby?); leave out --writable"
                raise ServerError(self.name, reason)
            else:
                self.is_new = schema.create(session, self._address, lock_wait)
        except psycopg.Error as error:
            raise ServerError(self.name, self._address.redact(str(error))) from error
        finally:
            session.close()

    def _put(self, request: WriteOperation) -> None:
        try:
            self._writer().submit(QueuedOperation(request.run, request.lock_keys())).result()
        except UndecidedError as undecided:
            self._decide(undecided)

    def _decide(self, undecided: UndecidedError) -> None:
        """Compare what a write is to be decided by, and do what was decided."""
        self._put(undecided.decide(self.read(undecided.read)))

    def _writer(self) -> BatchQueue[None]:
        if self._writes is None:
            raise ReadOnlyError
        return self._writes

    def _look_up(self, tasks: list[QueuedOperation[str | None]]) -> UnavailableError | None:
        """Answer point reads, all in one round trip; apart, if one of them cannot be answered."""
        failures = self._health.failures
        try:
            self._answer_all(tasks)
        except UnavailableError as error:
            outage = error if self._health.failures != failures else None
            if outage is None and len(tasks) > 1:
                return retry_individually(self._look_up, tasks)
            for task in tasks:
                task.fail(error)
            return outage
        return None

    def _answer_all(self, tasks: list[QueuedOperation[str | None]]) -> None:
        try:
            self._sessions.read(lambda session: run_batched(tasks, partial(fetch_all, session)))
        except psycopg.errors.UndefinedTable as error:
            self._expect_no_tables(error)
            # there is nothing to be found, but not every request looks for something
            run_batched(tasks, lambda calls: [[] for _ in calls])

    def _expect_no_tables(self, error: psycopg.Error) -> None:
        """Accept that a table is missing if nobody has created any yet: all is a miss then."""
        try:
            if self.writable or self._sessions.read(self._has_tables):
                raise UnavailableError(f"the database could not be read ({error})") from error
        except SchemaError as wrong:
            raise UnavailableError(str(wrong)) from error

    def _has_tables(self, session: PipelineConnection) -> bool:
        return bool(schema.inspect(session, self._address))

    def _cut(self, now: float) -> None:
        for each in (self._session, self._sessions, self._long_sessions):
            each.abort(now)

    def _probe(self) -> None:
        """Look whether what is asked of us could be done now."""
        failures = self._health.failures
        try:
            ((_, read_only),) = self._sessions.read(lambda session: session.command(_CONDITION))
            if self.writable and read_only:
                self._health.record_failure("the database can only be read at present")
                return
            if self.writable and self._health.degraded_reason is not None:
                self._sessions.read(lambda session: session.command(_TRIAL))
        except (DatabaseError, psycopg.Error) as error:
            self._health.record_failure(self._address.redact(str(error)))
        else:
            self._health.record_success(failures)


def _resolve(future: asyncio.Future[T], value: T, error: BaseException | None) -> None:
    if future.done():
        # whoever asked has gone
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
