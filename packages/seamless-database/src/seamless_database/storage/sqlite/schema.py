"""Recognise the tables of a file, and create, upgrade, or refuse them, loudly.

A file carries no version; like published servers do, we go by column names. Missing tables are
created and existing ones taken as they are, all but `meta_data`: its older form of two columns
is replaced when it is empty, and refused when it holds rows, because these can not be carried
over without a decision of the owner.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Table, bindparam, column, func, literal_column, select, table
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from seamless_database.errors import SchemaError
from seamless_database.models import Base, BucketProbe, MetaData
from seamless_database.request_types.statements import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seamless_database.storage.sqlite.connection import Connection

METADATA = MetaData.__tablename__
LEGACY_COLUMNS = frozenset({"checksum", "metadata"})
#: every table of a file; the probe's is named so that its model is certain to be loaded
TABLES: dict[str, Table] = {
    BucketProbe.__tablename__: Base.metadata.tables[BucketProbe.__tablename__],
    **Base.metadata.tables,
}

_NAMES = Statement(
    select(column("name"))
    .select_from(table("sqlite_master"))
    .where(column("type") == literal_column("'table'"))
)
_COLUMNS = Statement(select(column("name")).select_from(func.pragma_table_info(bindparam("table"))))
_ANY_METADATA = Statement(select(literal_column("1")).select_from(table(METADATA)))


@dataclass(frozen=True)
class Findings:
    """What a file lacks: tables to create, and whether an empty legacy one is in the way."""

    missing: frozenset[str]
    legacy: bool

    @property
    def complete(self) -> bool:
        """Whether the file can be used as it is."""
        return not self.missing and not self.legacy


def inspect(connection: Connection, path: Path) -> Findings:
    """Look at the tables of a file; raises `SchemaError` for those that we must not touch."""
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
    """Bring a file up to date, inside a write transaction; returns whether anything changed."""
    # looked at again: another server may have upgraded it before we got the lock
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
