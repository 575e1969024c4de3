"""`migrate FILE`: bring a file with legacy execution records up to date.

Up to version 2.0, records were loose notes, one per transformation, without a result. A backup
beside the file keeps them all, in a table of another name. A note that holds what a record must
hold, and that agrees with the result in the file, is carried over. Either everything is changed,
or nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy
from sqlalchemy import Column, Table, Text, insert, select

from seamless_database.admin import options
from seamless_database.admin.access.database import (
    DatabaseTarget,
    changing,
    transaction,
    trying,
)
from seamless_database.admin.access.rows import (
    as_mapping,
    in_batches,
    stream,
    table_of,
)
from seamless_database.admin.access.sqlite import connected, raw
from seamless_database.admin.access.tables import survey
from seamless_database.admin.backup import back_up_before
from seamless_database.admin.console import show
from seamless_database.admin.errors import FilesOnlyError
from seamless_database.admin.legacy import Outcome, carried_over
from seamless_database.admin.progress import ProgressBars, steps
from seamless_database.models import IrreproducibleTransformation as Contested
from seamless_database.models import MetaData, Transformation
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.connection import (
    Connection as PlainConnection,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

#: what the legacy records are called in the backup
KEPT_AS = "legacy_meta_data"
_LEGACY = Table(KEPT_AS, sqlalchemy.MetaData(), Column("checksum", Text), Column("metadata", Text))


@click.command()
@options.database
@options.dry_run
@options.as_json
def migrate(file: DatabaseTarget, dry_run: bool, as_json: bool) -> None:
    """Upgrade a file with legacy records; a backup beside it keeps them."""
    if not isinstance(file, Path):
        raise FilesOnlyError(file.redacted, "PostgreSQL never holds legacy records")
    with steps() as doing:
        findings = migrated(file, doing, dry_run=dry_run)
    show(findings, as_json=as_json)


def migrated(
    path: Path, doing: ProgressBars, *, dry_run: bool = False, now: datetime | None = None
) -> dict[str, Any]:
    """Upgrade, and tell what became of the records."""
    with trying(path, doing) if dry_run else changing(path) as connection:
        found = survey(connection, path)
        backup: Path | None = None
        if found.legacy_rows and not dry_run:
            backup = back_up_before(connection, path, "migration", doing, now)
            _rename_records(backup)
        outcomes = dict.fromkeys(Outcome, 0)
        if found.legacy or found.missing:
            with transaction(connection):
                _upgrade(connection, path, found.legacy, outcomes, doing)
        return {
            "file": str(path),
            "dry_run": dry_run,
            "added_tables": found.missing,
            "legacy_records": found.legacy_rows,
            "records": {outcome.value: count for outcome, count in outcomes.items() if count},
            "backup": None if backup is None else str(backup),
            "table_in_backup": None if backup is None else KEPT_AS,
        }


def _rename_records(backup: Path) -> None:
    with connected(backup, "rw") as connection:
        connection.exec_driver_sql(_renaming())


def _renaming() -> str:
    return f"ALTER TABLE {schema.METADATA} RENAME TO {KEPT_AS}"


def _upgrade(
    connection: Connection,
    path: Path,
    legacy: bool,
    outcomes: dict[Outcome, int],
    doing: ProgressBars,
) -> None:
    if legacy:
        connection.exec_driver_sql(_renaming())
    schema.upgrade(PlainConnection(raw(connection)), path)
    if legacy:
        rows = stream(connection, select(_LEGACY.c.checksum, _LEGACY.c.metadata))
        for batch in doing.each(in_batches(rows), "Records"):
            _carry_over(connection, dict(batch), outcomes)
        _LEGACY.drop(connection)


def _carry_over(
    connection: Connection, notes: dict[str, object], outcomes: dict[Outcome, int]
) -> None:
    keys = list(notes)
    pairs = select(Transformation.checksum, Transformation.result)
    results = as_mapping(connection, pairs.where(Transformation.checksum.in_(keys)))
    contested = set(
        connection.scalars(select(Contested.checksum).where(Contested.checksum.in_(keys)))
    )
    rows = []
    for checksum, text in notes.items():
        result = results.get(checksum)
        outcome, record = carried_over(checksum, result, checksum in contested, text)
        outcomes[outcome] += 1
        if record is not None:
            rows.append({"checksum": checksum, "result": result, "metadata": record})
    if rows:
        connection.execute(insert(table_of(MetaData)), rows)
