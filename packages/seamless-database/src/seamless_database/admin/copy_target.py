"""Open what a copy is written to, so that the copy can be gone on with after an interruption.

A file that does not exist is written under the name with `.part` at its end, and gets its name,
and most of its indexes, when it is complete. A file that exists nobody else may open meanwhile.
Of a PostgreSQL database, servers may read what is there; they cannot write to it.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.access import sqlite
from seamless_database.admin.access.database import reading
from seamless_database.admin.access.dialects import is_sqlite
from seamless_database.admin.access.output import (
    check_absent,
    create_file,
    create_indexes,
    create_tables,
    give_name,
)
from seamless_database.admin.access.sqlite import raw
from seamless_database.admin.access.tables import current
from seamless_database.errors import FileError
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.connection import (
    Connection as PlainConnection,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from seamless_database.admin.access.database import DatabaseTarget
    from seamless_database.storage.postgresql.url import PostgresUrl


@dataclass(frozen=True)
class Target:
    """An open target."""

    connection: Connection
    #: where it is, for now
    place: DatabaseTarget
    #: whether indexes are missing until the rows are there
    without_indexes: bool = False

    def complete(self) -> None:
        """Do what is done when all rows are there."""
        if self.without_indexes:
            with committed(self.connection):
                create_indexes(self.connection)


def copy_target(where: DatabaseTarget) -> AbstractContextManager[Target]:
    """Open a target, with all tables; it takes its name at the end, unless there is an error."""
    if not isinstance(where, Path):
        return _postgresql(where)
    return _file(where) if where.exists() else _new_file(where)


@contextmanager
def present(where: DatabaseTarget) -> Iterator[Connection | None]:
    """Open what there is of a target, to look at it; None if there is nothing."""
    if isinstance(where, Path):
        with _present_file(where) as connection:
            yield connection
        return
    from seamless_database.admin.access.postgresql import has_tables

    if not has_tables(where):
        yield None
        return
    with reading(where) as connection:
        yield connection


@contextmanager
def _present_file(path: Path) -> Iterator[Connection | None]:
    part = _part(path)
    if path.exists():
        with sqlite.reading(path) as connection:
            yield connection
    elif os.path.lexists(part) and _identity(part).st_size:
        # what was begun when it was interrupted has to be undone before it can be read
        with sqlite.connected(part, "rw") as connection:
            yield connection
    else:
        check_absent(path)
        yield None


@contextmanager
def committed(connection: Connection) -> Iterator[None]:
    """Do everything inside and commit it, or do nothing."""
    if is_sqlite(connection):
        with sqlite.transaction(connection):
            yield
        return
    from seamless_database.admin.access.postgresql import begin

    with connection.begin():
        begin(connection)
        yield


@contextmanager
def _new_file(path: Path) -> Iterator[Target]:
    check_absent(path)
    part = _part(path)
    with suppress(FileExistsError):
        create_file(part)
    identity = _identity(part)
    with sqlite.connected(part, "rw") as connection:
        sqlite.lock_exclusively(connection, part)
        # the command that had the lock before may have completed the file
        sqlite.check_not_replaced(part, identity, part)
        with committed(connection):
            create_tables(connection)
        yield Target(connection, part, without_indexes=True)
        # while the lock is held: no other command may go on with a file that has its name
        give_name(part, path)


@contextmanager
def _file(path: Path) -> Iterator[Target]:
    part = _part(path)
    if os.path.lexists(part) and os.path.samestat(part.lstat(), path.lstat()):
        # left by a run that was killed after it had given the file its name
        part.unlink()
    with sqlite.changing(path) as connection:
        with committed(connection):
            current(connection, path)
            # tables that came with later versions
            schema.upgrade(PlainConnection(raw(connection)), path)
        yield Target(connection, path)


def _identity(part: Path) -> os.stat_result:
    """Look at a file that another run has begun, and refuse what leads to another file."""
    found = part.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise FileError(part, "it is a link, or no plain file; remove it")
    return found


@contextmanager
def _postgresql(address: PostgresUrl) -> Iterator[Target]:
    from seamless_database.admin.access import postgresql as opener

    opener.create(address)
    with opener.connected(address) as guard, opener.connected(address) as connection:
        opener.begin(guard)
        opener.lock_writers(guard, address)
        yield Target(connection, address)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
