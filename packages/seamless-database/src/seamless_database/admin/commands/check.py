"""`check FILE [--repair]`: what is wrong in a file, and mending it, after a backup.

What is found is told by kind, with a few examples. Repairs are done row by row, in short
transactions, and the file is checked again afterwards. A file whose pages are damaged is never
changed; the findings say how much of each table can be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import select

from seamless_database.admin import options
from seamless_database.admin.access.database import (
    DatabaseTarget,
    changing,
    reading,
    shown,
    trying,
)
from seamless_database.admin.access.dialects import address_of, is_sqlite
from seamless_database.admin.access.tables import (
    TableInventory,
    current,
    migrate_command,
    survey,
)
from seamless_database.admin.backup import back_up_before
from seamless_database.admin.checks import PROBLEMS
from seamless_database.admin.console import show
from seamless_database.admin.errors import DamagedError
from seamless_database.admin.progress import ProgressBars, steps
from seamless_database.admin.repairs import applicable, found_rows, repair_all
from seamless_database.admin.salvage import complaints, salvageable
from seamless_database.errors import DatabaseError
from seamless_database.models import TABLES
from seamless_database.storage.sqlite.connection import advice_for_damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from seamless_database.admin.checks import IntegrityCheck

#: the exit code when there are problems, and they are still there
FOUND = 3
#: how many rows of a kind are shown
EXAMPLES = 3


@click.command()
@options.database
@click.option("--repair", is_flag=True, help="Mend what is found; a backup is made first.")
@options.dry_run
@options.as_json
def check(file: DatabaseTarget, repair: bool, dry_run: bool, as_json: bool) -> int:
    """Look for damage, and for rows that should not be; exits with 3 if there are any."""
    with steps() as doing:
        try:
            findings = checked(file, doing)
        except DamagedError as error:
            if repair or not isinstance(file, Path):
                raise
            findings = damaged(file, [error.reason], doing)
        if repair and findings["damage"]:
            reason = f"{findings['damage'][0]}; nothing was changed"
            raise DamagedError(shown(file), reason, findings["advice"])
        if repair and findings["problems"]:
            findings |= repaired(file, doing, dry_run=dry_run)
    show(findings, as_json=as_json)
    return 0 if findings["clean"] else FOUND


def checked(where: DatabaseTarget, doing: ProgressBars) -> dict[str, Any]:
    """Look at everything, and change nothing."""
    with doing.one("Opening") as progress, reading(where, progress) as connection:
        # PostgreSQL looks after its pages itself
        damage = complaints(connection, doing) if is_sqlite(connection) else None
        if not damage:
            found = survey(connection, where)
            problems = list(_problems(connection, found, doing))
    if damage and isinstance(where, Path):
        return damaged(where, damage, doing)
    return {
        "file": shown(where),
        "clean": not (problems or found.legacy_rows),
        "damage": damage,
        "missing_tables": found.missing,
        "legacy_records": found.legacy_rows,
        **({"advice": migrate_command(shown(where))} if found.legacy_rows else {}),
        "problems": problems,
    }


def damaged(path: Path, damage: list[str], doing: ProgressBars) -> dict[str, Any]:
    """Report what can be read of a file whose pages are damaged, and what to do."""
    try:
        readable = salvageable(path, doing)
    except DatabaseError as error:
        damage = [*damage, str(error)]
        readable = {
            "advice": advice_for_damage(path),
            "missing_tables": sorted(TABLES),
            "readable_tables": [],
        }
    return {
        "file": shown(path),
        "clean": False,
        "damage": damage,
        **readable,
        "legacy_records": 0,
        "problems": [],
    }


def repaired(
    where: DatabaseTarget,
    doing: ProgressBars,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Mend everything that can be mended; tells what was done, and what is left."""
    backup = None
    with trying(where, doing) if dry_run else changing(where) as connection:
        found = current(connection, where)
        if not dry_run:
            backup = back_up_before(connection, where, "repair", doing, now)
        done = repair_all(connection, found, doing)
    after = checked(where, doing)
    return {
        "clean": after["clean"],
        "dry_run": dry_run,
        "backup": None if backup is None else str(backup),
        "repaired": [{"problem": name, "rows": count} for name, count in done.items()],
        "left": after["problems"],
    }


def _problems(
    connection: Connection, found: TableInventory, doing: ProgressBars
) -> Iterator[dict[str, Any]]:
    for problem in doing.each(applicable(found), "Checking", len(PROBLEMS)):
        count, first = 0, []
        for address in found_rows(connection, problem):
            count += 1
            if count <= EXAMPLES:
                first.append(address)
        if count:
            yield {
                "problem": problem.name,
                "rows": count,
                "repair": problem.repair.value,
                "examples": _examples(connection, first, problem),
            }


def _examples(connection: Connection, first: list[Any], problem: IntegrityCheck) -> list[str]:
    table = problem.model.__table__
    shown = [column for column in table.columns if column.name != "id"][:2]
    statement = select(*shown).where(address_of(problem.model).in_(first))
    return [" ".join(str(value)[:80] for value in row) for row in connection.execute(statement)]
