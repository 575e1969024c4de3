"""Open an SQLite file for the administration: one snapshot of it, or exclusively, to change it.

Reading delays no writer. A change holds the exclusive lock of the file from before the first read
until the end. Statements go through SQLAlchemy connections, which stream their rows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from seamless_database.admin.access.files import (
    TEMPORARY,
    copy_with_journals,
    processes_using,
    resolve_readable,
    sync,
)
from seamless_database.admin.errors import DamagedError, FileInUseError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.errors import DatabaseError, FileError
from seamless_database.storage.sqlite.connection import (
    advice_for_damage,
    damage_of,
    is_damage,
    is_lock,
    reason_of,
    text_or_bytes,
)
from seamless_database.storage.sqlite.filesystem import is_network
from seamless_database.storage.sqlite.lock_file import WriterLockFile
from seamless_database.storage.sqlite.readonly_wal import is_unchanged, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import ExceptionContext

Mode = Literal["ro", "rw", "rwc"]

#: seconds that SQLite waits for a lock
LOCK_WAIT = 5.0
#: pages of one step of a backup, and the pause after it in seconds, in which others can write
STEP, PAUSE = 2000, 0.005
#: kilobytes of a file that SQLite may keep in memory
CACHE = 65536
#: instructions of a statement between two checks for signals
STEPS_BETWEEN_SIGNALS = 100_000
#: the result of a backup step that has waited `LOCK_WAIT`; Python 3.10 does not name it
_SQLITE_BUSY = 5
_LOCK_HELD = f"another process holds its lock (waited {LOCK_WAIT:g} s); try again later"
#: how often a backup may restart because another process has written to the file
RESTARTS = 20


class EngineErrors:
    """The errors of one engine, to distinguish them from those of another open database."""

    def __init__(self, engine: Engine) -> None:
        self._errors: list[BaseException | None] = []
        event.listen(engine, "handle_error", self._add)

    def __contains__(self, error: BaseException) -> bool:
        return any(error is one for one in self._errors)

    def _add(self, context: ExceptionContext) -> None:
        self._errors.append(context.sqlalchemy_exception)


@contextmanager
def open_snapshot(
    path: Path, report: Callable[[int, int], None] | None = None
) -> Iterator[Connection]:
    """Open one snapshot of a file, without delaying a process that writes to it, now or later.

    In WAL mode, readers do not block writers. With a rollback journal, a reader blocks every
    commit and keeps a server from entering WAL mode, so such a file is copied first. Without
    space for the copy, a file that no other process has open is read in place.
    """
    file = resolve_readable(path)
    if file.with_name(f"{file.name}-journal").exists() and os.access(file, os.W_OK):
        # opening the file for writing rolls back the transaction of a process that was killed
        with connect(file, "rw", path):
            pass
    with ExitStack() as stack:
        connection = stack.enter_context(_open_without_traces(file, path))
        if not is_in_wal_mode(connection):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=TEMPORARY))
            copy = Path(folder) / "snapshot.db"
            if _has_space(copy.parent, file, path):
                back_up(connection, path, copy, report)
                connection = stack.enter_context(connect(copy, "ro", path))
        connection.exec_driver_sql("BEGIN")
        yield connection
        if raw(connection).in_transaction:
            connection.exec_driver_sql("ROLLBACK")


@contextmanager
def _open_without_traces(file: Path, path: Path) -> Iterator[Connection]:
    """Open a file to read it, and leave no -wal or -shm beside it that was not there before.

    SQLite creates both for a file in WAL mode. The last connection that may write removes them
    again; a read-only connection leaves them. A journal that was there before would be removed
    too, so a file with a journal is read in a temporary copy.
    """
    state = probe(file)
    if state is None or processes_using(file):
        # another process has the file open, or a process that was killed has left its -shm
        with connect(file, "ro", path) as connection:
            yield connection
    elif state.wal is None:
        writable = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
        with connect(file, "rw" if writable else "ro", path) as connection:
            yield connection
    else:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
            copy = copy_with_journals(file, Path(folder) / "snapshot.db")
            if copy is None or not is_unchanged(file, state):
                copy = file
            with connect(copy, "ro", path) as connection:
                yield connection


@contextmanager
def open_damaged(path: Path) -> Iterator[Connection]:
    """Open a damaged file to read it, in a temporary copy unless another process has it open."""
    file = resolve_readable(path)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        copy = None
        if not processes_using(file):
            copy = copy_with_journals(file, Path(folder) / "snapshot.db")
        mode: Mode = "ro" if copy is None else "rw"
        with connect(copy or file, mode, path, damaged=True) as connection:
            # one snapshot, so that a lock of another process cannot look like damage later
            connection.exec_driver_sql("BEGIN")
            pragma(connection, "schema_version")
            yield connection


@contextmanager
def open_exclusive(path: Path) -> Iterator[Connection]:
    """Open a file outside of any transaction, and hold its exclusive lock until the end.

    No other connection can read or write the file meanwhile, so the row numbers that a query
    returns are still valid when the rows are deleted.
    """
    file = resolve_readable(path)
    if users := processes_using(file):
        raise FileInUseError(path, ", ".join(users))
    if not os.access(file, os.W_OK):
        raise FileError(path, "no permission to write it")
    identity = file.stat()
    with ExitStack() as stack:
        if is_network(file):
            stack.enter_context(WriterLockFile(file))
        connection = stack.enter_context(connect(file, "rw", path))
        lock_exclusively(connection, path)
        check_not_replaced(file, identity, path)
        pragma(connection, "synchronous=EXTRA")
        yield connection
        check_not_replaced(file, identity, path)


def lock_exclusively(connection: Connection, path: Path) -> None:
    """Take the exclusive lock of a file, until the connection is closed, with a rollback journal.

    Raises `FileInUseError` if another connection has a lock, or has the file open in WAL mode.
    """
    try:
        # in this order: between leaving WAL mode and locking, no other process can open the file
        for setting in ("locking_mode=EXCLUSIVE", "journal_mode=DELETE"):
            pragma(connection, setting)
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        connection.exec_driver_sql("COMMIT")
    except sqlalchemy.exc.OperationalError as error:
        if is_lock(sqlite_error(error)):
            raise FileInUseError(path, "another process") from error
        raise


def check_not_replaced(file: Path, identity: os.stat_result, path: Path) -> None:
    """Raise a `FileError` unless the name still belongs to the file that was opened."""
    try:
        same = os.path.samestat(file.lstat(), identity)
    except FileNotFoundError:
        same = False
    if not same:
        reason = "another process has replaced or removed it meanwhile; run the command again"
        raise FileError(path, reason)


@contextmanager
def open_scratch(path: Path) -> Iterator[Connection]:
    """Open a temporary copy of a file for changes that are thrown away."""
    file = resolve_readable(path)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        copy = Path(folder) / "copy.db"
        with _open_without_traces(file, path) as source:
            back_up(source, path, copy)
        with connect(copy, "rw", path) as connection:
            yield connection


@contextmanager
def connect(
    file: Path, mode: Mode, path: Path | None = None, *, damaged: bool = False
) -> Iterator[Connection]:
    """Connect to a file in autocommit mode; `path` is its name in errors.

    With `damaged`, SQLite reads a damaged file as far as it can.
    """

    def create_connection() -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(file.resolve()))}?mode={mode}"
        raw = sqlite3.connect(
            uri, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False
        )
        raw.text_factory = text_or_bytes
        if damaged:
            _accept_damage(raw)
        # during a long statement, Python handles signals only when SQLite calls it
        raw.set_progress_handler(lambda: INTERRUPTION.requested, STEPS_BETWEEN_SIGNALS)
        return raw

    engine = sqlalchemy.create_engine(
        "sqlite://", creator=create_connection, poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    own_errors = EngineErrors(engine)
    try:
        with engine.connect() as connection:
            try:
                # reads the list of tables
                pragma(connection, f"cache_size=-{CACHE}")
            except UnicodeDecodeError as error:
                raise _file_error(path or file, error, damaged=damaged) from error
            pragma(connection, "schema_version")
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        if error not in own_errors:
            raise
        raise _file_error(path or file, sqlite_error(error), damaged=damaged) from error
    except sqlite3.Error as error:
        # raised outside of SQLAlchemy: by backups, and by the upgrade of the schema
        raise _file_error(path or file, error, damaged=damaged) from error


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the block in a transaction, and roll it back after an exception."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if raw(connection).in_transaction:
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def pragma(connection: Connection, setting: str) -> None:
    """Run a PRAGMA statement, and ignore its result."""
    connection.exec_driver_sql(f"PRAGMA {setting}").close()


def is_in_wal_mode(connection: Connection) -> bool:
    """Whether the file of a connection is in WAL mode."""
    return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()) == "wal"


def back_up(
    source: Connection,
    path: Path,
    target: Path,
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Copy the file of an open connection by SQLite's backup, also while others write to it.

    SQLite restarts the backup after each commit of another process. In WAL mode, an open snapshot
    prevents that. With a rollback journal, a snapshot would block the commits, so the copy ends
    after `RESTARTS` with a `FileError` about `path`.
    """
    restarts, least = 0, sys.maxsize

    def after_step(status: int, remaining: int, total: int) -> None:
        nonlocal restarts, least
        INTERRUPTION.check()
        if status == _SQLITE_BUSY:
            raise FileError(path, _LOCK_HELD)
        restarts += remaining >= least
        least = remaining
        if restarts > RESTARTS:
            raise FileError(path, "it is written to faster than it can be copied; try again later")
        # a server that has started meanwhile has switched the file to WAL mode
        _hold_snapshot_in_wal_mode(source)
        if report is not None:
            report(total - remaining, total)

    _hold_snapshot_in_wal_mode(source)
    try:
        with connect(target, "rwc") as copy:
            # the complete file is synced below; an incomplete one is removed by the caller
            pragma(copy, "synchronous=OFF")
            raw(source).backup(raw(copy), pages=STEP, progress=after_step, sleep=PAUSE)
            # a copy of a file in WAL mode starts in that mode
            pragma(copy, "journal_mode=DELETE")
    finally:
        if raw(source).in_transaction:
            source.exec_driver_sql("ROLLBACK")
    sync(target)


