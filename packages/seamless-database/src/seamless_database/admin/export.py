"""`export FILE TARGET`: a compact copy in one file, of everything or of what a result depends on.

The copy is an ordinary database that any server can use. It is one snapshot, also of a file that
is being written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import func, select

from seamless_database import schema
from seamless_database.admin import options
from seamless_database.admin.closure import copy_closure
from seamless_database.admin.opening import connected, existing, raw, reading, transaction
from seamless_database.admin.output import show
from seamless_database.admin.progress import Steps, steps
from seamless_database.admin.survey import current, survey
from seamless_database.admin.target import building, new_file
from seamless_database.connection import Connection as PlainConnection

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


@click.command()
@options.database_file
@options.target_file
@click.option(
    "--closure",
    type=options.CHECKSUM,
    metavar="CHECKSUM",
    help="Copy only what this result depends on, as far as the database knows.",
)
@options.dry_run
@options.as_json
def export(file: Path, target: Path, closure: str | None, dry_run: bool, as_json: bool) -> None:
    """Write a compact copy of a file to TARGET, which must not exist."""
    with steps() as doing:
        findings = exported(file, target, closure, doing, dry_run=dry_run)
    show(findings, as_json=as_json)


def exported(
    path: Path, target: Path, closure: str | None, doing: Steps, *, dry_run: bool = False
) -> dict[str, Any]:
    """Copy, and tell what the copy holds."""
    with (
        new_file(target, dry_run=dry_run) as new,
        doing.one("Opening") as progress,
        reading(path, progress) as source,
    ):
        found = current(source, path)
        with doing.one("Copying"):
            if closure is None:
                _copy_all(source, new, path)
            else:
                with building(new) as copy:
                    copy_closure(source, found, copy, closure)
        with connected(new, "ro") as copy:
            rows = row_counts(copy, new)
        return {
            "file": str(path),
            "target": str(target),
            "closure": closure,
            "dry_run": dry_run,
            "bytes_before": existing(path).stat().st_size,
            "bytes": new.stat().st_size,
            "tables": rows,
        }


def row_counts(connection: Connection, path: Path) -> list[dict[str, Any]]:
    """Count the rows of every table."""
    return [
        {
            "table": table.name,
            "rows": connection.scalar(select(func.count()).select_from(table)),
        }
        for table in survey(connection, path).tables
    ]


def _copy_all(source: Connection, new: Path, path: Path) -> None:
    # this makes a snapshot of its own, and refuses to be inside another
    source.exec_driver_sql("ROLLBACK")
    source.exec_driver_sql("VACUUM INTO ?", (str(new),))
    with connected(new, "rw") as copy, transaction(copy):
        # tables that came with later versions
        schema.upgrade(PlainConnection(raw(copy)), path)
