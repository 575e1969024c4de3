"""`copy SOURCE TARGET`: all rows from a file or a PostgreSQL database into another one.

The source is read as of one moment, so what is written to it later is not in the copy; copying
again brings it. The rows go in pieces, each of them committed: after an interruption, the same
command goes on. At the end, both sides are read again and compared, by the number of rows and by
a checksum of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import func, select

from seamless_database.admin import options
from seamless_database.admin.access.database import DatabaseTarget, reading, shown
from seamless_database.admin.access.dialects import is_sqlite
from seamless_database.admin.access.sqlite import raw
from seamless_database.admin.access.tables import current, survey
from seamless_database.admin.console import show
from seamless_database.admin.copy_tables import (
    Side,
    Standings,
    copy_table,
    find_resume_points,
)
from seamless_database.admin.copy_target import committed, copy_target, present
from seamless_database.admin.errors import CopyFailedError, SameDatabaseError
from seamless_database.admin.progress import ProgressBars, steps
from seamless_database.admin.resume import ResumePoint
from seamless_database.admin.verify import Fingerprint, fingerprints

if TYPE_CHECKING:
    from seamless_database.admin.copy_target import Target


@click.command()
@options.source
@options.target
@options.dry_run
@options.as_json
def copy(source: DatabaseTarget, target: DatabaseTarget, dry_run: bool, as_json: bool) -> None:
    """Copy all rows from SOURCE to TARGET, and verify; goes on where it was interrupted."""
    with steps() as doing:
        findings = copied(source, target, doing, dry_run=dry_run)
    show(findings, as_json=as_json)


def copied(
    source: DatabaseTarget, target: DatabaseTarget, doing: ProgressBars, *, dry_run: bool = False
) -> dict[str, Any]:
    """Copy and verify, and tell of each table what was there and what has come."""
    if _is_same(source, target):
        raise SameDatabaseError(shown(target))
    with doing.one("Opening") as progress, reading(source, progress) as connection:
        if is_sqlite(connection):
            # what is no text must not be copied as if it were some
            raw(connection).text_factory = str
        origin = Side(source, connection, current(connection, source).tables)
        if dry_run:
            tables = _planned(origin, target, doing)
        else:
            with copy_target(target) as opened:
                tables = _copied(origin, opened, doing)
    return {
        "source": shown(source),
        "target": shown(target),
        "dry_run": dry_run,
        "verified": not dry_run,
        "tables": tables,
    }


def _planned(source: Side, target: DatabaseTarget, doing: ProgressBars) -> list[dict[str, Any]]:
    known: Standings = {}
    with present(target) as there:
        if there is not None:
            known = find_resume_points(
                source, Side(target, there, current(there, target).tables), doing
            )
    return [
        {
            "table": table.name,
            "rows": source.connection.scalar(select(func.count()).select_from(table)),
            "already_there": known.get(table.name, ResumePoint()).rows,
        }
        for table in source.tables
    ]


def _copied(source: Side, opened: Target, doing: ProgressBars) -> list[dict[str, Any]]:
    with committed(opened.connection):
        tables = survey(opened.connection, opened.place).tables
        target = Side(opened.place, opened.connection, tables)
        known = find_resume_points(source, target, doing)
    for table in source.tables:
        copy_table(source.connection, target.connection, table, known[table.name], doing)
    opened.complete()
    return [
        {
            "table": name,
            "rows": verified.rows,
            "already_there": known[name].rows,
            "sha256": verified.sha256,
        }
        for name, verified in _verified(source, target, doing).items()
    ]


def _verified(source: Side, target: Side, doing: ProgressBars) -> dict[str, Fingerprint]:
    """Read both sides; raises `CopyFailedError` if they differ."""
    wanted = fingerprints(source.connection, source.tables, doing)
    with committed(target.connection):
        found = fingerprints(target.connection, source.tables, doing)
    if wrong := [name for name in wanted if wanted[name] != found[name]]:
        raise CopyFailedError(shown(target.place), ", ".join(wrong))
    return wanted


def _is_same(source: DatabaseTarget, target: DatabaseTarget) -> bool:
    if isinstance(source, Path) and isinstance(target, Path):
        return source.exists() and target.exists() and source.samefile(target)
    return source == target
