"""The sub-command `check FILE [--repair]`: report damage and wrong rows, and repair rows.

The findings name each kind of problem, with some examples. A repair makes a backup, changes rows
in short transactions, and checks the database again. A file with damaged pages is never changed;
the findings report how many rows of each table can be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import select

from seamless_database.admin import options
from seamless_database.admin.access.database import open_exclusive, open_scratch, open_snapshot
from seamless_database.admin.access.dialects import address_of, is_sqlite
from seamless_database.admin.access.tables import (
    TableInventory,
    inspect_tables,
    migrate_command,
    require_current,
)
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.backup import back_up_before
from seamless_database.admin.buffers import Buffers
from seamless_database.admin.checks import CHECKS
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.admin.errors import DamagedError
from seamless_database.admin.live_checksums import live_checksums
from seamless_database.admin.repairs import applicable_checks, failing_rows, repair_all
from seamless_database.admin.salvage import integrity_errors, report_readable_rows
from seamless_database.errors import DatabaseError
from seamless_database.models import TABLES
from seamless_database.storage.sqlite.connection import advice_for_damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from seamless_database.admin.checks import IntegrityCheck

#: the exit code if problems are left
EXIT_PROBLEMS = 3
#: rows that are shown of each kind of problem
EXAMPLES = 3


@click.command()
@options.database
@click.option("--repair", is_flag=True, help="Repair what is found; a backup is made first.")
@click.option(
    "--buffers",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Also read every buffer that is needed from this directory.",
)
@options.dry_run
@options.as_json
def check(
    file: DatabaseTarget, *, repair: bool, buffers: Path | None, dry_run: bool, as_json: bool
) -> int:
    """Find damage and wrong rows; exits with 3 if problems are left."""
    if repair and buffers is not None:
        raise click.UsageError("--repair repairs rows only: leave out --buffers")
    with progress_bars() as progress:
        try:
            findings = run_check(file, progress)
        except DamagedError as error:
            if repair or not isinstance(file, Path):
                raise
            findings = report_damage(file, [error.reason], progress)
        if repair and findings["damage"]:
            reason = f"{findings['damage'][0]}; nothing was changed"
            raise DamagedError(display_name(file), reason, findings["advice"])
        if repair and findings["problems"]:
            findings |= run_repair(file, progress, dry_run=dry_run)
        if buffers is not None and not findings["damage"]:
            findings["missing_buffers"] = run_check_buffers(file, buffers, progress)
            findings["clean"] = findings["clean"] and not findings["missing_buffers"]
    show(findings, as_json=as_json)
    return 0 if findings["clean"] else EXIT_PROBLEMS


def run_check(database: DatabaseTarget, progress: ProgressBars) -> dict[str, Any]:
    """Run all checks on a snapshot of the database."""
    with progress.task("Opening") as report, open_snapshot(database, report) as connection:
        # the pages of PostgreSQL are checked by its own tools
        damage = integrity_errors(connection, progress) if is_sqlite(connection) else None
        if not damage:
            inventory = inspect_tables(connection, database)
            problems = list(_problems(connection, inventory, progress))
    if damage and isinstance(database, Path):
        return report_damage(database, damage, progress)
    name = display_name(database)
    return {
        "file": name,
        "clean": not (problems or inventory.legacy_rows),
        "damage": damage,
        "missing_tables": inventory.missing,
        "legacy_records": inventory.legacy_rows,
        **({"advice": migrate_command(name)} if inventory.legacy_rows else {}),
        "problems": problems,
    }


def run_check_buffers(
    database: DatabaseTarget, directory: Path, progress: ProgressBars
) -> list[str]:
    """Return the needed checksums whose buffers a directory lacks, or has damaged."""
    read = Buffers(directory).read
    with live_checksums(database, read, progress) as live:
        checksums = progress.track(live, "Reading buffers", len(live))
        return [checksum for checksum in checksums if read(checksum) is None]


def report_damage(path: Path, damage: list[str], progress: ProgressBars) -> dict[str, Any]:
    """Report what can be read of a file with damaged pages, with advice."""
    try:
        readable = report_readable_rows(path, progress)
    except DatabaseError as error:
        damage = [*damage, str(error)]
        readable = {
            "advice": advice_for_damage(path),
            "missing_tables": sorted(TABLES),
            "readable_tables": [],
        }
    return {
        "file": display_name(path),
        "clean": False,
        "damage": damage,
        **readable,
        "legacy_records": 0,
        "problems": [],
    }


def run_repair(
    database: DatabaseTarget,
    progress: ProgressBars,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Repair all problems after a backup; reports the repairs and the problems that are left."""
    backup = None
    opened = open_scratch(database, progress) if dry_run else open_exclusive(database)
    with opened as connection:
        inventory = require_current(connection, database)
        if not dry_run:
            backup = back_up_before(connection, database, "repair", progress, now)
        repairs = repair_all(connection, inventory, progress)
    after = run_check(database, progress)
    return {
        "clean": after["clean"],
        "dry_run": dry_run,
        "backup": None if backup is None else str(backup),
        "repaired": [{"problem": name, "rows": count} for name, count in repairs.items()],
        "left": after["problems"],
    }


def _problems(
    connection: Connection, inventory: TableInventory, progress: ProgressBars
) -> Iterator[dict[str, Any]]:
    for one in progress.track(applicable_checks(inventory), "Checking", len(CHECKS)):
        count, first = 0, []
        for address in failing_rows(connection, one):
            count += 1
            if count <= EXAMPLES:
                first.append(address)
        if count:
            yield {
                "problem": one.name,
                "rows": count,
                "repair": one.repair.value,
                "examples": _examples(connection, first, one),
            }


def _examples(connection: Connection, addresses: list[Any], check: IntegrityCheck) -> list[str]:
    table = check.model.__table__
    shown = [column for column in table.columns if column.name != "id"][:2]
    statement = select(*shown).where(address_of(check.model).in_(addresses))
    return [" ".join(str(value)[:80] for value in row) for row in connection.execute(statement)]
