"""`copy SOURCE TARGET`: copy all rows between files and PostgreSQL databases, and verify them.

The command reads one snapshot of the source; a second run copies what was written later. Each
chunk of rows is committed, so the same command resumes an interrupted copy. At the end it reads
both databases again, and compares the number and the SHA-256 of the rows of each table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import func, select

from seamless_database.admin import options
from seamless_database.admin.access.database import open_snapshot
from seamless_database.admin.access.dialects import is_sqlite
from seamless_database.admin.access.sqlite import raw
from seamless_database.admin.access.tables import inspect_tables, require_current
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.admin.copy_tables import (
    Fingerprint,
    OpenDatabase,
    ResumePoint,
    copy_table,
    find_resume_points,
    fingerprints,
)
from seamless_database.admin.copy_target import (
    committed_transaction,
    open_copy_target,
    open_existing_target,
)
from seamless_database.admin.errors import CopyFailedError, SameDatabaseError

if TYPE_CHECKING:
    from seamless_database.admin.copy_target import CopyTarget


@click.command()
@options.source
@options.target
@options.dry_run
@options.as_json
def copy(source: DatabaseTarget, target: DatabaseTarget, dry_run: bool, as_json: bool) -> None:
    """Copy and verify all rows from SOURCE to TARGET.

    The same command resumes an interrupted copy.
    """
    with progress_bars() as progress:
        findings = run_copy(source, target, progress, dry_run=dry_run)
    show(findings, as_json=as_json)


def run_copy(
    source: DatabaseTarget,
    target: DatabaseTarget,
    progress: ProgressBars,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Copy and verify; reports the existing and the copied rows of each table."""
    if _is_same(source, target):
        raise SameDatabaseError(display_name(target))
    with progress.task("Opening") as report, open_snapshot(source, report) as connection:
        if is_sqlite(connection):
            # text that is not UTF-8 is an error, not bytes
            raw(connection).text_factory = str
        origin = OpenDatabase(source, connection, require_current(connection, source).tables)
        if dry_run:
            tables = _plan(origin, target, progress)
        else:
            with open_copy_target(target) as opened:
                tables = _copy_and_verify(origin, opened, progress)
    return {
        "source": display_name(source),
        "target": display_name(target),
        "dry_run": dry_run,
        "verified": not dry_run,
        "tables": tables,
    }


def _plan(
    source: OpenDatabase, target: DatabaseTarget, progress: ProgressBars
) -> list[dict[str, Any]]:
    resume: dict[str, ResumePoint] = {}
    with open_existing_target(target) as connection:
        if connection is not None:
            tables = require_current(connection, target).tables
            existing = OpenDatabase(target, connection, tables)
            resume = find_resume_points(source, existing, progress)
    return [
        {
            "table": table.name,
            "rows": source.connection.scalar(select(func.count()).select_from(table)),
            "already_there": resume.get(table.name, ResumePoint()).rows,
        }
        for table in source.tables
    ]


def _copy_and_verify(
    source: OpenDatabase, opened: CopyTarget, progress: ProgressBars
) -> list[dict[str, Any]]:
    with committed_transaction(opened.connection):
        tables = inspect_tables(opened.connection, opened.database).tables
        target = OpenDatabase(opened.database, opened.connection, tables)
        resume = find_resume_points(source, target, progress)
    for table in source.tables:
        copy_table(source.connection, target.connection, table, resume[table.name], progress)
    opened.complete()
    return [
        {
            "table": name,
            "rows": fingerprint.rows,
            "already_there": resume[name].rows,
            "sha256": fingerprint.sha256,
        }
        for name, fingerprint in _verify(source, target, progress).items()
    ]


def _verify(
    source: OpenDatabase, target: OpenDatabase, progress: ProgressBars
) -> dict[str, Fingerprint]:
    """Compare all rows of both databases; raises `CopyFailedError` if they differ."""
    wanted = fingerprints(source.connection, source.tables, progress)
    with committed_transaction(target.connection):
        copied = fingerprints(target.connection, source.tables, progress)
    if wrong := [name for name in wanted if wanted[name] != copied[name]]:
        raise CopyFailedError(display_name(target.database), ", ".join(wrong))
    return wanted


def _is_same(source: DatabaseTarget, target: DatabaseTarget) -> bool:
    if isinstance(source, Path) and isinstance(target, Path):
        return source.exists() and target.exists() and source.samefile(target)
    return source == target
