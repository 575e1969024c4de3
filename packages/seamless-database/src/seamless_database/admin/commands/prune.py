"""`prune FILE`: forget results by age, by a list, those without a record, or contested ones.

What is forgotten is gone; the file is not copied first, because it may be large. Space is used
again, but only `export` makes a smaller file. Rows leave in short transactions, so that an
interruption leaves a sound file.
"""

from __future__ import annotations

import re
import tempfile
from datetime import datetime, timedelta, timezone
from typing import Any, TextIO

import click

from seamless_database.admin import options, pruning
from seamless_database.admin.access.database import DatabaseTarget, changing, trying
from seamless_database.admin.access.database import shown as named
from seamless_database.admin.access.tables import current
from seamless_database.admin.console import show
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.admin.progress import ProgressBars, steps
from seamless_database.admin.timestamps import read, shown

_UNITS = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}


class _TimeType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A date, or an age such as 90d; given back as a time."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        age = re.fullmatch(r"([0-9]{1,6})([hdwy])", value)
        try:
            if age:
                hours = timedelta(hours=int(age[1]) * _UNITS[age[2]])
                return datetime.now(timezone.utc) - hours
        except OverflowError:
            self.fail(f"{value!r} is before there were dates", param, ctx)
        time = read(value)
        if time is None:
            self.fail(f"{value!r} is neither an age (36h, 90d, 8w, 2y) nor a date", param, ctx)
        return time


@click.command()
@options.database
@click.option(
    "--older-than",
    type=_TimeType(),
    metavar="AGE|DATE",
    help="Forget results whose record is older (36h, 90d, 8w, 2y, or a date).",
)
@click.option(
    "--checksums",
    type=click.File("r", errors="replace"),
    metavar="LIST",
    help="Forget all that names these checksums, one a line; - is stdin.",
)
@click.option(
    "--irreproducible",
    is_flag=True,
    help="Forget contested results; with --older-than, those with an older record.",
)
@click.option(
    "--without-record",
    is_flag=True,
    help="Forget results that have no record, whatever their age.",
)
@options.dry_run
@options.as_json
def prune(
    file: DatabaseTarget,
    *,
    older_than: datetime | None,
    checksums: TextIO | None,
    irreproducible: bool,
    without_record: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Forget results that are old, listed, without a record, or contested."""
    if older_than is None and checksums is None and not irreproducible and not without_record:
        raise click.UsageError(
            "say what to prune: --older-than, --checksums, --irreproducible or --without-record"
        )
    if irreproducible and without_record:
        raise click.UsageError("use --irreproducible and --without-record in separate commands")
    with steps() as doing:
        findings = pruned(
            file,
            doing,
            before=older_than,
            checksums=checksums,
            irreproducible=irreproducible,
            without_record=without_record,
            dry_run=dry_run,
        )
    show(findings, as_json=as_json)


def pruned(
    where: DatabaseTarget,
    doing: ProgressBars,
    *,
    before: datetime | None = None,
    checksums: TextIO | None = None,
    irreproducible: bool = False,
    without_record: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Forget, and tell how many rows of what."""
    ages = pruning.Ages(before) if before is not None else None
    with tempfile.TemporaryFile("w+") as listed:
        if checksums is not None:
            # all of it, before anything is changed: it may hold a mistake
            source = str(getattr(checksums, "name", "the list"))
            with INTERRUPTION.deferred(defer=False):
                listed.writelines(f"{one}\n" for one in pruning.listed(checksums, source))
            listed.seek(0)
        with trying(where, doing) if dry_run else changing(where) as connection:
            work = pruning.Pruning(connection, current(connection, where), doing)
            if ages is not None and not irreproducible:
                work.forget_old_results(ages)
            if irreproducible:
                work.forget_contested(ages)
            if without_record:
                work.forget_results_without_record()
            work.forget_checksums(line.strip() for line in listed)
            kept_without_record = 0
            if ages is not None and not irreproducible:
                kept_without_record = work.count_results_without_record()
    findings: dict[str, Any] = {"file": named(where), "dry_run": dry_run, "removed": work.removed}
    if ages is not None:
        findings["ages"] = {
            "older_than": shown(before),
            "records_with_a_time": ages.known,
            "kept_because_their_record_tells_no_time": ages.unknown,
        }
        if not irreproducible:
            findings["ages"]["kept_because_they_have_no_record"] = kept_without_record
            if kept_without_record:
                findings["advice"] = "use --without-record to forget results without a record"
    return findings
