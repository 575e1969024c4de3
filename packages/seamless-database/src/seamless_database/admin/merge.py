"""`merge A B … --into TARGET`: everything that several files know, in a new one.

Results that contradict each other are not reproducible: they all become contested rows. For
anything else that differs, the file that is named first counts.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from seamless_database.admin import options
from seamless_database.admin.export import row_counts
from seamless_database.admin.folding import fold
from seamless_database.admin.merge_report import MergeReport
from seamless_database.admin.opening import connected, reading
from seamless_database.admin.output import show
from seamless_database.admin.progress import Steps, steps
from seamless_database.admin.survey import current
from seamless_database.admin.target import building, new_file

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("files", type=options.FILE, nargs=-1, required=True)
@click.option(
    "--into",
    "target",
    type=options.FILE,
    required=True,
    metavar="TARGET",
    help="The file to write; it must not exist.",
)
@options.dry_run
@options.as_json
def merge(files: tuple[Path, ...], target: Path, dry_run: bool, as_json: bool) -> None:
    """Write what several FILES know into a new one; the earlier file is preferred."""
    with steps() as doing:
        findings = merged(files, target, doing, dry_run=dry_run)
    show(findings, as_json=as_json)


def merged(
    paths: tuple[Path, ...], target: Path, doing: Steps, *, dry_run: bool = False
) -> dict[str, Any]:
    """Merge, and tell what did not fit together."""
    report = MergeReport()
    with new_file(target, dry_run=dry_run) as new:
        with building(new) as copy:
            for path in paths:
                with ExitStack() as stack:
                    progress = stack.enter_context(doing.one(f"Opening {path.name}"))
                    source = stack.enter_context(reading(path, progress))
                    fold(source, current(source, path), copy, report, doing)
        with connected(new, "ro") as copy:
            rows = row_counts(copy, new)
    return {
        "files": [str(path) for path in paths],
        "target": str(target),
        "dry_run": dry_run,
        **report.findings(),
        "tables": rows,
    }
