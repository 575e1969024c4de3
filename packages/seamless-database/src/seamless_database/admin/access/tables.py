"""Inventory of the tables of a database: which are present, and legacy execution records."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy import func, select

from seamless_database.errors import (
    DatabaseError,
    FileError,
    SchemaError,
    ServerError,
)
from seamless_database.models import TABLES
from seamless_database.storage.sqlite.schema import (
    LEGACY_COLUMNS,
    METADATA,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from seamless_database.admin.access.target import DatabaseTarget

_COUNT_LEGACY_ROWS = select(func.count()).select_from(sqlalchemy.table(METADATA))


@dataclass(frozen=True)
class TableInventory:
    """The tables of a database in a fixed order, without a table of legacy records."""

    tables: tuple[Table, ...]
    legacy: bool
    legacy_rows: int = 0

    @property
    def missing(self) -> list[str]:
        """The tables that a server adds when it opens the file for writing."""
        present = {table.name for table in self.tables}
        return sorted(set(TABLES) - present - ({METADATA} if self.legacy else set()))

    def has(self, *models: object) -> bool:
        """Whether the tables of all these models are present."""
        present = {table.name for table in self.tables}
        return all(getattr(model, "__tablename__", None) in present for model in models)


def inspect_tables(connection: Connection, database: DatabaseTarget) -> TableInventory:
    """Take the inventory; refuses a database without our tables, or with other columns in them."""
    inspector = sqlalchemy.inspect(connection)
    present = set(inspector.get_table_names()) & set(TABLES)
    if not present:
        raise _unusable(database, "it holds none of the tables of seamless-database")
    tables, legacy = [], False
    for name in sorted(present):
        columns = {str(column["name"]) for column in inspector.get_columns(name)}
        if name == METADATA and columns == LEGACY_COLUMNS:
            legacy = True
        elif missing := {column.name for column in TABLES[name].columns} - columns:
            names = ", ".join(sorted(missing))
            raise _unusable(database, f"its table {name} lacks columns: {names}")
        else:
            tables.append(TABLES[name])
    count = connection.scalar(_COUNT_LEGACY_ROWS) if legacy else 0
    return TableInventory(tuple(tables), legacy, count or 0)


def require_current(connection: Connection, database: DatabaseTarget) -> TableInventory:
    """Take the inventory; raises a `SchemaError` for a database with legacy records."""
    inventory = inspect_tables(connection, database)
    if inventory.legacy_rows:
        reason = f"its records are legacy ones; first run {migrate_command(database)}"
        raise SchemaError(database, reason)
    return inventory


def row_counts(connection: Connection, database: DatabaseTarget) -> list[dict[str, object]]:
    """Count the rows of every table."""
    return [
        {
            "table": table.name,
            "rows": connection.scalar(select(func.count()).select_from(table)),
        }
        for table in inspect_tables(connection, database).tables
    ]


def _unusable(database: DatabaseTarget, reason: str) -> DatabaseError:
    if isinstance(database, Path):
        return FileError(database, reason)
    return ServerError(database.redacted, reason)


def migrate_command(path: object) -> str:
    """Return the command line that migrates a file."""
    return f"seamless-database-admin migrate {shlex.quote(str(path))}"
