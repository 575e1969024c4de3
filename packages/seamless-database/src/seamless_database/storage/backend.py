"""The base class of the two back ends, and the types of its interface."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from seamless_database import request_types
from seamless_database.errors import DatabaseClosedError, DatabaseError, ReadOnlyError
from seamless_database.protocol.request import from_python
from seamless_database.request_types.base import UndecidedError
from seamless_database.request_types.bulk_write import BulkWrite
from seamless_database.storage.batch_queue import BatchQueue, Operation
from seamless_database.storage.bulk_execution import BulkExecution
from seamless_database.storage.comparisons import Comparisons

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Self

    from seamless_database.request_types.base import ReadRequest, WriteRequest
    from seamless_database.request_types.statements import StatementConnection
    from seamless_database.storage.histograms import CommitMetrics

T = TypeVar("T")

#: seconds to wait for a lock that another process or server holds
LOCK_WAIT = 5.0
#: threads for lists and other long reads
READERS = 4


class Durability(Enum):
    """What an acknowledged write survives, besides a crash of the server process."""

    #: a power failure too: the response follows the sync
    FULL = "full"
    #: a power failure may lose the last moments, but does not damage the database
    RELAXED = "relaxed"


class Backend(ABC):
    """An open database: a SQLite file or a PostgreSQL database.

    `get`, `put` and `read` are safe from any thread; `execute_read` and `execute_write` belong to
    an event loop.
    """

    #: the name of the database in messages, without a password
    name: str
    #: whether the database accepts writes
    writable: bool
    #: whether the database had no tables before it was opened
    is_new: bool

    def __init__(self, *, writable: bool) -> None:
        self.writable = writable
        self._closed = False
        self._comparisons = Comparisons(self._decide)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="seamless-database-reader")
        #: the queue of the writer thread; None for a database that is open for reading
        self._writes: BatchQueue[None] | None = None
        self._commits: CommitMetrics | None = None

    def get(self, body: Mapping[str, Any]) -> str | None:
        """Answer a read request, given as the JSON object of the protocol; None is a miss."""
        return self.read(request_types.parse_read(from_python(body)).run)

    def put(self, body: Mapping[str, Any]) -> str | None:
        """Run a write request, given as the JSON object of the protocol, until it is durable.

        Returns the JSON text with the outcomes of a bulk write, and None for any other.
        """
        request = request_types.parse_write(from_python(body))
        if not isinstance(request, BulkWrite):
            self._put(request)
            return None
        execution = self._bulk_execution(request)
        for future in execution.steps():
            wait([future])
        return execution.response()

    @abstractmethod
    async def execute_read(self, request: ReadRequest) -> str | None:
        """Answer a parsed read request; None is a miss."""

    async def execute_write(self, request: WriteRequest | BulkWrite) -> str | None:
        """Run a parsed write request until it is durable; returns the outcomes of a bulk write."""
        if isinstance(request, BulkWrite):
            execution = self._bulk_execution(request)
            for future in execution.steps():
                # the execution reads the error of the future
                with suppress(DatabaseError):
                    await asyncio.wrap_future(future)
            return execution.response()
        try:
            await self._writer().execute(Operation(request.run, request.lock_keys()))
        except UndecidedError as undecided:
            await asyncio.wrap_future(self._comparisons.submit(undecided))
        return None

    @abstractmethod
    def read(self, work: Callable[[StatementConnection], T]) -> T | None:
        """Call `work` with a reading connection."""

    @property
    def commits(self) -> CommitMetrics | None:
        """Metrics of the commits so far; None for a database that is open for reading."""
        return self._commits

    @property
    def queued_writes(self) -> int:
        """How many writes are queued."""
        return 0 if self._writes is None else self._writes.size

    @property
    def startup_notices(self) -> tuple[str, ...]:
        """What a server says about the database when it starts."""
        return ()

    @property
    @abstractmethod
    def degraded_reason(self) -> str | None:
        """Why requests fail at present, as far as is known; never waits."""

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the database's own files."""
        return {}

    def close(self) -> None:
        """Run what is queued, and close the database."""
        if not self._closed:
            self._closed = True
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _close(self) -> None: ...

    def _writer(self) -> BatchQueue[None]:
        if self._writes is None:
            raise ReadOnlyError
        return self._writes

    def _bulk_execution(self, request: BulkWrite) -> BulkExecution:
        return BulkExecution(request, self._writer(), self._comparisons)

    def _put(self, request: WriteRequest) -> bool:
        """Run a write; returns whether it has changed any row."""
        operation = Operation(request.run, request.lock_keys())
        try:
            self._writer().submit(operation).result()
        except UndecidedError as undecided:
            return self._decide(undecided)
        return operation.changed

    def _decide(self, undecided: UndecidedError) -> bool:
        """Compare what a write depends on, and run the write that follows from it."""
        return self._put(undecided.decide(self.read(undecided.read)))

    async def _run_in_pool(self, work: Callable[[], str | None]) -> str | None:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError as error:
            if self._closed:
                raise DatabaseClosedError from error
            raise
