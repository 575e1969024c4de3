"""The base class of the two back ends, and the types of its interface."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from seamless_database import request_types
from seamless_database.errors import DatabaseClosedError, ReadOnlyError
from seamless_database.protocol.request import from_python
from seamless_database.request_types.statements import UndecidedError
from seamless_database.storage.batch_queue import BatchQueue, Operation, resolve
from seamless_database.storage.comparisons import Comparisons

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from seamless_database.request_types.statements import InterruptibleConnection, WriteOperation
    from seamless_database.storage.commit_metrics import CommitMetrics

T = TypeVar("T")

#: receives the response of a read, None for a miss, or the error
ReadCallback = Callable[[str | None, BaseException | None], None]
#: receives the error of a write, or None once the write is durable
WriteCallback = Callable[[BaseException | None], None]

#: seconds to wait for a lock that another process or server holds
LOCK_WAIT = 5.0
#: threads for reads that `try_read` does not answer
READERS = 4


class Durability(Enum):
    """What an acknowledged write survives, besides a crash of the server process."""

    #: a power failure too: the response follows the sync
    FULL = "full"
    #: a power failure may lose the last moments, but does not damage the database
    RELAXED = "relaxed"


class NotImmediate(Enum):
    """What `try_read` returns in place of a response that would block the event loop."""

    NOT_IMMEDIATE = auto()


NOT_IMMEDIATE: Final = NotImmediate.NOT_IMMEDIATE


class Backend(ABC):
    """An open database: a SQLite file or a PostgreSQL database.

    `get`, `put` and `read` are safe from any thread. The other methods that take a request belong
    to an event loop.
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

    def put(self, body: Mapping[str, Any]) -> None:
        """Run a write request, given as the JSON object of the protocol, until it is durable."""
        self._put(request_types.parse_write(from_python(body)))

    async def execute_read(self, request: request_types.ReadRequest) -> str | None:
        """Answer a parsed read request."""
        response = self.try_read(request)
        if response is not NOT_IMMEDIATE:
            return response
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.submit_read(request, partial(resolve, future))
        return await future

    def try_read(self, request: request_types.ReadRequest) -> str | NotImmediate | None:
        """Answer a parsed read request if that does not block the event loop."""
        return NOT_IMMEDIATE

    @abstractmethod
    def submit_read(self, request: request_types.ReadRequest, callback: ReadCallback) -> None:
        """Queue a parsed read request; the callback gets the response on this event loop."""

    async def execute_write(self, request: request_types.WriteRequest) -> None:
        """Run a parsed write request until it is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.submit_write(request, partial(resolve, future, None))
        await future

    def submit_write(self, request: request_types.WriteRequest, callback: WriteCallback) -> None:
        """Queue a parsed write request; this event loop calls back when it is durable."""
        loop = asyncio.get_running_loop()
        report = partial(self._comparisons.report_to, callback, loop)
        self._writer().submit_with_callback(
            Operation(request.run, request.lock_keys()), report, loop
        )

    @abstractmethod
    def read(self, work: Callable[[InterruptibleConnection], T]) -> T | None:
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _close(self) -> None: ...

    def _writer(self) -> BatchQueue[None]:
        if self._writes is None:
            raise ReadOnlyError
        return self._writes

    def _put(self, request: WriteOperation) -> None:
        try:
            self._writer().submit(Operation(request.run, request.lock_keys())).result()
        except UndecidedError as undecided:
            self._decide(undecided)

    def _decide(self, undecided: UndecidedError) -> None:
        """Compare what a write depends on, and run the write that follows from it."""
        self._put(undecided.decide(self.read(undecided.read)))

    def _run_in_pool(self, work: Callable[[], str | None], callback: ReadCallback) -> None:
        """Run a read in a thread; this event loop calls back."""
        loop = asyncio.get_running_loop()

        def report(future: Future[str | None]) -> None:
            error = future.exception()
            # a closed event loop has no client that waits
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(callback, None if error else future.result(), error)

        try:
            self._pool.submit(work).add_done_callback(report)
        except RuntimeError as error:
            if self._closed:
                raise DatabaseClosedError from error
            raise
