"""SQLite database file, open for reading or for writing; usable without a server.

On a local disk the file is in WAL mode while it is open for writing, so that readers and the
writer do not wait for each other. A clean close leaves WAL mode, so that the file is complete
again. On a network file system, where WAL mode would lose data, the file keeps a rollback journal
and has one writing server at most. An acknowledged write is synced in both modes.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from seamless_database.errors import (
    DatabaseLockedError,
    FileError,
    SchemaError,
    StartError,
    UnavailableError,
)
from seamless_database.storage.backend import LOCK_WAIT, Backend, Durability
from seamless_database.storage.batch_queue import Operation
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.checkpoints import WAIT_SIZE, Checkpoints
from seamless_database.storage.sqlite.connection import Connection, reason_of, retry_while_locked
from seamless_database.storage.sqlite.file_identity import FileIdentity, IdentityWatch
from seamless_database.storage.sqlite.filesystem import is_network
from seamless_database.storage.sqlite.lock_file import WriterLockFile
from seamless_database.storage.sqlite.read_pool import PAGE_CACHE, ReadPool
from seamless_database.storage.sqlite.transactions import Transactions
from seamless_database.storage.sqlite.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless_database.request_types.base import ReadRequest
    from seamless_database.storage.sqlite.fair_lock import FairWriterLock

T = TypeVar("T")

#: bytes of a row above which a thread reads it: a row of 60 MB would block the event
#: loop for 0.3 s
MAX_ROW_BYTES = 256 * 1024
#: (durability, whether in WAL mode) -> SQLite's synchronous level. With a rollback journal, only
#: EXTRA also syncs the removal of the journal that commits, and NORMAL could damage the file.
_SYNCHRONOUS = {
    (Durability.FULL, True): "FULL",
    (Durability.RELAXED, True): "NORMAL",
    (Durability.FULL, False): "EXTRA",
    (Durability.RELAXED, False): "FULL",
}


class Database(Backend):
    """One database file.

    Parameters
    ----------
    path
        the SQLite file, which a writable database creates
    writable
        whether `put` is allowed; otherwise the file is never changed
    lock_wait
        seconds to wait while another process holds the lock of the file
    durability
        what an acknowledged write survives
    writer_lock
        the fair lock of the worker processes of one server, which write one after the other. The
        process that has started them takes the file out of WAL mode.
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
        super().__init__(writable=writable)
        self.path = Path(path)
        self.name = str(self.path)
        # connections are opened later, when the working folder or a link may have changed
        self._file = self.path.resolve()
        self.on_network = is_network(self._file)
        self._lock_wait = lock_wait
        self._durability = durability
        self._writer_lock = writer_lock
        #: closes what was opened, in the opposite order
        self._opened = ExitStack()
        self._identity = FileIdentity(self._file)
        self._readers = ReadPool(self._file, self._identity, allow_readonly_wal=not writable)
        self._immediate_readers = ReadPool(
            self._file,
            self._identity,
            allow_readonly_wal=not writable,
            max_row_bytes=MAX_ROW_BYTES,
        )
        self._watch: IdentityWatch | None = None
        #: None for a database that is open for reading, or has a rollback journal
        self._checkpoints: Checkpoints | None = None
        with ExitStack() as opened:
            opened.callback(self._close_readers)
            self._open(opened)
            self._opened = opened.pop_all()

    async def execute_read(self, request: ReadRequest) -> str | None:
        """Answer a parsed read request; the event loop itself reads a small row of a local file."""
        if request.is_point_lookup and not self.on_network:
            try:
                return self._immediate_readers.read(request.run, 0)
            except (sqlite3.Error, UnavailableError):
                # a lock or a large row, for example: a thread meets it again and may wait
                pass
        # the wait for a lock starts now: reads that queue behind others do not wait once more
        deadline = time.monotonic() + self._lock_wait

        def answer() -> str | None:
            try:
                return self._read(request.run, max(0.0, deadline - time.monotonic()))
            except DatabaseLockedError as error:
                raise DatabaseLockedError(self._lock_wait) from error

        return await self._run_in_pool(answer)

    def read(self, work: Callable[[Connection], T]) -> T | None:
        """Call `work` with a reading connection."""
        return self._read(work, self._lock_wait)

    @property
    def startup_notices(self) -> tuple[str, ...]:
        """What a server says about the database when it starts."""
        if self.on_network and self.writable:
            return ("The file is on a network file system: no WAL mode, slower writes",)
        return ()

    @property
    def degraded_reason(self) -> str | None:
        """Whether the file was replaced; locks and full disks are transient, so not reported."""
        return self._identity.degraded_reason

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the file, and of its WAL while there is one."""
        files = {"main": self._file, "wal": self._file.with_name(f"{self._file.name}-wal")}
        found = {}
        for name, path in files.items():
            # another process may remove the WAL at any moment
            with suppress(FileNotFoundError):
                found[name] = path.stat().st_size
        return found

    def _close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._writes is not None:
            if self._identity.degraded_reason is not None:
                self._let_writer_check()
            self._writes.close()
        self._pool.shutdown()
        # an open reading connection would keep the file in WAL mode
        self._close_readers()
        self._opened.close()

    def _read(self, work: Callable[[Connection], T], wait: float) -> T | None:
        try:
            return self._readers.read(work, wait)
        except sqlite3.Error as error:
            if not self.writable and self._lacks_tables():
                # no writable server has upgraded the file yet: a missing table has no rows
                return None
            reason = reason_of(error, self.path)
            raise UnavailableError(f"the database could not be read ({reason})") from error

    def _lacks_tables(self) -> bool:
        try:
            return not self._readers.read(lambda c: schema.inspect(c, self.path), 0).complete
        except (sqlite3.Error, UnavailableError, SchemaError):
            return False

    def _close_readers(self) -> None:
        self._readers.close()
        self._immediate_readers.close()

    def _open(self, opened: ExitStack) -> None:
        """Connect to the file, check its schema, and start the writer."""
        self._check_path()
        try:
            if not self.writable:
                self._readers.read(lambda c: schema.inspect(c, self.path), self._lock_wait)
                self._note_identity()
                return
            if self.on_network:
                if self._writer_lock is not None:
                    reason = "on a network file system only one process may write"
                    raise FileError(self.path, f"{reason}; leave out --workers, or --writable")
                opened.enter_context(WriterLockFile(self._file))
            connection = Connection.open(self._file, "rwc")
            opened.callback(connection.close)
            retry_while_locked(lambda: schema.inspect(connection, self.path), self._lock_wait)
            self._prepare(connection)
            self.journal_mode = _journal_mode(connection)
            self._note_identity()
            if self.journal_mode == "wal":
                self._checkpoints = self._start_checkpoints(connection)
        except (sqlite3.Error, UnicodeDecodeError, UnavailableError, OSError) as error:
            if isinstance(error, StartError):
                raise
            raise FileError(self.path, reason_of(error, self.path)) from error
        if self.journal_mode == "wal" and self._writer_lock is None:
            opened.callback(self._leave_wal_mode, connection)
        if self._checkpoints is not None:
            opened.callback(self._checkpoints.close)
        writer = Writer(
            Transactions(
                connection, self._lock_wait, self._writer_lock, self._identity, self._checkpoints
            )
        )
        self._writes, self._commits = writer, writer.commits
        self._watch = IdentityWatch(self._identity, self._let_writer_check)

    def _check_path(self) -> None:
        """Reject a path that cannot be opened, in clearer words than SQLite's."""
        if self.path.is_dir():
            raise FileError(self.path, "it is a folder")
        if not self.path.parent.is_dir():
            raise FileError(self.path, "its folder does not exist")
        if not self.writable and not self.path.exists():
            raise FileError(self.path, "it does not exist; --writable would create it")
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == 1:
            # SQLite takes a file of one byte for an empty one
            raise FileError(self.path, "file is not a database, but one byte; restore a backup")
        self.is_new = size == 0

    def _prepare(self, connection: Connection) -> None:
        """Upgrade the schema, and set the page cache, journal mode and synchronous level."""
        retry_while_locked(lambda: connection.command("BEGIN IMMEDIATE"), self._lock_wait)
        # even an empty COMMIT needs the exclusive lock, which a reader prevents
        end = "COMMIT" if schema.upgrade(connection, self.path) else "ROLLBACK"
        retry_while_locked(lambda: connection.command(end), self._lock_wait)
        mode = "DELETE" if self.on_network else "WAL"
        # another process that has the file open keeps its present mode, which works as well
        with suppress(DatabaseLockedError):
            retry_while_locked(
                lambda: connection.command(f"PRAGMA journal_mode={mode}"), self._lock_wait
            )
        # until its first read in WAL mode, a connection does not keep others from leaving it
        retry_while_locked(lambda: connection.command("PRAGMA schema_version"), self._lock_wait)
        level = _SYNCHRONOUS[self._durability, _journal_mode(connection) == "wal"]
        connection.command(f"PRAGMA synchronous={level}")
        connection.command(f"PRAGMA cache_size=-{PAGE_CACHE}")

    def _start_checkpoints(self, connection: Connection) -> Checkpoints:
        """Leave the checkpoints to a thread; the writing connection runs none in its commits."""
        connection.command("PRAGMA wal_autocheckpoint=0")
        # the WAL gets shorter again after a reader has let it grow
        connection.command(f"PRAGMA journal_size_limit={WAIT_SIZE}")
        return Checkpoints(self._file, self._identity, self._lock_wait)

    def _note_identity(self) -> None:
        """Record which file is open; it must be the same in all processes of this server."""
        with_wal = self.writable and self.journal_mode == "wal"
        device_and_inode = self._identity.note(with_wal=with_wal)
        lock = self._writer_lock
        if lock is not None and not lock.store_or_compare(device_and_inode):
            reason = "it was replaced while other processes of this server have it open"
            raise FileError(self.path, f"{reason}; restart the server")

    def _let_writer_check(self) -> None:
        """Let the writer thread check the identity of the file, although nothing is queued."""
        with suppress(UnavailableError):
            self._writer().submit(Operation(lambda _connection: None))

    def _leave_wal_mode(self, connection: Connection) -> None:
        if self._identity.degraded_reason is not None:
            # another file of that name may use the WAL by now
            return
        try:
            # completes the file even if it has to stay in WAL mode
            connection.command("PRAGMA wal_checkpoint(TRUNCATE)")
            retry_while_locked(lambda: connection.command("PRAGMA journal_mode=DELETE"), 0.5)
        except (sqlite3.Error, DatabaseLockedError):
            # another process has the file open; the last one that closes it removes the WAL
            return


def _journal_mode(connection: Connection) -> str:
    row = connection.command("PRAGMA journal_mode")
    return str(row[0]) if row else ""
