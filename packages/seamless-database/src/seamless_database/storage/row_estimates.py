"""Row counts of the tables: exact for small tables, estimated for large ones.

An exact count of ten million rows takes seconds. SQLite estimates by the highest row number, which
removed rows leave as it is, and PostgreSQL by the statistics of its last `ANALYZE`.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from sqlalchemy import text

from seamless_database.request_types.statements import Statement
from seamless_database.storage.sqlite.database import Database
from seamless_database.tables import TABLES

if TYPE_CHECKING:
    from seamless_database.request_types.statements import StatementConnection
    from seamless_database.storage.backend import Backend

#: rows of a table up to which it is counted
MAX_COUNTED_ROWS = 10_000

_COUNT = f"SELECT count(*) FROM (SELECT 1 FROM {{}} LIMIT {MAX_COUNTED_ROWS + 1}) AS counted"  # noqa: S608
_HIGHEST_ROW_NUMBER = "SELECT max(rowid) FROM {}"
_STATISTICS = "SELECT reltuples FROM pg_class WHERE oid = '{}'::regclass"


def estimate_rows(database: Backend) -> dict[str, int]:
    """Count or estimate the rows of each table; a table that is missing is left out."""
    estimate = _HIGHEST_ROW_NUMBER if isinstance(database, Database) else _STATISTICS
    # one by one: a file that is opened for reading may lack a table
    found = {
        name: database.read(partial(_rows, _statement(estimate, name), _statement(_COUNT, name)))
        for name in TABLES
    }
    return {name: rows for name, rows in found.items() if rows is not None}


@cache
def _statement(sql: str, table: str) -> Statement:
    return Statement(text(sql.format(table)))


def _rows(estimate: Statement, count: Statement, connection: StatementConnection) -> int:
    estimated = _number(estimate, connection)
    return estimated if estimated > MAX_COUNTED_ROWS else _number(count, connection)


def _number(statement: Statement, connection: StatementConnection) -> int:
    row = connection.one(statement)
    return int(row[0] or 0) if row else 0
