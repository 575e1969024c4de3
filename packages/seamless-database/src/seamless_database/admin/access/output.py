"""Write a new database file: under a temporary name beside it, and renamed when it is complete.

Other processes see the complete file or none, and no existing file is overwritten.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from seamless_database.admin.access.files import TEMPORARY, check_absent, publish, sync
from seamless_database.admin.access.rows import copy_all_tables
from seamless_database.admin.access.sqlite import connect, pragma
from seamless_database.admin.access.tables import inspect_tables
from seamless_database.models import TABLES, RevTransformation, Transformation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from seamless_database.admin.console import ProgressBars
    from seamless_database.storage.postgresql.url import PostgresUrl

#: the index that the loading of a file needs; the others are created when all rows are there
REQUIRED_INDEXES = frozenset({"irreproducible_transformation_checksum"})


@contextmanager
def temporary_file() -> Iterator[Path]:
    """Yield the name of a file in a temporary folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        yield Path(folder) / "new.db"


@contextmanager
def new_file(path: Path, *, dry_run: bool) -> Iterator[Path]:
    """Yield the name to write to, then rename the file; a dry run removes it instead."""
    check_absent(path)
    if dry_run:
        with temporary_file() as file:
            yield file
        return
    with tempfile.TemporaryDirectory(prefix=f".{TEMPORARY}", dir=path.parent) as folder:
        file = Path(folder) / "new.db"
        yield file
        sync(file)
        publish(file, path)


@contextmanager
def open_for_load(file: Path) -> Iterator[Connection]:
    """Create a file with all tables, and open it to load rows.

    There is no journal: the caller removes the file after an error. Most indexes are created at
    the end, when SQLite can write them in their order.
    """
    with connect(file, "rwc") as connection:
        for setting in ("journal_mode=OFF", "synchronous=OFF"):
            pragma(connection, setting)
        connection.exec_driver_sql("BEGIN")
        create_tables(connection)
        yield connection
        create_indexes(connection)
        connection.exec_driver_sql("COMMIT")


def create_tables(connection: Connection) -> None:
    """Create the missing tables of a file, with the indexes that loading needs."""
    for table in TABLES.values():
        connection.exec_driver_sql(str(CreateTable(table, if_not_exists=True)))
        for index in table.indexes:
            if index.name in REQUIRED_INDEXES:
                connection.exec_driver_sql(str(CreateIndex(index, if_not_exists=True)))


def create_indexes(connection: Connection) -> None:
    """Create the missing indexes of a file."""
    for table in TABLES.values():
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.exec_driver_sql(str(CreateIndex(index, if_not_exists=True)))


def add_reverse_rows(connection: Connection) -> None:
    """Insert the reverse rows, which follow from the results."""
    pairs = select(Transformation.result, Transformation.checksum).order_by(Transformation.checksum)
    connection.execute(insert(RevTransformation).from_select(["result", "checksum"], pairs))


def write_snapshot(
    source: Connection, url: PostgresUrl, file: Path, progress: ProgressBars
) -> None:
    """Copy all rows of a PostgreSQL database into a new file."""
    with open_for_load(file) as copy:
        copy_all_tables(source, inspect_tables(source, url), copy, progress)
    sync(file)


@contextmanager
def open_scratch(
    source: Connection, url: PostgresUrl, progress: ProgressBars
) -> Iterator[Connection]:
    """Open a temporary file with all rows of a PostgreSQL database, for a dry run."""
    with temporary_file() as file:
        write_snapshot(source, url, file, progress)
        with connect(file, "rw") as connection:
            yield connection
