"""`export FILE TARGET`: a compact copy in one file, of everything or of what a result depends on.

The copy is an ordinary database that any server can use. It is one snapshot, also of a file that
is being written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import func, select

from seamless_database.admin import options
from seamless_database.admin.access.bulk import copy_all
from seamless_database.admin.access.database import DatabaseTarget, reading, shown, sizes
from seamless_database.admin.access.new_database import (
    filled,
    filling,
    new_database,
)
from seamless_database.admin.access.output import add_reverse_rows
from seamless_database.admin.access.sqlite import connected, raw, transaction
from seamless_database.admin.access.tables import current, survey
from seamless_database.admin.commands.check import FOUND
from seamless_database.admin.console import show
from seamless_database.admin.progress import ProgressBars, steps
from seamless_database.admin.provenance import copy_closure
from seamless_database.admin.salvage import salvaged
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.connection import (
    Connection as PlainConnection,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection


@click.command()
@options.database
@options.target
@click.option(
    "--closure",
    type=options.CHECKSUM,
    metavar="CHECKSUM",
    help="Copy only what this result depends on, as far as the database knows.",
)
@click.option(
    "--salvage",
    is_flag=True,
    help="Copy what can be read of a damaged file; exits with 3 if that is not all.",
)
@click.option(
    "--unconfirmed",
    is_flag=True,
    help="With --salvage: copy also rows whose checksums nothing else in the file confirms.",
)
@options.dry_run
@options.as_json
def export(
    file: DatabaseTarget,
    target: DatabaseTarget,
    *,
    closure: str | None,
    salvage: bool,
    unconfirmed: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write a compact copy to TARGET: a file that does not exist, or a PostgreSQL without rows."""
    if salvage and closure is not None:
        raise click.UsageError("--salvage copies all that can be read: leave out --closure")
    if unconfirmed and not salvage:
        raise click.UsageError("--unconfirmed is for --salvage only")
    with steps() as doing:
        if not salvage:
            findings = exported(file, target, closure, doing, dry_run=dry_run)
        elif isinstance(file, Path) and isinstance(target, Path):
            findings = salvaged(file, target, doing, unconfirmed=unconfirmed, dry_run=dry_run)
        else:
            raise click.UsageError("--salvage is for SQLite files: FILE and TARGET must be paths")
    show(findings, as_json=as_json)
    return 0 if findings.get("complete", True) else FOUND


def exported(
    where: DatabaseTarget,
    target: DatabaseTarget,
    closure: str | None,
    doing: ProgressBars,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Copy, and tell what the copy holds."""
    with (
        new_database(target, dry_run=dry_run) as new,
        doing.one("Opening") as progress,
        reading(where, progress) as source,
    ):
        found = current(source, where)
        before = _size(source, where)
        with doing.one("Copying"):
            if closure is not None:
                with filling(new) as copy:
                    copy_closure(source, found, copy, closure)
                    add_reverse_rows(copy)
            elif isinstance(where, Path) and isinstance(new, Path):
                _vacuum(source, new, where)
            else:
                with filling(new) as copy:
                    copy_all(source, found, copy, doing)
        with filled(new) as copy:
            return {
                "file": shown(where),
                "target": shown(target),
                "closure": closure,
                "dry_run": dry_run,
                "bytes_before": before,
                "bytes": _size(copy, new),
                "tables": row_counts(copy, new),
            }


def row_counts(connection: Connection, where: DatabaseTarget) -> list[dict[str, Any]]:
    """Count the rows of every table."""
    return [
        {
            "table": table.name,
            "rows": connection.scalar(select(func.count()).select_from(table)),
        }
        for table in survey(connection, where).tables
    ]


def _size(connection: Connection, where: DatabaseTarget) -> int:
    """Bytes of a file, or of a database."""
    return int(next(iter(sizes(connection, where).values())))


def _vacuum(source: Connection, new: Path, path: Path) -> None:
    """Let SQLite copy a file: in a tenth of the time that `copy` takes for a million rows."""
    # this makes a snapshot of its own, and refuses to be inside another
    source.exec_driver_sql("ROLLBACK")
    source.exec_driver_sql("VACUUM INTO ?", (str(new),))
    with connected(new, "rw") as copy, transaction(copy):
        # tables that came with later versions
        schema.upgrade(PlainConnection(raw(copy)), path)
