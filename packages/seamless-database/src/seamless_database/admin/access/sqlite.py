"""Open a file for the administrator: to read one snapshot of it, or to change it.

Reading delays no writer. Changing holds the exclusive lock of the file, from before the first row
is looked at until the end. Statements go through SQLAlchemy connections, which stream.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.pool import NullPool

from seamless_database.admin.access.engine_errors import EngineErrors
from seamless_database.admin.access.open_files import processes_using
from seamless_database.admin.errors import DamagedError, FileInUseError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.errors import DatabaseError, FileError
from seamless_database.storage.sqlite.connection import (
    advice_for_damage,
    damage_of,
    is_damage,
    is_lock,
    reason_of,
)
from seamless_database.storage.sqlite.filesystem import is_network
from seamless_database.storage.sqlite.lock_file import WriterLockFile
from seamless_database.storage.sqlite.readonly_wal import FileState, is_unchanged, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

Mode = Literal["ro", "rw", "rwc"]

#: seconds that SQLite waits for a lock
LOCK_WAIT = 5.0
#: pages of one step of a copy, and the pause after it, in which others may write
STEP, PAUSE = 2000, 0.005
#: kilobytes of a file that SQLite may keep in memory
CACHE = 65536
#: instructions of a statement between two looks at signals
STEPS_BETWEEN_SIGNALS = 100_000
#: what a step of a backup answers if it had to wait for that long: SQLITE_BUSY, SQLITE_LOCKED
_LOCKED = (5, 6)
_LOCK_HELD = f"another process holds its lock (waited {LOCK_WAIT:g} s); try again later"
#: how often a backup may begin again because another process has written to the file
RESTARTS = 20


@contextmanager
def reading(path: Path, progress: Callable[[int, int], None] | None = None) -> Iterator[Connection]:
    """Open one snapshot of a file, without delaying a process that writes to it, now or later.

    In WAL mode, readers do not block writers. With a rollback journal, a reader blocks every
    commit and keeps a server from entering WAL mode, so such a file is copied first. Without
    space for the copy, a file that no other process has open is read in place.
    """
    file = existing(path)
    if file.with_name(f"{file.name}-journal").exists() and os.access(file, os.W_OK):
        # opening it for writing undoes what a process that was killed has left half done
        with connected(file, "rw", path):
            pass
    with ExitStack() as stack:
        connection = stack.enter_context(_opened_to_read(file, path))
        if not is_in_wal_mode(connection):
            folder = tempfile.TemporaryDirectory(prefix="seamless-database-admin-")
            copy = Path(stack.enter_context(folder)) / "snapshot.db"
            if _has_space(copy.parent, file, path):
                back_up(connection, path, copy, progress)
                connection = stack.enter_context(connected(copy, "ro", path))
        connection.exec_driver_sql("BEGIN")
        yield connection
        if raw(connection).in_transaction:
            connection.exec_driver_sql("ROLLBACK")


@contextmanager
def _opened_to_read(file: Path, path: Path) -> Iterator[Connection]:
    """Open a file to read it, and leave no -wal or -shm beside it that was not there before.

    SQLite creates both for a file in WAL mode. The last connection that may write removes them
    again; a read-only connection leaves them. A journal that was there before would be lost in
    that way, so such a file is read in a temporary copy.
    """
    rest = probe(file)
    if rest is None or processes_using(file):
        # another process has it open, or one that was killed has left its -shm
        with connected(file, "ro", path) as connection:
            yield connection
    elif rest.wal is None:
        writable = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
        with connected(file, "rw" if writable else "ro", path) as connection:
            yield connection
    else:
        with tempfile.TemporaryDirectory(prefix="seamless-database-admin-") as folder:
            copied = _copy_at_rest(file, rest, Path(folder) / "snapshot.db")
            with connected(copied or file, "ro", path) as connection:
                yield connection


def _copy_at_rest(file: Path, rest: FileState, copy: Path) -> Path | None:
    """Copy a file and its journal; None if there is no space, or a process opens it meanwhile."""
    needed = sum(stamp[2] for stamp in (rest.file, rest.wal) if stamp is not None)
    if shutil.disk_usage(copy.parent).free <= needed:
        return None
    with INTERRUPTION.deferred(defer=False):
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")
    return copy if is_unchanged(file, rest) else None


@contextmanager
def changing(path: Path) -> Iterator[Connection]:
    """Open a file, outside any transaction, with an exclusive lock that is held until the end.

    No other connection can read or write the file meanwhile, so a row that was found by its row
    number is still the same row when it is deleted.
    """
    file = existing(path)
    if found := processes_using(file):
        raise FileInUseError(path, ", ".join(found))
    if not os.access(file, os.W_OK):
        raise FileError(path, "no permission to write it")
    identity = file.stat()
    with ExitStack() as stack:
        if is_network(file):
            stack.enter_context(WriterLockFile(file))
        connection = stack.enter_context(connected(file, "rw", shown=path))
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
        if is_lock(plain(error)):
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
def scratch(path: Path) -> Iterator[Connection]:
    """Open a temporary copy of a file, to be changed without disturbing anybody."""
    file = existing(path)
    with tempfile.TemporaryDirectory(prefix="seamless-database-admin-") as folder:
        copy = Path(folder) / "copy.db"
        with _opened_to_read(file, path) as source:
            back_up(source, path, copy)
        with connected(copy, "rw", shown=path) as connection:
            yield connection


@contextmanager
def connected(
    file: Path, mode: Mode, shown: Path | None = None, *, damaged: bool = False
) -> Iterator[Connection]:
    """Connect to a file, in autocommit mode; to a damaged one too, if asked for."""

    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(file.resolve()))}?mode={mode}"
        raw = sqlite3.connect(
            uri, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False
        )
        raw.text_factory = _text_or_bytes
        if damaged:
            _accept_damage(raw)
        # within a long statement, Python handles signals only when SQLite calls it
        raw.set_progress_handler(lambda: INTERRUPTION.came, STEPS_BETWEEN_SIGNALS)
        return raw

    engine = sqlalchemy.create_engine(
        "sqlite://", creator=connect, poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    own = EngineErrors(engine)
    try:
        with engine.connect() as connection:
            try:
                # reads the list of tables
                pragma(connection, f"cache_size=-{CACHE}")
            except UnicodeDecodeError as error:
                raise _error(shown or file, error, damaged=damaged) from error
            pragma(connection, "schema_version")
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        if error not in own:
            raise
        raise _error(shown or file, plain(error), damaged=damaged) from error
    except sqlite3.Error as error:
        # of what does not go through SQLAlchemy: backups, and the upgrade of the schema
        raise _error(shown or file, error, damaged=damaged) from error


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Do everything inside, or nothing."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if raw(connection).in_transaction:
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def pragma(connection: Connection, setting: str) -> None:
    """Change a setting; what SQLite answers is not of interest."""
    connection.exec_driver_sql(f"PRAGMA {setting}").close()


def is_in_wal_mode(connection: Connection) -> bool:
    """Whether the file of a connection is in WAL mode."""
    return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()) == "wal"


def back_up(
    source: Connection,
    path: Path,
    target: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Copy the file of an open connection by SQLite's backup, also while others write to it.

    SQLite begins again after each commit of another process. In WAL mode, a snapshot that is held
    prevents that. With a rollback journal, holding one would block the commits, so the copy gives
    up after `RESTARTS`, with a `FileError` about `path`.
    """
    restarts, least = 0, sys.maxsize

    def report(status: int, remaining: int, total: int) -> None:
        nonlocal restarts, least
        INTERRUPTION.check()
        if status in _LOCKED:
            raise FileError(path, _LOCK_HELD)
        restarts += remaining >= least
        least = remaining
        if restarts > RESTARTS:
            raise FileError(path, "it is written to faster than it can be copied; try again later")
        # a server that has started meanwhile has put the file into WAL mode
        _hold_snapshot_in_wal_mode(source)
        if progress is not None:
            progress(total - remaining, total)

    _hold_snapshot_in_wal_mode(source)
    try:
        with connected(target, "rwc") as copy:
            # the whole file is synced below, and thrown away unless it is complete
            pragma(copy, "synchronous=OFF")
            raw(source).backup(raw(copy), pages=STEP, progress=report, sleep=PAUSE)
            # a copy of a file in WAL mode starts in that mode
            pragma(copy, "journal_mode=DELETE")
    finally:
        if raw(source).in_transaction:
            source.exec_driver_sql("ROLLBACK")
    sync(target)


