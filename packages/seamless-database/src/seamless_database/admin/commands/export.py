"""`export FILE TARGET`: write a compact copy of everything, or of what a result depends on.

The copy is an ordinary database for any server. It holds one snapshot, also of a database that a
server writes to. With `--buffers`, it is in a folder with the buffers. With `--salvage`, it holds
what can be read of a damaged file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seamless_database.admin import options
from seamless_database.admin.access.database import (
    new_database,
    open_for_load,
    open_snapshot,
    reopen,
    sizes,
)
from seamless_database.admin.access.files import TEMPORARY, check_absent, sync
from seamless_database.admin.access.output import add_reverse_rows
from seamless_database.admin.access.rows import copy_all_tables
from seamless_database.admin.access.sqlite import connect, raw, transaction
from seamless_database.admin.access.tables import require_current, row_counts
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.buffers import Buffers
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.admin.live_checksums import live_checksums
from seamless_database.admin.provenance import copy_closure
from seamless_database.admin.salvage import run_salvage
from seamless_database.storage.sqlite import schema
from seamless_database.storage.sqlite.connection import (
    Connection as PlainConnection,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.buffers import ReadBuffer

#: what a folder with buffers holds
FILE, BUFFERS = "seamless.db", "buffers"
#: the exit code if a damaged file could not be copied completely, or a buffer is missing
EXIT_INCOMPLETE = 3


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
    "--buffers",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="With --closure: also the buffers, from this directory; TARGET is a new folder.",
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
    buffers: Path | None,
    salvage: bool,
    unconfirmed: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write a compact copy of FILE to TARGET.

    TARGET is a new file, or a PostgreSQL database without rows. With --buffers, it is a new folder
    with a file seamless.db and a buffer directory buffers.
    """
    if buffers is not None and (closure is None or not isinstance(target, Path)):
        raise click.UsageError("--buffers needs --closure, and a folder as TARGET")
    if salvage and closure is not None:
        raise click.UsageError("--salvage copies all that can be read: leave out --closure")
    if unconfirmed and not salvage:
        raise click.UsageError("--unconfirmed is for --salvage only")
    with progress_bars() as progress:
        if buffers is not None and closure is not None and isinstance(target, Path):
            findings = run_handover(file, target, closure, buffers, progress, dry_run=dry_run)
        elif not salvage:
            findings = run_export(file, target, closure, progress, dry_run=dry_run)
        elif isinstance(file, Path) and isinstance(target, Path):
            findings = run_salvage(file, target, progress, unconfirmed=unconfirmed, dry_run=dry_run)
        else:
            raise click.UsageError("--salvage is for SQLite files: FILE and TARGET must be paths")
    show(findings, as_json=as_json)
    return 0 if findings.get("complete", True) else EXIT_INCOMPLETE


def run_export(
    database: DatabaseTarget,
    target: DatabaseTarget,
    closure: str | None,
    progress: ProgressBars,
    *,
    dry_run: bool = False,
    read_buffer: ReadBuffer | None = None,
) -> dict[str, Any]:
    """Copy all tables or a closure, and report the size and the rows of the copy."""
    with (
        new_database(target, dry_run=dry_run) as new,
        progress.task("Opening") as report,
        open_snapshot(database, report) as source,
    ):
        inventory = require_current(source, database)
        before = _size(source, database)
        with progress.task("Copying"):
            if closure is not None:
                with open_for_load(new) as copy:
                    copy_closure(source, inventory, copy, closure, read_buffer)
                    add_reverse_rows(copy)
            elif isinstance(database, Path) and isinstance(new, Path):
                _vacuum(source, new, database)
            else:
                with open_for_load(new) as copy:
                    copy_all_tables(source, inventory, copy, progress)
        with reopen(new) as copy:
            return {
                "file": display_name(database),
                "target": display_name(target),
                "closure": closure,
                "dry_run": dry_run,
                "bytes_before": before,
                "bytes": _size(copy, new),
                "tables": row_counts(copy, new),
            }


def run_handover(
    database: DatabaseTarget,
    folder: Path,
    closure: str,
    buffers: Path,
    progress: ProgressBars,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Copy a closure and its buffers into a new folder, which gets its name when it is complete."""
    check_absent(folder)
    with tempfile.TemporaryDirectory(
        prefix=f".{TEMPORARY}", dir=None if dry_run else folder.parent
    ) as temporary:
        new = Path(temporary) / folder.name
        new.mkdir()
        (new / BUFFERS).mkdir()
        source = Buffers(buffers, copy_to=new / BUFFERS)
        findings = run_export(database, new / FILE, closure, progress, read_buffer=source.read)
        copied, size, missing = 0, 0, []
        with live_checksums(new / FILE, source.read, progress) as live:
            live.add([closure])
            for checksum in progress.track(live, "Copying buffers", len(live)):
                length = source.copy(checksum)
                if length is None:
                    missing.append(checksum)
                else:
                    copied, size = copied + 1, size + length
        if not dry_run:
            new.rename(folder)
            sync(folder.parent)
    return findings | {
        "target": display_name(folder),
        "dry_run": dry_run,
        "complete": not missing,
        "buffers": {"copied": copied, "bytes": size, "missing": missing},
    }


def _size(connection: Connection, database: DatabaseTarget) -> int:
    """Return the bytes of a file without its journal, or of a PostgreSQL database."""
    return int(next(iter(sizes(connection, database).values())))


def _vacuum(source: Connection, new: Path, path: Path) -> None:
    """Copy a file by VACUUM: a tenth of the time of copying a million rows by statements."""
    # VACUUM needs a connection without a transaction, and makes a snapshot of its own
    source.exec_driver_sql("ROLLBACK")
    source.exec_driver_sql("VACUUM INTO ?", (str(new),))
    with connect(new, "rw") as copy, transaction(copy):
        # adds the tables of later versions
        schema.upgrade(PlainConnection(raw(copy)), path)
