"""Open a database for a sub-command: an SQLite file or a PostgreSQL database, by path or URL.

The module for PostgreSQL is imported for a URL only, because it needs an optional library.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamless_database.admin.access import output, sqlite
from seamless_database.admin.access.dialects import is_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from seamless_database.admin.access.target import DatabaseTarget
    from seamless_database.admin.console import ProgressBars


def open_snapshot(
    database: DatabaseTarget, report: Callable[[int, int], None] | None = None
) -> AbstractContextManager[Connection]:
    """Open one snapshot of a database, without blocking other processes.

    `report` gets the progress of copying a file: what is done, of how much.
    """
    if isinstance(database, Path):
        return sqlite.open_snapshot(database, report)
    from seamless_database.admin.access import postgresql

    return postgresql.open_snapshot(database)


def open_exclusive(database: DatabaseTarget) -> AbstractContextManager[Connection]:
    """Open a database to change it, while no other process can change it."""
    if isinstance(database, Path):
        return sqlite.open_exclusive(database)
    from seamless_database.admin.access import postgresql

    return postgresql.open_exclusive(database)


@contextmanager
def open_scratch(database: DatabaseTarget, progress: ProgressBars) -> Iterator[Connection]:
    """Open a temporary copy for a dry run: always a file, also for a PostgreSQL database."""
    if isinstance(database, Path):
        with sqlite.open_scratch(database) as copy:
            yield copy
        return
    with (
        open_snapshot(database) as source,
        output.open_scratch(source, database, progress) as copy,
    ):
        yield copy


@contextmanager
def new_database(target: DatabaseTarget, *, dry_run: bool) -> Iterator[DatabaseTarget]:
    """Yield the database to load: a new file, or a PostgreSQL database without rows.

    A dry run loads a temporary file instead of either.
    """
    if isinstance(target, Path):
        with output.new_file(target, dry_run=dry_run) as file:
            yield file
        return
    from seamless_database.admin.access.postgresql import check_no_rows

    check_no_rows(target)
    if dry_run:
        with output.temporary_file() as file:
            yield file
    else:
        yield target


def open_for_load(target: DatabaseTarget) -> AbstractContextManager[Connection]:
    """Create the tables of a new database, and open it to load rows: all of them, or none."""
    if isinstance(target, Path):
        return output.open_for_load(target)
    from seamless_database.admin.access import postgresql

    return postgresql.open_for_load(target)


def reopen(target: DatabaseTarget) -> AbstractContextManager[Connection]:
    """Open a loaded database to read it."""
    return sqlite.connect(target, "ro") if isinstance(target, Path) else open_snapshot(target)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the block in a transaction; on PostgreSQL, `open_exclusive` has begun one already."""
    if is_sqlite(connection):
        with sqlite.transaction(connection):
            yield
    else:
        yield


def sizes(connection: Connection, database: DatabaseTarget) -> dict[str, Any]:
    """Return the bytes of a database, by what takes them."""
    if isinstance(database, Path):
        return sqlite.sizes(connection, database)
    from seamless_database.admin.access import postgresql

    return postgresql.sizes(connection)
