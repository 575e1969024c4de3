"""A database file, open for reading or for writing; usable without any server.

On a local disk the file is in WAL mode while it is open for writing, so that readers and the
writer do not wait for each other, and back in its plain mode after a clean close, so that it is
one self-contained file again. On a network file system, where WAL mode would lose data, it stays
in plain mode, and has one writer at most. Acknowledged means synced, in both.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seamless_database import request_types
from seamless_database.errors import (
    DatabaseClosedError,
    DatabaseLockedError,
    FileError,
    ReadOnlyError,
    SchemaError,
    StartError,
    UnavailableError,
)
from seamless_database.protocol.request import from_python
from seamless_database.request_types.statements import UndecidedError
from seamless_database.storage.backend import NOT_IMMEDIATE, Durability
from seamless_database.storage.comparisons import Comparisons
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.connection import Connection, reason_of, retry_while_locked
from seamless_database.storage.sqlite.file_identity import Identity, IdentityWatch
from seamless_database.storage.sqlite.filesystem import is_network
from seamless_database.storage.sqlite.lock_file import WriterLockFile
from seamless_database.storage.sqlite.read_pool import ReadPool
from seamless_database.storage.sqlite.transactions import SQLiteTransactions
from seamless_database.storage.sqlite.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from seamless_database.request_types.statements import WriteOperation
    from seamless_database.storage.backend import NotImmediate, ReadCallback, WriteCallback
    from seamless_database.storage.commit_metrics import CommitMetrics
    from seamless_database.storage.sqlite.fair_lock import FairWriterLock
    from seamless_database.storage.sqlite.transactions import Work

T = TypeVar("T")

#: how long to wait for a lock that another process holds, in seconds
LOCK_WAIT = 5.0
#: threads for the reads that are not done on the spot
READERS = 4
#: bytes of a row that are not read on the spot: 60 MB would hold up an event loop for 0.3 s
LONG_ROW = 256 * 1024


#: in WAL mode or not -> SQLite's word. In a plain journal, only EXTRA also syncs the removal of
#: the journal that commits, and NORMAL could leave a broken file.
_SYNCHRONOUS = {
    (Durability.FULL, True): "FULL",
    (Durability.RELAXED, True): "NORMAL",
    (Durability.FULL, False): "EXTRA",
    (Durability.RELAXED, False): "FULL",
}


class Database:
    """One database file.

    `get`, `put`, `read` and `submit` are safe from any thread; `answer` and `store` are the same
    for an event loop.

    Parameters
    ----------
    path
        the SQLite file; a writable database creates it
    writable
        whether `put` is allowed; without, the file is never touched
    lock_wait
        how many seconds to wait while another process holds the file's lock
    durability
        what a write that was acknowledged survives
    turns
        for one of several processes that serve a file together: what they queue up with to
        write. Whoever has begun them puts the file back into its plain mode.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        writable: bool = False,
        lock_wait: float = LOCK_WAIT,
        durability: Durability = Durability.FULL,
        writer_lock: FairWriterLock | None = None,
    ) -> None:
        self.path = Path(path)
        self.writable = writable
        # the working folder may change, a link may be turned, while connections are still opened
        self._file = self.path.resolve()
        self.on_network = is_network(self._file)
        self._lock_wait = lock_wait
        self._durability = durability
        self._turns = writer_lock
        self._closed = False
        #: what is to be undone in the end, last things first
        self._ending = ExitStack()
        self._identity = Identity(self._file)
        allow_readonly_wal = not writable
        self._readers = ReadPool(self._file, self._identity, allow_readonly_wal=allow_readonly_wal)
        self._quick_readers = ReadPool(
            self._file, self._identity, allow_readonly_wal=allow_readonly_wal, longest=LONG_ROW
        )
        self._writer: Writer | None = None
        self._watch: IdentityWatch | None = None
        self._comparisons = Comparisons(self._decide)
        with ExitStack() as started:
            started.callback(self._close_readers)
            self._open(started)
            self._ending = started.pop_all()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="seamless-database-reader")

    def get(self, body: Mapping[str, Any]) -> str | None:
        """Answer a read request, given as the JSON object of the protocol; None is a miss."""
        return self.read(request_types.parse_read(from_python(body)).run)

    def put(self, body: Mapping[str, Any]) -> None:
        """Do a write request, given as the JSON object of the protocol; returns when it is safe."""
        self._put(request_types.parse_write(from_python(body)))

    async def execute_read(self, request: request_types.ReadRequest) -> str | None:
        """Answer a checked read request; look-ups of one row are done on the spot."""
        found = self.try_read(request)
        # waiting is for a thread, not for the event loop
        return await self._in_thread(request) if found is NOT_IMMEDIATE else found

    def try_read(self, request: request_types.ReadRequest) -> str | NotImmediate | None:
        """Answer a checked read request if that takes no time: a small row of a local file."""
        if not request.is_point_lookup or self.on_network:
            return NOT_IMMEDIATE
        try:
            return self._quick_readers.read(request.run, 0)
        except (sqlite3.Error, UnavailableError):
            # a lock, a large row, or whatever it is: a thread comes upon it again, and may wait
            return NOT_IMMEDIATE

    @property
    def is_local(self) -> bool:
        """Whether point reads are answered at once, as a rule."""
        return not self.on_network

    def submit_read(self, request: request_types.ReadRequest, tell: ReadCallback) -> None:
        """Queue a checked point read; `tell` hears on this event loop what was found."""
        loop = asyncio.get_running_loop()

        def done(future: Future[str | None]) -> None:
            error = future.exception()
            # if the loop is closed, nobody waits there any more
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, None if error else future.result(), error)

        work = self._by_deadline(request)
        self._pool.submit(work).add_done_callback(done)

    async def execute_write(self, request: request_types.WriteRequest) -> None:
        """Do a checked write request; returns when it is safe."""
        try:
            await asyncio.wrap_future(self.submit(request.run))
        except UndecidedError as undecided:
            await asyncio.wrap_future(self._comparisons.submit(undecided))

    def submit_write(self, request: request_types.WriteRequest, tell: WriteCallback) -> None:
        """Queue a checked write request; `tell` hears on this event loop when it is safe."""
        loop = asyncio.get_running_loop()
        told = partial(self._comparisons.report_to, tell, loop)
        self._open_writer().submit_with_callback(request.run, told, loop)

    def read(self, work: Callable[[Connection], T]) -> T | None:
        """Call `work` with a reading connection."""
        return self._read(work, self._lock_wait)

    def _read(self, work: Callable[[Connection], T], wait: float) -> T | None:
        try:
            return self._readers.read(work, wait)
        except sqlite3.Error as error:
            if not self.writable and self._lacks_tables():
                # nobody has upgraded the file yet; what has no table has no rows
                return None
            reason = reason_of(error, self.path)
            raise UnavailableError(f"the database could not be read ({reason})") from error

    @property
    def commits(self) -> CommitMetrics | None:
        """How the commits went so far; None without a writer."""
        return None if self._writer is None else self._writer.commits

    @property
    def queued_writes(self) -> int:
        """How many writes are queued."""
        return 0 if self._writer is None else self._writer.queued_writes

    def submit(self, work: Work) -> Future[None]:
        """Queue a write; its future is done once it is on the disk, or has failed."""
        return self._open_writer().submit(work)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return str(self.path)

    @property
    def startup_notices(self) -> tuple[str, ...]:
        """What whoever starts a server on it should know."""
        if self.on_network and self.writable:
            return ("The file is on a network file system: no WAL mode, slower writes",)
        return ()

    @property
    def degraded_reason(self) -> str | None:
        """Why nothing can be answered; a lock of others or a full disk may be over soon."""
        return self._identity.degraded_reason

    def sizes(self) -> dict[str, int]:
        """Bytes of the file, and of the journal of WAL mode while there is one."""
        files = {"main": self._file, "wal": self._file.with_name(f"{self._file.name}-wal")}
        found = {}
        for name, path in files.items():
            # the journal may go at any moment
            with suppress(FileNotFoundError):
                found[name] = path.stat().st_size
        return found

    def close(self) -> None:
        """Finish what is queued, and leave one self-contained file."""
        if self._closed:
            return
        self._closed = True
        if self._watch is not None:
            self._watch.close()
        if self._writer is not None:
            if self._identity.degraded_reason is not None:
                self._let_writer_check()
            self._writer.close()
        self._pool.shutdown()
        # a connection that reads would keep the file in WAL mode
        self._close_readers()
        self._ending.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _put(self, request: WriteOperation) -> None:
        try:
            self.submit(request.run).result()
        except UndecidedError as undecided:
            self._decide(undecided)

    def _decide(self, undecided: UndecidedError) -> None:
        """Compare what a write is to be decided by, and do what was decided."""
        self._put(undecided.decide(self.read(undecided.read)))

    async def _in_thread(self, request: request_types.ReadRequest) -> str | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._by_deadline(request))
        except RuntimeError as error:
            if self._closed:
                raise DatabaseClosedError from error
            raise

    def _by_deadline(self, request: request_types.ReadRequest) -> Callable[[], str | None]:
        """Give what a thread does to answer: it waits for a lock as if it had begun just now.

        If the file is locked for long, those that wait for a thread do not wait once more.
        """
        deadline = time.monotonic() + self._lock_wait

        def answer() -> str | None:
            try:
                return self._read(request.run, max(0.0, deadline - time.monotonic()))
            except DatabaseLockedError as error:
                raise DatabaseLockedError(self._lock_wait) from error

        return answer

    def _close_readers(self) -> None:
        self._readers.close()
        self._quick_readers.close()

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise ReadOnlyError
        return self._writer

    def _open(self, started: ExitStack) -> None:
        """Connect, check the schema, and make the file ready for what is asked of it."""
        self._check_path()
        try:
            if not self.writable:
                self._readers.read(lambda c: schema.inspect(c, self.path), self._lock_wait)
                self.journal_mode = str(self._readers.read(_journal_mode, self._lock_wait))
                self._note_identity()
                return
            if self.on_network:
                if self._turns is not None:
                    reason = "on a network file system only one process may write"
                    raise FileError(self.path, f"{reason}; leave out --workers, or --writable")
                started.enter_context(WriterLockFile(self._file))
            connection = Connection.open(self._file, "rwc")
            started.callback(connection.close)
            retry_while_locked(lambda: schema.inspect(connection, self.path), self._lock_wait)
            self._make_ready(connection)
            self.journal_mode = _journal_mode(connection)
            self._note_identity()
        except (sqlite3.Error, UnicodeDecodeError, UnavailableError, OSError) as error:
            if isinstance(error, StartError):
                raise
            raise FileError(self.path, reason_of(error, self.path)) from error
        if self.journal_mode == "wal" and self._turns is None:
            started.callback(self._leave_wal_mode, connection)
        transactions = SQLiteTransactions(connection, self._lock_wait, self._turns, self._identity)
        self._writer = Writer(transactions)
        self._watch = IdentityWatch(self._identity, self._let_writer_check)

    def _note_identity(self) -> None:
        """Take the file that is open for the one that is served from now on."""
        with_journal = self.writable and self.journal_mode == "wal"
        mark = self._identity.note(with_journal=with_journal)
        if self._turns is not None and not self._turns.agree(mark):
            reason = "it was replaced while other processes of this server have it open"
            raise FileError(self.path, f"{reason}; restart the server")

    def _let_writer_check(self) -> None:
        """Let the writer come upon a file that was replaced, though it has nothing to write."""
        with suppress(UnavailableError):
            self.submit(lambda _connection: None)

    def _check_path(self) -> None:
        """Say what is wrong with a path in clearer words than SQLite's."""
        if self.path.is_dir():
            raise FileError(self.path, "it is a folder")
        if not self.path.parent.is_dir():
            raise FileError(self.path, "its folder does not exist")
        if not self.writable and not self.path.exists():
            raise FileError(self.path, "it does not exist; --writable would create it")
        self.is_new = not self.path.exists() or self.path.stat().st_size == 0

    def _make_ready(self, connection: Connection) -> None:
        retry_while_locked(lambda: connection.command("BEGIN IMMEDIATE"), self._lock_wait)
        # to commit needs the exclusive lock, even if nothing has changed, and a reader prevents it
        end = "COMMIT" if schema.upgrade(connection, self.path) else "ROLLBACK"
        retry_while_locked(lambda: connection.command(end), self._lock_wait)
        wanted = "DELETE" if self.on_network else "WAL"
        # if another process uses the file in its present mode, that does as well
        with suppress(DatabaseLockedError):
            retry_while_locked(
                lambda: connection.command(f"PRAGMA journal_mode={wanted}"), self._lock_wait
            )
        # until it first reads in WAL mode, a connection does not keep others from leaving it
        retry_while_locked(lambda: connection.command("PRAGMA schema_version"), self._lock_wait)
        row = connection.command("PRAGMA journal_mode")
        level = _SYNCHRONOUS[self._durability, row == ("wal",)]
        connection.command(f"PRAGMA synchronous={level}")

    def _leave_wal_mode(self, connection: Connection) -> None:
        if self._identity.degraded_reason is not None:
            # the WAL may be in use by now, for another file of that name
            return
        try:
            # so that the file is complete even if it has to stay in WAL mode
            connection.command("PRAGMA wal_checkpoint(TRUNCATE)")
            retry_while_locked(lambda: connection.command("PRAGMA journal_mode=DELETE"), 0.5)
        except (sqlite3.Error, DatabaseLockedError):
            # another process has the file open: the last one that closes it tidies up
            return

    def _lacks_tables(self) -> bool:
        try:
            return not self._readers.read(lambda c: schema.inspect(c, self.path), 0).complete
        except (sqlite3.Error, UnavailableError, SchemaError):
            return False


def _journal_mode(connection: Connection) -> str:
    row = connection.command("PRAGMA journal_mode")
    return str(row[0]) if row else ""
