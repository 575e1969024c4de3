"""Open a file for the administrator: to read it without being in anybody's way, or to change it.

Reading takes one snapshot. In WAL mode that holds nobody up; with a rollback journal it would, so
that such a file, if it is in use, is copied first, a few pages at a time. Changing wants the file
alone: nobody else may have it open. Statements go through SQLAlchemy connections, which stream.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.pool import NullPool

from seamless_database.admin.errors import FileInUseError
from seamless_database.admin.own_errors import OwnErrors
from seamless_database.admin.usage import users
from seamless_database.connection import is_lock
from seamless_database.errors import FileError

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
#: the bytes 18 and 19 of a file tell of WAL mode
_WAL_MARK = b"\x02\x02"


@contextmanager
def reading(path: Path, progress: Callable[[int, int], None] | None = None) -> Iterator[Connection]:
    """Open a file, or a copy of it if reading would hold up its users, within one snapshot."""
    file = existing(path)
    if not _in_wal_mode(file) and users(file):
        with tempfile.TemporaryDirectory(prefix="seamless-database-admin-") as folder:
            copy = Path(folder) / "snapshot.db"
            back_up(path, copy, progress)
            with _snapshot(copy, path) as connection:
                yield connection
    else:
        with _snapshot(file, path) as connection:
            yield connection


@contextmanager
def changing(path: Path) -> Iterator[Connection]:
    """Open a file that nobody else has open, with a plain journal, outside any transaction."""
    file = existing(path)
    if found := users(file):
        raise FileInUseError(path, ", ".join(found))
    if not os.access(file, os.W_OK):
        raise FileError(path, "no permission to write it")
    with connected(file, "rw", shown=path) as connection:
        try:
            # leaving WAL mode succeeds for the last connection only
            pragma(connection, "journal_mode=DELETE")
            with transaction(connection):
                pass
        except sqlalchemy.exc.OperationalError as error:
            if is_lock(plain(error)):
                raise FileInUseError(path, "another process") from error
            raise
        pragma(connection, "synchronous=EXTRA")
        yield connection


@contextmanager
def scratch(path: Path) -> Iterator[Connection]:
    """Open a temporary copy of a file, to be changed without disturbing anybody."""
    existing(path)
    with tempfile.TemporaryDirectory(prefix="seamless-database-admin-") as folder:
        copy = Path(folder) / "copy.db"
        back_up(path, copy)
        with connected(copy, "rw", shown=path) as connection:
            yield connection


@contextmanager
def connected(file: Path, mode: Mode, shown: Path | None = None) -> Iterator[Connection]:
    """Connect to a file, in autocommit mode."""

    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(file.resolve()))}?mode={mode}"
        raw = sqlite3.connect(
            uri, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False
        )
        # whatever others have written, it can be looked at
        raw.text_factory = _text
        return raw

    engine = sqlalchemy.create_engine(
        "sqlite://", creator=connect, poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    own = OwnErrors(engine)
    try:
        with engine.connect() as connection:
            pragma(connection, f"cache_size=-{CACHE}")
            # reads the file for the first time
            pragma(connection, "schema_version")
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        if error not in own:
            raise
        raise FileError(shown or file, _reason(plain(error))) from error
    except sqlite3.Error as error:
        # of what does not go through SQLAlchemy: backups, and the upgrade of the schema
        raise FileError(shown or file, _reason(error)) from error


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


def back_up(path: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Copy a file, also one that is being written, by SQLite's backup: a few pages at a time."""

    def report(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    with connected(path, "ro") as source, connected(target, "rwc") as copy:
        raw(source).backup(raw(copy), pages=STEP, progress=report, sleep=PAUSE)
        # a copy of a file in WAL mode starts in that mode
        pragma(copy, "journal_mode=DELETE")
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


@contextmanager
def _snapshot(file: Path, shown: Path) -> Iterator[Connection]:
    with connected(file, "ro", shown) as connection:
        connection.exec_driver_sql("BEGIN")
        yield connection
        if raw(connection).in_transaction:
            connection.exec_driver_sql("ROLLBACK")


def _in_wal_mode(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(20)[18:] == _WAL_MARK


def _reason(error: sqlite3.Error) -> str:
    if is_lock(error):
        return f"another process holds its lock (waited {LOCK_WAIT:g} s); try again later"
    return str(error)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
