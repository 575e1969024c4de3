"""Many rows at once: from one database, in pieces of bounded size, into another.

Rows that are there already are left as they are. A file gets them by one prepared statement;
PostgreSQL by COPY, into a temporary table first, as COPY itself cannot leave out what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import column, select
from sqlalchemy import table as named

from seamless_database.admin.access.dialects import insert_new, is_sqlite
from seamless_database.admin.access.rows import stream
from seamless_database.admin.errors import NoTextError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Table

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.progress import ProgressBars

Row = tuple[Any, ...]

#: what a piece holds at most: rows, and characters of text unless one row has more
ROWS, CHARACTERS = 5000, 4_000_000


def copy_all(
    source: Connection, found: TableInventory, target: Connection, doing: ProgressBars
) -> None:
    """Copy the rows of all tables as they are, within the transaction of the target."""
    for table in found.tables:
        rows = stream(source, select(*table.columns))
        for piece in doing.each(pieces(rows), f"Copying {table.name.replace('_', ' ')}"):
            insert_missing(target, table, piece)


def pieces(rows: Iterable[Sequence[Any]]) -> Iterator[list[Row]]:
    """Group rows, so that a piece fits into memory whatever the rows hold."""
    piece: list[Row] = []
    size = 0
    for row in rows:
        piece.append(tuple(row))
        size += sum(len(value) for value in row if isinstance(value, str))
        if len(piece) >= ROWS or size >= CHARACTERS:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def insert_missing(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Insert rows of all columns, within a transaction; those that are there stay as they are.

    Raises `NoTextError` for bytes or a number where a text should be.
    """
    if not rows:
        return
    _check(table, rows)
    if is_sqlite(connection):
        _execute(connection, table, rows)
    else:
        _copy(connection, table, rows)


def _check(table: Table, rows: list[Row]) -> None:
    """Refuse what SQLite stores in columns of text if it is told to."""
    numbered = "id" in table.columns
    for row in rows:
        if not all(isinstance(value, str | None) for value in (row[1:] if numbered else row)):
            raise NoTextError(table.name, " ".join(str(value)[:80] for value in row[:2]))


def _execute(connection: Connection, table: Table, rows: list[Row]) -> None:
    statement = insert_new(connection, table).compile(dialect=connection.dialect)
    connection.exec_driver_sql(str(statement), rows)


def _copy(connection: Connection, table: Table, rows: list[Row]) -> None:
    staged = f"seamless_staged_{table.name}"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} (LIKE {table.name})")
    names = [column.name for column in table.columns]
    driver = connection.connection.driver_connection
    assert driver is not None
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {staged} ({', '.join(names)}) FROM STDIN") as copying,
    ):
        for row in rows:
            copying.write_row(row)
    there = named(staged, *(column(name) for name in names)).select()
    connection.execute(insert_new(connection, table).from_select(names, there))
    connection.exec_driver_sql(f"TRUNCATE {staged}")
