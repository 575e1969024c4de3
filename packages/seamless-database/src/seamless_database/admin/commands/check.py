"""`check FILE [--repair]`: what is wrong in a file, and mending it, after a backup.

What is found is told by kind, with a few examples. Repairs are done row by row, in short
transactions, and the file is checked again afterwards. A file whose pages are damaged is never
changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import sqlalchemy
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
from seamless_database.admin.access.rows import stream
from seamless_database.admin.access.sqlite import plain
from seamless_database.admin.access.tables import (
    TableInventory,
    current,
    migrate_command,
    survey,
)
from seamless_database.admin.backup import back_up_before
from seamless_database.admin.checks import PROBLEMS, IntegrityCheck
from seamless_database.admin.console import show
from seamless_database.admin.errors import DamagedError
from seamless_database.admin.progress import ProgressBars, steps
from seamless_database.admin.repairs import repair
from seamless_database.admin.row_selection import RowSelection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

#: the exit code when there are problems, and they are still there
FOUND = 3
#: how many rows of a kind are shown
EXAMPLES = 3
#: how many complaints SQLite may have before it stops looking
_COMPLAINTS = 20


@click.command()
@options.database
@click.option("--repair", is_flag=True, help="Mend what is found; a backup is made first.")
@options.dry_run
@options.as_json
def check(file: DatabaseTarget, repair: bool, dry_run: bool, as_json: bool) -> int:
    """Look for damage, and for rows that should not be; exits with 3 if there are any."""
    with steps() as doing:
        findings = checked(file, doing)
        if repair and findings["damage"]:
            raise DamagedError(shown(file), f"{findings['damage'][0]}; nothing was changed")
        if repair and findings["problems"]:
            findings |= repaired(file, doing, dry_run=dry_run)
    show(findings, as_json=as_json)
    return 0 if findings["clean"] else FOUND


def checked(where: DatabaseTarget, doing: ProgressBars) -> dict[str, Any]:
    """Look at everything, and change nothing."""
    with doing.one("OpenBackend") as progress, reading(where, progress) as connection:
        # PostgreSQL looks after its pages itself
        damage = _damage(connection, doing) if is_sqlite(connection) else None
        found = survey(connection, where)
        problems = [] if damage else list(_problems(connection, found, doing))
    return {
        "file": shown(where),
        "clean": not (damage or problems or found.legacy_rows),
        "damage": damage,
        "missing_tables": found.missing,
        "legacy_records": found.legacy_rows,
        **({"advice": migrate_command(shown(where))} if found.legacy_rows else {}),
        "problems": problems,
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
        done = {
            problem.name: count
            for problem in doing.each(_applicable(found), "Repairing", len(PROBLEMS))
            if (count := _mended(connection, problem, doing))
        }
    after = checked(where, doing)
    return {
        "clean": after["clean"],
        "dry_run": dry_run,
        "backup": None if backup is None else str(backup),
        "repaired": [{"problem": name, "rows": count} for name, count in done.items()],
        "left": after["problems"],
    }


def _damage(connection: Connection, doing: ProgressBars) -> list[str]:
    with doing.one("Integrity"):
        try:
            rows = connection.exec_driver_sql(f"PRAGMA integrity_check({_COMPLAINTS})").fetchall()
        except sqlalchemy.exc.DatabaseError as error:
            return [str(plain(error))]
    complaints = [str(row[0]) for row in rows]
    return [] if complaints == ["ok"] else complaints


def _applicable(found: TableInventory) -> Iterator[IntegrityCheck]:
    return (problem for problem in PROBLEMS if found.has(problem.model, *problem.needs))


def _problems(
    connection: Connection, found: TableInventory, doing: ProgressBars
) -> Iterator[dict[str, Any]]:
    for problem in doing.each(_applicable(found), "Checking", len(PROBLEMS)):
        count, first = 0, []
        for address in _found(connection, problem):
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


def _found(connection: Connection, problem: IntegrityCheck) -> Iterator[Any]:
    """The addresses of the rows that have the problem."""
    predicate = problem.predicate
    for address, *values in stream(connection, problem.rows):
        if predicate is None or predicate(*values):
            yield address


def _examples(connection: Connection, first: list[Any], problem: IntegrityCheck) -> list[str]:
    table = problem.model.__table__
    shown = [column for column in table.columns if column.name != "id"][:2]
    statement = select(*shown).where(address_of(problem.model).in_(first))
    return [" ".join(str(value)[:80] for value in row) for row in connection.execute(statement)]


def _mended(connection: Connection, problem: IntegrityCheck, doing: ProgressBars) -> int:
    rows = RowSelection(connection)
    if problem.predicate is None:
        count = rows.fill(problem.rows)
    else:
        count = rows.collect(_found(connection, problem))
    if count:
        for chunk in doing.each(rows.chunks(), problem.name):
            repair(connection, problem, chunk)
    rows.close()
    return count
