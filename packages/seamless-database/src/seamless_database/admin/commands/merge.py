"""`merge A B … --into TARGET`: merge several databases into a new one.

Conflicting results of a transformation all become irreproducible results. For any other conflict,
the first database counts.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from seamless_database.admin import options
from seamless_database.admin.access.database import (
    new_database,
    open_for_load,
    open_snapshot,
    reopen,
)
from seamless_database.admin.access.output import add_reverse_rows
from seamless_database.admin.access.tables import require_current, row_counts
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.admin.merge_results import merge_into
from seamless_database.admin.merge_tables import MergeReport


@click.command()
@click.argument("files", type=options.DATABASE, nargs=-1, required=True)
@click.option(
    "--into",
    "target",
    type=options.DATABASE,
    required=True,
    metavar="TARGET",
    help="The file to write, which must not exist, or a PostgreSQL database without rows.",
)
@options.dry_run
@options.as_json
def merge(
    files: tuple[DatabaseTarget, ...], target: DatabaseTarget, dry_run: bool, as_json: bool
) -> None:
    """Merge several FILES into a new database.

    Conflicting results become irreproducible; for other conflicts, the first file counts.
    """
    with progress_bars() as progress:
        findings = run_merge(files, target, progress, dry_run=dry_run)
    show(findings, as_json=as_json)


def run_merge(
    sources: tuple[DatabaseTarget, ...],
    target: DatabaseTarget,
    progress: ProgressBars,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Merge the databases in their order, and report the conflicts."""
    conflicts = MergeReport()
    with new_database(target, dry_run=dry_run) as new:
        with open_for_load(new) as copy:
            for database in sources:
                with ExitStack() as stack:
                    label = f"Opening {display_name(database)}"
                    report = stack.enter_context(progress.task(label))
                    source = stack.enter_context(open_snapshot(database, report))
                    inventory = require_current(source, database)
                    merge_into(source, inventory, copy, conflicts, progress)
            add_reverse_rows(copy)
        with reopen(new) as copy:
            rows = row_counts(copy, new)
    return {
        "files": [display_name(database) for database in sources],
        "target": display_name(target),
        "dry_run": dry_run,
        **conflicts.findings(),
        "tables": rows,
    }
