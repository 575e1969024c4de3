"""Rows that were found, kept by their number in a temporary table: flat memory, however many.

Finding is one pass; acting on what was found goes chunk by chunk, each a short transaction. The
temporary table belongs to the connection, and can be made on a file that is open for reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    delete,
    func,
    insert,
    literal_column,
    select,
)

from seamless_database.admin.rows import BATCH, in_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Connection, Executable, Select

    from seamless_database.models import Base

FOUND = Table(
    "seamless_found",
    MetaData(),
    Column("position", Integer, primary_key=True),
    Column("row_number", Integer),
    prefixes=["TEMPORARY"],
)


def row_number(model: type[Base]) -> ColumnElement[int]:
    """Name the number that SQLite gives to each row of a table."""
    return literal_column(f"{model.__tablename__}.rowid", Integer)


def numbers(model: type[Base], *columns: Any) -> Select[Any]:
    """Ask for the numbers of rows of a table, and for columns of it."""
    return select(row_number(model), *columns).select_from(model)


class FoundRows:
    """The numbers of rows of one table; one at a time for each connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        FOUND.create(connection, checkfirst=False)

    def fill(self, selected: Select[Any]) -> int:
        """Remember the rows whose numbers the query gives, instead of others; returns how many."""
        self._connection.execute(delete(FOUND))
        self._connection.execute(insert(FOUND).from_select(["row_number"], selected))
        return self._count()

    def collect(self, numbers: Iterable[int]) -> int:
        """Remember rows by their numbers, instead of others; returns how many."""
        self._connection.execute(delete(FOUND))
        for batch in in_batches(numbers):
            self._connection.execute(insert(FOUND), [{"row_number": number} for number in batch])
        return self._count()

    def chunks(self) -> Iterator[Select[Any]]:
        """Give queries of some of the numbers each, together of all."""
        last = self._count()
        for start in range(0, last, BATCH):
            yield select(FOUND.c.row_number).where(
                FOUND.c.position > start, FOUND.c.position <= start + BATCH
            )

    def close(self) -> None:
        """Forget them."""
        FOUND.drop(self._connection)

    def _count(self) -> int:
        counted: Executable = select(func.max(FOUND.c.position))
        return int(self._connection.scalar(counted) or 0)
