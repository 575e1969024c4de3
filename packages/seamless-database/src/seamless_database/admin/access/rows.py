"""Read and write many rows with bounded memory: streams, batches, chunks, bulk inserts.

A bulk insert leaves existing rows as they are. A file gets the rows by one prepared statement.
PostgreSQL gets them by COPY into a temporary table, because COPY itself cannot skip existing rows.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy
from sqlalchemy import column, select

from seamless_database.admin.access.dialects import insert_new, is_sqlite
from seamless_database.admin.errors import NoTextError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.models import TABLES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Executable, Table

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.console import ProgressBars
    from seamless_database.models import Base

T = TypeVar("T")
Row = tuple[Any, ...]

#: rows that are in memory at once, and that one transaction changes
BATCH = 500
#: limits of a chunk: rows, and characters of text unless a single row has more
MAX_CHUNK_ROWS, MAX_CHUNK_CHARS = 5000, 4_000_000


def stream(connection: Connection, statement: Executable) -> Generator[Any]:
    """Yield the rows of a query while it runs."""
    result = connection.execute(statement, execution_options={"yield_per": BATCH})
    try:
        for row in result:
            INTERRUPTION.check()
            yield row
    finally:
        # after an error elsewhere, Python can close this generator later than the connection
        if not connection.closed:
            result.close()


def numbered_batches(
    connection: Connection, position: ColumnElement[int], value: ColumnElement[Any]
) -> Iterator[list[Any]]:
    """Yield the values of a table in batches by their number; rows may be added meanwhile."""
    last = 0
    while True:
        statement = select(position, value).where(position > last).order_by(position).limit(BATCH)
        rows = connection.execute(statement).all()
        if not rows:
            return
        last = rows[-1][0]
        yield [found for _, found in rows]


def as_mapping(connection: Connection, statement: Executable) -> dict[str, Any]:
    """Return the rows of a query for two columns as a dictionary."""
    return dict(map(tuple, connection.execute(statement)))


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, with the column names of the database."""
    return TABLES[model.__tablename__]


def table_label(table: Table) -> str:
    """Return the name of a table for a progress bar."""
    return table.name.replace("_", " ")


def in_batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Group items into lists of `size`; the last one can be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def in_chunks(rows: Iterable[Sequence[Any]]) -> Iterator[list[Row]]:
    """Group rows into lists with a bounded number of rows and of characters."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(tuple(row))
        size += sum(len(value) for value in row if isinstance(value, str))
        if len(chunk) >= MAX_CHUNK_ROWS or size >= MAX_CHUNK_CHARS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def as_object(text: object) -> dict[str, Any] | None:
    """Parse a stored JSON object; None for anything else."""
    value = as_json(text)
    return value if isinstance(value, dict) else None


def as_json(text: object) -> Any:
    """Parse stored JSON; an `Ellipsis`, which is not a JSON value, if the text is invalid."""
    if not isinstance(text, str):
        return ...
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ...


def copy_all_tables(
    source: Connection, inventory: TableInventory, target: Connection, progress: ProgressBars
) -> None:
    """Copy the rows of all tables unchanged, within the transaction of the target."""
    for table in inventory.tables:
        rows = stream(source, select(*table.columns))
        for chunk in progress.track(in_chunks(rows), f"Copying {table_label(table)}"):
            insert_missing(target, table, chunk)


def insert_missing(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Insert rows of all columns within a transaction, and leave existing rows as they are.

    Raises `NoTextError` for bytes, a number or NULL in a text column.
    """
    if not rows:
        return
    _check_types(table, rows)
    if is_sqlite(connection):
        statement = insert_new(connection, table).compile(dialect=connection.dialect)
        connection.exec_driver_sql(str(statement), rows)
    else:
        _insert_by_copy(connection, table, rows)


def _check_types(table: Table, rows: list[Row]) -> None:
    """Refuse bytes, numbers and NULL, which files of other programs can hold in text columns."""
    first = 1 if "id" in table.columns else 0
    types = tuple(str | None if column.nullable else str for column in table.columns)[first:]
    for row in rows:
        if not all(map(isinstance, row[first:], types)):
            raise NoTextError(table.name, " ".join(str(value)[:80] for value in row[:2]))


def _insert_by_copy(connection: Connection, table: Table, rows: list[Row]) -> None:
    staged = f"seamless_staged_{table.name}"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} (LIKE {table.name})")
    names = [column.name for column in table.columns]
    driver = connection.connection.driver_connection
    assert driver is not None
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {staged} ({', '.join(names)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
    staged_rows = sqlalchemy.table(staged, *(column(name) for name in names)).select()
    connection.execute(insert_new(connection, table).from_select(names, staged_rows))
    connection.exec_driver_sql(f"TRUNCATE {staged}")