def raw(connection: Connection) -> sqlite3.Connection:
    """Return the `sqlite3` connection, for what SQLAlchemy does not offer."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def sqlite_error(error: sqlalchemy.exc.DBAPIError) -> sqlite3.Error:
    """Return the `sqlite3` error inside one of SQLAlchemy."""
    return error.orig if isinstance(error.orig, sqlite3.Error) else sqlite3.Error(str(error.orig))


def sizes(connection: Connection, path: Path) -> dict[str, Any]:
    """Return the bytes of a file, of its journal, and of unused pages."""

    def read_setting(name: str) -> int:
        return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    file = resolve_readable(path)
    wal = file.with_name(file.name + "-wal")
    return {
        "file": file.stat().st_size,
        "write_ahead_log": wal.stat().st_size if wal.exists() else 0,
        "unused": read_setting("freelist_count") * read_setting("page_size"),
    }


def _hold_snapshot_in_wal_mode(connection: Connection) -> None:
    if is_in_wal_mode(connection) and not raw(connection).in_transaction:
        connection.exec_driver_sql("BEGIN")
        pragma(connection, "schema_version")


def _has_space(folder: Path, file: Path, path: Path) -> bool:
    """Whether a copy of a file fits; raises a `FileError` if the file cannot be read in place."""
    needed = file.stat().st_size
    if shutil.disk_usage(folder).free > needed:
        return True
    if processes_using(file, besides=os.getpid()):
        raise FileError(
            path,
            f"it is in use, and a copy of it ({needed} bytes) does not fit into {folder.parent}; "
            "set TMPDIR to a folder with more space",
        )
    return False


def _file_error(path: Path, error: Exception, *, damaged: bool) -> DatabaseError:
    if isinstance(error, sqlite3.Error) and is_lock(error):
        return FileError(path, _LOCK_HELD)
    if not is_damage(error):
        return FileError(path, reason_of(error, path))
    advice = "restore a backup" if damaged else advice_for_damage(path)
    return DamagedError(path, damage_of(error), advice)


def _accept_damage(raw: sqlite3.Connection) -> None:
    """Make SQLite open a truncated file, and use the intact part of a damaged list of tables."""
    raw.execute("PRAGMA writable_schema=ON").close()
    # The first statement fails if the list is damaged; later ones use the tables it could read.
    # Any other error, such as a lock, meets the next statement too.
    with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        raw.execute("SELECT 1 FROM sqlite_master").close()
