"""What a database holds when a server starts on it, in one line, so that a mistyped name shows.

The number of rows is exact where counting takes no time. For a larger file it is estimated by the
highest row number of each table, which rows that were removed leave as it is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, select

from seamless_database.errors import UnavailableError
from seamless_database.metrics.row_counts import COUNTS, RowCounts
from seamless_database.request_types.statements import Statement
from seamless_database.storage.sqlite.database import Database
from seamless_database.storage.sqlite.schema import TABLES

if TYPE_CHECKING:
    from seamless_database.request_types.statements import Connection
    from seamless_database.storage.backend import Backend

#: rows of a file that are counted rather than estimated
MAX_COUNTED_ROWS = 10_000
#: seconds that the count of a PostgreSQL database may take
COUNT_SECONDS = 0.25

_HIGHEST = {
    name: Statement(select(func.max(literal_column("rowid"))).select_from(table))
    for name, table in TABLES.items()
}


def contents(database: Backend) -> str:
    """Describe an open database: that it is new, or how many rows it has."""
    is_file = isinstance(database, Database)
    if database.is_new:
        if is_file:
            return "(new file)"
        return "(new tables)" if database.writable else "(no tables yet)"
    try:
        return _rows_of_file(database) if is_file else _rows_of_server(database)
    except UnavailableError as error:
        return f"(rows not counted: {error})"


def _rows_of_file(database: Backend) -> str:
    highest = _total(database, _HIGHEST)
    if highest > MAX_COUNTED_ROWS:
        return f"(about {_rows(highest)})"
    return f"({_rows(_total(database, COUNTS))})"


def _total(database: Backend, statements: dict[str, Statement]) -> int:
    # one by one: a file that is only read may lack a table
    return sum(database.read(partial(_number, each)) or 0 for each in statements.values())


def _number(statement: Statement, connection: Connection) -> int:
    row = connection.one(statement)
    return int(row[0] or 0) if row else 0


def _rows_of_server(database: Backend) -> str:
    counter = RowCounts(database)
    found = database.read(lambda connection: counter.count(connection, COUNT_SECONDS)) or {}
    total = _rows(sum(found.values()))
    return f"({total})" if len(found) == len(TABLES) else f"(at least {total})"


def _rows(number: int) -> str:
    return f"{number:,} row" if number == 1 else f"{number:,} rows"
