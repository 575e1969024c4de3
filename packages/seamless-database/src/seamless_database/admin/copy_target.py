"""Open the target of a copy, so that an interrupted copy can be resumed.

A new file has the suffix `.part` until it is complete; then it gets most of its indexes and its
name. An existing file is locked against all other processes. A PostgreSQL database is locked
against writing; servers can read it.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.access import sqlite
from seamless_database.admin.access.database import open_snapshot
from seamless_database.admin.access.dialects import is_sqlite
from seamless_database.admin.access.files import check_absent, create_file, publish
from seamless_database.admin.access.output import create_indexes, create_tables
from seamless_database.admin.access.tables import require_current
from seamless_database.errors import FileError
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.connection import (
    Connection as PlainConnection,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from seamless_database.admin.access.target import DatabaseTarget
    from seamless_database.storage.postgresql.url import PostgresUrl


@dataclass(frozen=True)
class CopyTarget:
    """An open target."""

    connection: Connection
    #: the file or database that is open: a new file has a temporary name
    database: DatabaseTarget
    #: whether the indexes are created at the end
    without_indexes: bool = False

    def complete(self) -> None:
        """Create the missing indexes, after all rows have been copied."""
        if self.without_indexes:
            with committed_transaction(self.connection):
                create_indexes(self.connection)


def open_copy_target(target: DatabaseTarget) -> AbstractContextManager[CopyTarget]:
    """Open a target with all tables; a new file gets its name at the end of the block."""
    if not isinstance(target, Path):
        return _open_postgresql(target)
    return _open_file(target) if target.exists() else _open_new_file(target)


@contextmanager
def open_existing_target(target: DatabaseTarget) -> Iterator[Connection | None]:
    """Open the existing part of a target to read it; yields None if nothing exists."""
    if isinstance(target, Path):
        with _open_existing_file(target) as connection:
            yield connection
        return
    from seamless_database.admin.access.postgresql import has_tables

    if not has_tables(target):
        yield None
        return
    with open_snapshot(target) as connection:
        yield connection


@contextmanager
def _open_existing_file(path: Path) -> Iterator[Connection | None]:
    part = _part_name(path)
    if path.exists():
        with sqlite.open_snapshot(path) as connection:
            yield connection
    elif os.path.lexists(part) and _stat_regular_file(part).st_size:
        # opened for writing, so that SQLite rolls back the interrupted transaction
        with sqlite.connect(part, "rw") as connection:
            yield connection
    else:
        check_absent(path)
        yield None


@contextmanager
def committed_transaction(connection: Connection) -> Iterator[None]:
    """Run the block in a transaction, and commit it."""
    if is_sqlite(connection):
        with sqlite.transaction(connection):
            yield
        return
    from seamless_database.admin.access.postgresql import begin

    with connection.begin():
        begin(connection)
        yield


@contextmanager
def _open_new_file(path: Path) -> Iterator[CopyTarget]:
    check_absent(path)
    part = _part_name(path)
    with suppress(FileExistsError):
        create_file(part)
    identity = _stat_regular_file(part)
    with sqlite.connect(part, "rw") as connection:
        sqlite.lock_exclusively(connection, part)
        # a command that had the lock before may have completed and renamed the file
        sqlite.check_not_replaced(part, identity, part)
        with committed_transaction(connection):
            create_tables(connection)
        yield CopyTarget(connection, part, without_indexes=True)
        # under the lock, so that no other command resumes a copy that has its name already
        publish(part, path)


@contextmanager
def _open_file(path: Path) -> Iterator[CopyTarget]:
    part = _part_name(path)
    if os.path.lexists(part) and os.path.samestat(part.lstat(), path.lstat()):
        # a second name, left by a command that was killed while it renamed the file
        part.unlink()
    with sqlite.open_exclusive(path) as connection:
        with committed_transaction(connection):
            require_current(connection, path)
            # adds the tables of later versions
            schema.upgrade(PlainConnection(sqlite.raw(connection)), path)
        yield CopyTarget(connection, path)


def _stat_regular_file(part: Path) -> os.stat_result:
    """Return the status of an interrupted copy; refuses links, which lead to another file."""
    found = part.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise FileError(part, "it is a link, or not a regular file; remove it")
    return found


@contextmanager
def _open_postgresql(url: PostgresUrl) -> Iterator[CopyTarget]:
    from seamless_database.admin.access import postgresql

    postgresql.create_tables(url)
    with postgresql.connect(url) as guard, postgresql.connect(url) as connection:
        postgresql.begin(guard)
        postgresql.lock_writers(guard, url)
        yield CopyTarget(connection, url)


def _part_name(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
