"""Schema of a SQLite file: inspect its tables, and create or upgrade them.

A file has no schema version; column names decide, as in the published servers. A writable server
creates missing tables and uses existing ones unchanged. The exception is `meta_data`: its legacy
form of two columns is replaced if it is empty. If it holds rows the file is rejected, because
`seamless-database-admin migrate` has to convert them first.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, column, func, literal_column, select, table
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from seamless_database.errors import SchemaError
from seamless_database.request_types.statements import Statement
from seamless_database.tables import META_DATA, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seamless_database.storage.sqlite.connection import Connection

METADATA = META_DATA.name
LEGACY_COLUMNS = frozenset({"checksum", "metadata"})
_NAMES = Statement(
    select(column("name"))
    .select_from(table("sqlite_master"))
    .where(column("type") == literal_column("'table'"))
)
_COLUMNS = Statement(select(column("name")).select_from(func.pragma_table_info(bindparam("table"))))
_ANY_METADATA = Statement(select(literal_column("1")).select_from(table(METADATA)))


@dataclass(frozen=True)
class Findings:
    """The tables that a file lacks, and whether it has an empty legacy table."""

    missing: frozenset[str]
    legacy: bool

    @property
    def complete(self) -> bool:
        """Whether the file needs no change."""
        return not self.missing and not self.legacy


def inspect(connection: Connection, path: Path) -> Findings:
    """Inspect the tables of a file; raises a `SchemaError` for a table that must not be changed."""
    present = {name for (name,) in connection.all(_NAMES)}
    missing = frozenset(TABLES) - present
    if METADATA in missing:
        return Findings(missing, legacy=False)
    columns = {name for (name,) in connection.all(_COLUMNS, table=METADATA)}
    if columns == {c.name for c in TABLES[METADATA].columns}:
        return Findings(missing, legacy=False)
    if columns != LEGACY_COLUMNS:
        named = ", ".join(sorted(columns))
        raise SchemaError(path, f"its table {METADATA} has unknown columns ({named})")
    if connection.one(_ANY_METADATA):
        raise SchemaError(
            path,
            f"its table {METADATA} holds legacy records (two columns); they must be migrated "
            f"first, by: seamless-database-admin migrate {shlex.quote(str(path))}",
        )
    return Findings(missing, legacy=True)


def upgrade(connection: Connection, path: Path) -> bool:
    """Upgrade a file inside a write transaction; returns whether anything changed."""
    # inspected again: another server may have upgraded it before this one got the lock
    findings = inspect(connection, path)
    for sql in _steps(findings):
        connection.command(sql)
    return not findings.complete


def _steps(findings: Findings) -> Iterator[str]:
    wanted = set(findings.missing)
    if findings.legacy:
        yield str(DropTable(TABLES[METADATA]))
        wanted.add(METADATA)
    for name in sorted(wanted):
        yield str(CreateTable(TABLES[name]))
        for index in sorted(TABLES[name].indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index))
