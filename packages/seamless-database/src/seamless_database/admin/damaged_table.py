"""Read the rows of a table in a damaged file, and confirm each row by the indexes.

SQLite ends a query at the first damaged page. Reading then continues at the next row number that
can be read. Pages have no checksums, and a flipped bit can turn a checksum into another one that
is well-formed. So a row counts as confirmed only if the indexes hold the same values for it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.models import MetaData, RevTransformation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Table

Row = tuple[Any, ...]

#: the largest row number in SQLite
LAST_ROW_NUMBER = 2**63 - 1
#: exceptions for damage; a damaged length can also exceed the memory
_DAMAGE = (sqlite3.Error, MemoryError)
#: tables whose rows repeat values of another table or of their own record: a repair removes the
#: rows that differ from these
_CHECKED_BY_REPAIR = frozenset({RevTransformation.__tablename__, MetaData.__tablename__})


@dataclass
class TableReading:
    """The numbers of rows that were read of a table, and that were not."""

    table: str
    #: rows that the indexes confirm
    readable: int = 0
    #: rows with a checksum that is in no readable index
    unconfirmed: int = 0
    #: rows that an index holds with other values, or with a value of the wrong type
    contradicted: int = 0
    #: row numbers that cannot be read, up to the last one that an index names; None if unknown
    unreadable: int | None = 0
    first_unreadable_row: int | None = None


@dataclass(frozen=True)
class _Index:
    """An index of the model, and the query whether it holds values and a row number."""

    name: str
    columns: tuple[str, ...]
    query: str


class DamagedTable:
    """Reads one table; belongs to one thread.

    Parameters
    ----------
    capacity
        the largest possible number of rows: damaged pages can refer to each other in a circle
    """

    def __init__(self, connection: sqlite3.Connection, table: Table, capacity: int) -> None:
        self._connection = connection
        self._table = table
        self._capacity = capacity
        self._start = 1
        self._indexes = [_index(table, *index) for index in _indexes_of(table)]
        indexed = {column for index in self._indexes for column in index.columns}
        self._required = set() if table.name in _CHECKED_BY_REPAIR else indexed
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        self._query = (
            f'SELECT rowid, {names} FROM "{table.name}" NOT INDEXED '  # noqa: S608  # our schema
            "WHERE rowid >= ? ORDER BY rowid"
        )
        self.reading = TableReading(table.name)

    def rows(self) -> Iterator[tuple[Row, bool]]:
        """Yield the rows that no index contradicts, and whether the indexes confirm them."""
        for number, row in islice(self._readable(), self._capacity):
            confirmed = self._is_confirmed(number, row)
            if confirmed is None:
                self.reading.contradicted += 1
                continue
            # not after a contradicted row: its number can be damaged, too
            self._start = max(self._start, number + 1)
            if confirmed:
                self.reading.readable += 1
            else:
                self.reading.unconfirmed += 1
            yield row, confirmed

    def _readable(self) -> Iterator[tuple[int, Row]]:
        while self._start <= LAST_ROW_NUMBER:
            try:
                for number, *row in self._connection.execute(self._query, (self._start,)):
                    INTERRUPTION.check()
                    yield number, tuple(row)
            except _DAMAGE:
                INTERRUPTION.check()
            else:
                return
            # Python can lose the row before the damage, so `_skip_damage` reads that row again
            yield from self._skip_damage()

    def _skip_damage(self) -> Iterator[tuple[int, Row]]:
        """Move to the first row number from which a row can be read, and yield that row.

        The steps grow with the distance, so there are at most a few thousand attempts.
        """
        start = number = self._start
        failed = start - 1
        found = None
        while found is None and number <= LAST_ROW_NUMBER:
            found = self._first_row_from(number)
            if found is None:
                failed = number
                number += 1 + (number - start) // 100
        if found is None:
            self._count_unreadable(start, self._last_indexed_row())
            self._start = LAST_ROW_NUMBER + 1
            return
        while number - failed > 1:
            middle = (number + failed) // 2
            earlier = self._first_row_from(middle)
            if earlier is None:
                failed = middle
            else:
                number, found = middle, earlier
        if failed >= start:
            self._count_unreadable(start, failed)
        self._start = number + 1
        yield from found

    def _first_row_from(self, number: int) -> list[tuple[int, Row]] | None:
        """Read the first row at or after a row number; None if that fails, empty at the end."""
        INTERRUPTION.check()
        try:
            found = self._connection.execute(f"{self._query} LIMIT 1", (number,)).fetchall()
        except _DAMAGE:
            INTERRUPTION.check()
            return None
        return [(first, tuple(row)) for first, *row in found]

    def _count_unreadable(self, first: int, last: int) -> None:
        reading = self.reading
        if reading.first_unreadable_row is None:
            reading.first_unreadable_row = first
        if last < first:
            reading.unreadable = None
        elif reading.unreadable is not None:
            reading.unreadable = min(reading.unreadable + last - first + 1, self._capacity)

    def _last_indexed_row(self) -> int:
        """Find the largest row number in the readable parts of the indexes."""
        largest = 0
        for index in self._indexes:
            for direction in ("ASC", "DESC"):
                order = ", ".join(f'"{column}" {direction}' for column in index.columns)
                query = (
                    f'SELECT rowid FROM "{self._table.name}" '  # noqa: S608  # our schema
                    f'INDEXED BY "{index.name}" ORDER BY {order}'
                )
                try:
                    for (number,) in islice(self._connection.execute(query), self._capacity):
                        INTERRUPTION.check()
                        largest = max(largest, number)
                except _DAMAGE:
                    INTERRUPTION.check()
        return largest

    def _is_confirmed(self, number: int, row: Row) -> bool | None:
        """Whether the indexes hold all values of a row; None if they hold other values."""
        values = dict(zip(self._table.columns.keys(), row, strict=True))
        if not self._has_right_types(values):
            return None
        confirmed: set[str] = set()
        for index in self._indexes:
            keys = [values[column] for column in index.columns]
            try:
                found = self._connection.execute(index.query, (*keys, number)).fetchall()
            except _DAMAGE:
                INTERRUPTION.check()
                continue
            if not found:
                return None
            confirmed.update(index.columns)
        return confirmed >= self._required

    def _has_right_types(self, values: dict[str, Any]) -> bool:
        return all(
            isinstance(values[column.name], int if column.name == "id" else str)
            or (values[column.name] is None and column.nullable)
            for column in self._table.columns
        )


def _indexes_of(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names of the indexes of a table, and their columns."""
    key = tuple(column.name for column in table.primary_key.columns)
    if key != ("id",):
        yield f"sqlite_autoindex_{table.name}_1", key
    for index in table.indexes:
        yield str(index.name), tuple(column.name for column in index.columns)


def _index(table: Table, name: str, columns: tuple[str, ...]) -> _Index:
    same = " AND ".join(f'"{column}" = ?' for column in columns)
    query = (
        f'SELECT 1 FROM "{table.name}" '  # noqa: S608  # our schema
        f'INDEXED BY "{name}" WHERE {same} AND rowid = ?'
    )
    return _Index(name, columns, query)
