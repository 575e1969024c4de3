"""`migrate FILE`: upgrade a file with legacy execution records.

Up to version 2.0, a record belonged to a transformation, not to a result, and had no schema. A
backup in the same folder keeps all legacy records, in a table of another name. A legacy record is
carried over if it is a valid execution record of the current result. The migration is one
transaction.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy
from sqlalchemy import Column, Table, Text, insert, select

from seamless_database.admin import options
from seamless_database.admin.access.database import open_exclusive, open_scratch, transaction
from seamless_database.admin.access.rows import (
    as_mapping,
    as_object,
    in_batches,
    stream,
    table_of,
)
from seamless_database.admin.access.sqlite import connect, raw
from seamless_database.admin.access.tables import inspect_tables
from seamless_database.admin.backup import back_up_before
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.admin.errors import FilesOnlyError
from seamless_database.errors import RequestError
from seamless_database.models import IrreproducibleTransformation as Irreproducible
from seamless_database.models import MetaData, Transformation
from seamless_database.protocol.request import from_python
from seamless_database.request_types.metadata import PutMetadata
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.connection import (
    Connection as PlainConnection,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.access.target import DatabaseTarget

#: the table of the legacy records in the backup
LEGACY_TABLE = "legacy_meta_data"
_LEGACY = Table(
    LEGACY_TABLE, sqlalchemy.MetaData(), Column("checksum", Text), Column("metadata", Text)
)
_RENAME = f"ALTER TABLE {schema.METADATA} RENAME TO {LEGACY_TABLE}"


class Outcome(Enum):
    """What the migration did with a legacy record."""

    CARRIED_OVER = "carried_over"
    UNREADABLE = "no_json_object"
    WITHOUT_RESULT = "transformation_without_result"
    IRREPRODUCIBLE = "transformation_irreproducible"
    NO_RECORD = "no_execution_record"


@click.command()
@options.database
@options.dry_run
@options.as_json
def migrate(file: DatabaseTarget, dry_run: bool, as_json: bool) -> None:
    """Upgrade a file with legacy records, after a backup.

    The backup is in the same folder, and keeps all legacy records.
    """
    if not isinstance(file, Path):
        raise FilesOnlyError(file.redacted, "PostgreSQL never holds legacy records")
    with progress_bars() as progress:
        findings = run_migrate(file, progress, dry_run=dry_run)
    show(findings, as_json=as_json)


def run_migrate(path: Path, progress: ProgressBars, *, dry_run: bool = False) -> dict[str, Any]:
    """Upgrade a file, and count the legacy records by their outcome."""
    with open_scratch(path, progress) if dry_run else open_exclusive(path) as connection:
        inventory = inspect_tables(connection, path)
        backup: Path | None = None
        if inventory.legacy_rows and not dry_run:
            backup = back_up_before(connection, path, "migration", progress)
            with connect(backup, "rw") as kept:
                kept.exec_driver_sql(_RENAME)
        outcomes = dict.fromkeys(Outcome, 0)
        if inventory.legacy or inventory.missing:
            with transaction(connection):
                _upgrade(connection, path, inventory.legacy, outcomes, progress)
        return {
            "file": str(path),
            "dry_run": dry_run,
            "added_tables": inventory.missing,
            "legacy_records": inventory.legacy_rows,
            "records": {outcome.value: count for outcome, count in outcomes.items() if count},
            "backup": None if backup is None else str(backup),
            "table_in_backup": None if backup is None else LEGACY_TABLE,
        }


def _upgrade(
    connection: Connection,
    path: Path,
    legacy: bool,
    outcomes: dict[Outcome, int],
    progress: ProgressBars,
) -> None:
    if legacy:
        connection.exec_driver_sql(_RENAME)
    schema.upgrade(PlainConnection(raw(connection)), path)
    if legacy:
        rows = stream(connection, select(_LEGACY.c.checksum, _LEGACY.c.metadata))
        for batch in progress.track(in_batches(rows), "Records"):
            _migrate_records(connection, dict(batch), outcomes)
        _LEGACY.drop(connection)


def _migrate_records(
    connection: Connection, records: dict[str, object], outcomes: dict[Outcome, int]
) -> None:
    keys = list(records)
    pairs = select(Transformation.checksum, Transformation.result)
    results = as_mapping(connection, pairs.where(Transformation.checksum.in_(keys)))
    irreproducible = set(
        connection.scalars(select(Irreproducible.checksum).where(Irreproducible.checksum.in_(keys)))
    )
    rows = []
    for checksum, text in records.items():
        result = results.get(checksum)
        outcome, record = convert_record(checksum, result, checksum in irreproducible, text)
        outcomes[outcome] += 1
        if record is not None:
            rows.append({"checksum": checksum, "result": result, "metadata": record})
    if rows:
        connection.execute(insert(table_of(MetaData)), rows)


def convert_record(
    checksum: str, result: str | None, irreproducible: bool, text: object
) -> tuple[Outcome, str | None]:
    """Convert a legacy record to the text of an execution record, if it is a valid one."""
    value = as_object(text)
    if value is None:
        return Outcome.UNREADABLE, None
    if irreproducible:
        # a server stores no record for these
        return Outcome.IRREPRODUCIBLE, None
    if result is None:
        return Outcome.WITHOUT_RESULT, None
    request = {"type": "metadata", "checksum": checksum, "result": result, "value": value}
    try:
        record = PutMetadata.from_fields(from_python(request)).record
    except RequestError:
        # no schema, or another transformation or result
        return Outcome.NO_RECORD, None
    return Outcome.CARRIED_OVER, record
