"""`merge A B … --into TARGET`: everything that several files know, in a new one.

Results that contradict each other are not reproducible: they all become contested rows. For
anything else that differs, the file that is named first counts.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from seamless_database.admin import options
from seamless_database.admin.access.database import DatabaseTarget, reading, shown
from seamless_database.admin.access.new_database import (
    filled,
    filling,
    new_database,
)
from seamless_database.admin.access.output import add_reverse_rows
from seamless_database.admin.access.tables import current
from seamless_database.admin.commands.export import row_counts
from seamless_database.admin.console import show
from seamless_database.admin.merge_report import MergeReport
from seamless_database.admin.merge_results import merge_into
from seamless_database.admin.progress import ProgressBars, steps


@click.command()
@click.argument("files", type=options.DATABASE, nargs=-1, required=True)
@click.option(
    "--into",
    "target",
    type=options.DATABASE,
    required=True,
    metavar="TARGET",
    help="The file to write, which must not exist, or a PostgreSQL without rows.",
)
@options.dry_run
@options.as_json
def merge(
    files: tuple[DatabaseTarget, ...], target: DatabaseTarget, dry_run: bool, as_json: bool
) -> None:
    """Write what several FILES know into a new one; the earlier file is preferred."""
    with steps() as doing:
        findings = merged(files, target, doing, dry_run=dry_run)
    show(findings, as_json=as_json)


def merged(
    places: tuple[DatabaseTarget, ...],
    target: DatabaseTarget,
    doing: ProgressBars,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Merge, and tell what did not fit together."""
    report = MergeReport()
    with new_database(target, dry_run=dry_run) as new:
        with filling(new) as copy:
            for where in places:
                with ExitStack() as stack:
                    progress = stack.enter_context(doing.one(f"Opening {shown(where)}"))
                    source = stack.enter_context(reading(where, progress))
                    merge_into(source, current(source, where), copy, report, doing)
            add_reverse_rows(copy)
        with filled(new) as copy:
            rows = row_counts(copy, new)
    return {
        "files": [shown(where) for where in places],
        "target": shown(target),
        "dry_run": dry_run,
        **report.findings(),
        "tables": rows,
    }
