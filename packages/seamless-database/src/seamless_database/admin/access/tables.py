"""Which of our tables a file has, and whether its execution records are of the legacy kind."""

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

    from seamless_database.admin.access.database import DatabaseTarget

_LEGACY_ROWS = select(func.count()).select_from(sqlalchemy.table(METADATA))


@dataclass(frozen=True)
class TableInventory:
    """The tables that are there, in a fixed order, without one of legacy records."""

    tables: tuple[Table, ...]
    legacy: bool
    legacy_rows: int = 0

    @property
    def missing(self) -> list[str]:
        """The tables that a server will add when it opens the file for writing."""
        present = {table.name for table in self.tables}
        return sorted(set(TABLES) - present - ({METADATA} if self.legacy else set()))

    def has(self, *models: object) -> bool:
        """Whether the tables of all these models are there."""
        present = {table.name for table in self.tables}
        return all(getattr(model, "__tablename__", None) in present for model in models)


def survey(connection: Connection, where: DatabaseTarget) -> TableInventory:
    """Look at the tables of a database; refuses one that has none of ours, or foreign ones."""
    inspector = sqlalchemy.inspect(connection)
    present = set(inspector.get_table_names()) & set(TABLES)
    if not present:
        raise _unusable(where, "it holds none of the tables of seamless-database")
    tables, legacy = [], False
    for name in sorted(present):
        columns = {str(column["name"]) for column in inspector.get_columns(name)}
        if name == METADATA and columns == LEGACY_COLUMNS:
            legacy = True
        elif missing := {column.name for column in TABLES[name].columns} - columns:
            raise _unusable(where, f"its table {name} lacks columns: {', '.join(sorted(missing))}")
        else:
            tables.append(TABLES[name])
    count = connection.scalar(_LEGACY_ROWS) if legacy else 0
    return TableInventory(tuple(tables), legacy, count or 0)


def current(connection: Connection, where: DatabaseTarget) -> TableInventory:
    """Look at the tables of a database, and refuse one with legacy records."""
    found = survey(connection, where)
    if found.legacy_rows:
        reason = f"its records are legacy ones; first run {migrate_command(where)}"
        raise SchemaError(where, reason)
    return found


def _unusable(where: DatabaseTarget, reason: str) -> DatabaseError:
    if isinstance(where, Path):
        return FileError(where, reason)
    return ServerError(where.redacted, reason)


def migrate_command(path: object) -> str:
    """Spell the command that migrates a file."""
    return f"seamless-database-admin migrate {shlex.quote(str(path))}"