def existing(path: Path) -> Path:
    """Follow links to a file, and say what is wrong with it in clearer words than SQLite's."""
    if path.is_dir():
        raise FileError(path, "it is a folder")
    if not path.exists():
        raise FileError(path, "it does not exist")
    if not os.access(path, os.R_OK):
        raise FileError(path, "no permission to read it")
    if not path.is_file():
        raise FileError(path, "it is no plain file")
    return path.resolve()


def raw(connection: Connection) -> sqlite3.Connection:
    """Reach SQLite's own connection, for what has no other way."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def plain(error: sqlalchemy.exc.DBAPIError) -> sqlite3.Error:
    """Take SQLite's error out of SQLAlchemy's."""
    return error.orig if isinstance(error.orig, sqlite3.Error) else sqlite3.Error(str(error.orig))


def sizes(connection: Connection, path: Path) -> dict[str, Any]:
    """Bytes of a file and its journal, and those that are not in use."""

    def asked(name: str) -> int:
        return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    file = existing(path)
    wal = file.with_name(file.name + "-wal")
    return {
        "file": file.stat().st_size,
        "write_ahead_log": wal.stat().st_size if wal.exists() else 0,
        "unused": asked("freelist_count") * asked("page_size"),
    }


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _hold_snapshot_in_wal_mode(connection: Connection) -> None:
    if is_in_wal_mode(connection) and not raw(connection).in_transaction:
        connection.exec_driver_sql("BEGIN")
        pragma(connection, "schema_version")


def _has_space(folder: Path, file: Path, path: Path) -> bool:
    """Whether a copy of a file fits into a folder; raises a `FileError` if it has to fit."""
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


def _error(path: Path, error: Exception, *, damaged: bool) -> DatabaseError:
    if isinstance(error, sqlite3.Error) and is_lock(error):
        return FileError(path, _LOCK_HELD)
    if not is_damage(error):
        return FileError(path, reason_of(error, path))
    advice = "restore a backup" if damaged else advice_for_damage(path)
    return DamagedError(path, damage_of(error), advice)


def _accept_damage(raw: sqlite3.Connection) -> None:
    """Make SQLite open a truncated file, and use what is intact of a damaged list of tables."""
    raw.execute("PRAGMA writable_schema=ON").close()
    try:
        # the first statement fails if the list is damaged; later ones use the tables it could read
        raw.execute("SELECT 1 FROM sqlite_master").close()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise


def _text_or_bytes(data: bytes) -> str | bytes:
    """Read a stored text; one that is not UTF-8 stays bytes, which no check takes for a text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
