"""`check FILE [--repair]`: what is wrong in a file, and mending it, after a backup.

What is found is told by kind, with a few examples. Repairs are done row by row, in short
transactions, and the file is checked again afterwards. A file whose pages are damaged is never
changed.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy
from sqlalchemy import select

from seamless_database.admin import options
from seamless_database.admin.backup import back_up_before
from seamless_database.admin.errors import DamagedError
from seamless_database.admin.found_rows import FoundRows, row_number
from seamless_database.admin.mending import mend
from seamless_database.admin.opening import changing, plain, reading
from seamless_database.admin.output import show
from seamless_database.admin.problems import PROBLEMS, Problem
from seamless_database.admin.progress import Steps, steps
from seamless_database.admin.rows import stream
from seamless_database.admin.survey import Survey, current, migration_of, survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

#: the exit code when there are problems, and they are still there
FOUND = 3
#: how many rows of a kind are shown
EXAMPLES = 3
#: how many complaints SQLite may have before it stops looking
_COMPLAINTS = 20


@click.command()
@options.database_file
@click.option("--repair", is_flag=True, help="Mend what is found; a backup is made first.")
@options.dry_run
@options.as_json
def check(file: Path, repair: bool, dry_run: bool, as_json: bool) -> int:
    """Look for damage, and for rows that should not be; exits with 3 if there are any."""
    with steps() as doing:
        findings = checked(file, doing)
        if repair and findings["damage"]:
            raise DamagedError(file, f"{findings['damage'][0]}; nothing was changed")
        if repair and findings["problems"]:
            findings |= repaired(file, doing, dry_run=dry_run)
    show(findings, as_json=as_json)
    return 0 if findings["clean"] else FOUND


def checked(path: Path, doing: Steps) -> dict[str, Any]:
    """Look at everything, and change nothing."""
    with doing.one("Opening") as progress, reading(path, progress) as connection:
        damage = _damage(connection, doing)
        found = survey(connection, path)
        problems = [] if damage else list(_problems(connection, found, doing))
    return {
        "file": str(path),
        "clean": not (damage or problems or found.legacy_rows),
        "damage": damage,
        "missing_tables": found.missing,
        "legacy_records": found.legacy_rows,
        **({"advice": migration_of(path)} if found.legacy_rows else {}),
        "problems": problems,
    }


def repaired(
    path: Path, doing: Steps, *, dry_run: bool = False, now: datetime | None = None
) -> dict[str, Any]:
    """Mend everything that can be mended; tells what was done, and what is left."""
    backup = None
    with changing(path, dry_run=dry_run) as connection:
        found = current(connection, path)
        if not dry_run:
            with doing.one("Backup") as progress:
                backup = back_up_before(path, "repair", now or datetime.now(timezone.utc), progress)
        done = {
            problem.name: count
            for problem in doing.each(_applicable(found), "Repairing", len(PROBLEMS))
            if (count := _mended(connection, problem, doing))
        }
    after = checked(path, doing)
    return {
        "clean": after["clean"],
        "dry_run": dry_run,
        "backup": None if backup is None else str(backup),
        "repaired": [{"problem": name, "rows": count} for name, count in done.items()],
        "left": after["problems"],
    }


def _damage(connection: Connection, doing: Steps) -> list[str]:
    with doing.one("Integrity"):
        try:
            rows = connection.exec_driver_sql(f"PRAGMA integrity_check({_COMPLAINTS})").fetchall()
        except sqlalchemy.exc.DatabaseError as error:
            return [str(plain(error))]
    complaints = [str(row[0]) for row in rows]
    return [] if complaints == ["ok"] else complaints


def _applicable(found: Survey) -> Iterator[Problem]:
    return (problem for problem in PROBLEMS if found.has(problem.model, *problem.needs))


def _problems(connection: Connection, found: Survey, doing: Steps) -> Iterator[dict[str, Any]]:
    for problem in doing.each(_applicable(found), "Checking", len(PROBLEMS)):
        rows = FoundRows(connection)
        if count := _find(connection, rows, problem):
            yield {
                "problem": problem.name,
                "rows": count,
                "repair": problem.mend.value,
                "examples": _examples(connection, rows, problem),
            }
        rows.close()


def _find(connection: Connection, rows: FoundRows, problem: Problem) -> int:
    if problem.judge is None:
        return rows.fill(problem.rows)
    judge = problem.judge
    return rows.collect(
        number for number, *values in stream(connection, problem.rows) if judge(*values)
    )


def _examples(connection: Connection, rows: FoundRows, problem: Problem) -> list[str]:
    first = next(rows.chunks()).limit(EXAMPLES)
    table = problem.model.__table__
    shown = [column for column in table.columns if column.name != "id"][:2]
    statement = select(*shown).where(row_number(problem.model).in_(first))
    return [" ".join(str(value)[:80] for value in row) for row in connection.execute(statement)]


def _mended(connection: Connection, problem: Problem, doing: Steps) -> int:
    rows = FoundRows(connection)
    count = _find(connection, rows, problem)
    if count:
        for chunk in doing.each(rows.chunks(), problem.name):
            mend(connection, problem, chunk)
    rows.close()
    return count
