"""`prune FILE`: delete results by age, by a list, without a record, or irreproducible ones.

There is no backup, because the file can be large. SQLite uses the freed space again; only
`export` makes a smaller file. Rows are deleted in short transactions, so an interruption leaves a
valid file.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TextIO

import click
from sqlalchemy import and_, delete, func, not_, or_, select, true

from seamless_database.admin import options
from seamless_database.admin.access.database import open_exclusive, open_scratch, transaction
from seamless_database.admin.access.dialects import address_of, select_addresses
from seamless_database.admin.access.rows import as_object, in_batches, stream
from seamless_database.admin.access.tables import require_current
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.checks import CHECKSUM_COLUMNS
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.admin.errors import ListError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.admin.repairs import RowSelection
from seamless_database.admin.timestamps import format_time, parse_time, time_of
from seamless_database.models import (
    IrreproducibleTransformation,
    MetaData,
    RevTransformation,
    Transformation,
)
from seamless_database.request_types.metadata import IS_CURRENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Connection

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.models import Base

_UNITS = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}
#: the columns that are searched for a listed checksum; `RevTransformation.checksum` has no index
_SEARCHED = CHECKSUM_COLUMNS | {RevTransformation: (RevTransformation.result,)}


class _TimeType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A date, or an age such as 90d, converted to a time."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        age = re.fullmatch(r"([0-9]{1,6})([hdwy])", value)
        try:
            if age:
                hours = timedelta(hours=int(age[1]) * _UNITS[age[2]])
                return datetime.now(timezone.utc) - hours
        except OverflowError:
            self.fail(f"{value!r} is before the first date", param, ctx)
        time = parse_time(value)
        if time is None:
            self.fail(f"{value!r} is neither an age (36h, 90d, 8w, 2y) nor a date", param, ctx)
        return time


@click.command()
@options.database
@click.option(
    "--older-than",
    type=_TimeType(),
    metavar="AGE|DATE",
    help="Delete results whose record is older (36h, 90d, 8w, 2y, or a date).",
)
@click.option(
    "--checksums",
    type=click.File("r", errors="replace"),
    metavar="LIST",
    help="Delete all rows with these checksums, one a line; - is stdin.",
)
@click.option(
    "--irreproducible",
    is_flag=True,
    help="Delete irreproducible results; with --older-than, those with an older record.",
)
@click.option(
    "--without-record",
    is_flag=True,
    help="Delete results that have no record, whatever their age.",
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
    """Delete old, listed or irreproducible results.

    There is no backup: use --dry-run to see what would be deleted.
    """
    if older_than is None and checksums is None and not irreproducible and not without_record:
        raise click.UsageError(
            "say what to prune: --older-than, --checksums, --irreproducible or --without-record"
        )
    if irreproducible and without_record:
        raise click.UsageError("use --irreproducible and --without-record in separate commands")
    with progress_bars() as progress:
        findings = run_prune(
            file,
            progress,
            before=older_than,
            checksums=checksums,
            irreproducible=irreproducible,
            without_record=without_record,
            dry_run=dry_run,
        )
    show(findings, as_json=as_json)


def run_prune(
    database: DatabaseTarget,
    progress: ProgressBars,
    *,
    before: datetime | None = None,
    checksums: TextIO | None = None,
    irreproducible: bool = False,
    without_record: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Delete the chosen rows, and count them by table."""
    ages = AgeFilter(before) if before is not None else None
    results_without_record: int | None = None
    with tempfile.TemporaryFile("w+") as listed:
        if checksums is not None:
            # the whole list before the first change: a line can be invalid
            source = str(getattr(checksums, "name", "the list"))
            with INTERRUPTION.deferred(defer=False):
                listed.writelines(f"{one}\n" for one in read_checksum_list(checksums, source))
            listed.seek(0)
        opened = open_scratch(database, progress) if dry_run else open_exclusive(database)
        with opened as connection:
            pruner = Pruner(connection, require_current(connection, database), progress)
            if ages is not None and not irreproducible:
                pruner.delete_old_results(ages)
            if irreproducible:
                pruner.delete_irreproducible(ages)
            if without_record:
                pruner.delete_results_without_record()
            pruner.delete_checksums(line.strip() for line in listed)
            if ages is not None and not irreproducible:
                results_without_record = pruner.count_results_without_record()
    findings: dict[str, Any] = {
        "file": display_name(database),
        "dry_run": dry_run,
        "removed": pruner.removed,
    }
    if ages is not None:
        findings["ages"] = {
            "older_than": format_time(before),
            "records_with_a_time": ages.known,
            "kept_because_their_record_tells_no_time": ages.unknown,
        }
        if results_without_record is not None:
            findings["ages"]["kept_because_they_have_no_record"] = results_without_record
            if results_without_record:
                findings["advice"] = "use --without-record to delete results without a record"
    return findings


def read_checksum_list(lines: Iterable[str], source: str) -> Iterator[str]:
    """Parse one checksum a line; `#` starts a comment, and empty lines are ignored."""
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not re.fullmatch("[0-9a-fA-F]{64}", text):
            raise ListError(source, number, text)
        yield text.lower()


@dataclass
class AgeFilter:
    """Finds the records before a time, and counts those with and without a time."""

    before: datetime
    known: int = 0
    unknown: int = 0

    def is_old(self, text: object) -> bool:
        """Whether the time of a record is before the limit."""
        time = time_of(as_object(text) or {})
        if time is None:
            self.unknown += 1
            return False
        self.known += 1
        return time < self.before


class Pruner:
    """Deletes rows of one database; `removed` counts them by table."""

    def __init__(
        self, connection: Connection, inventory: TableInventory, progress: ProgressBars
    ) -> None:
        self._connection = connection
        self._inventory = inventory
        self._progress = progress
        self.removed: dict[str, int] = {}

    def delete_old_results(self, ages: AgeFilter) -> None:
        """Delete the results with an old record, and the record with them."""
        if not self._inventory.has(Transformation, MetaData):
            return
        rows = RowSelection(self._connection)
        records = select_addresses(MetaData, MetaData.record).join(Transformation, IS_CURRENT)
        stored = self._progress.track(stream(self._connection, records), "Reading records")
        rows.collect(address for address, text in stored if ages.is_old(text))
        self._delete_selected(rows, MetaData)

    def delete_results_without_record(self) -> None:
        """Delete the results that have no record."""
        if not self._inventory.has(Transformation):
            return
        rows = RowSelection(self._connection)
        rows.fill(select_addresses(Transformation).where(self._has_no_record()))
        self._delete_selected(rows, Transformation)

    def count_results_without_record(self) -> int:
        """Count the results that have no record."""
        if not self._inventory.has(Transformation):
            return 0
        count = select(func.count()).select_from(Transformation).where(self._has_no_record())
        return self._connection.scalar(count) or 0

    def delete_irreproducible(self, ages: AgeFilter | None) -> None:
        """Delete irreproducible results: all of them, or those with an old record."""
        model = IrreproducibleTransformation
        if not self._inventory.has(model):
            return
        rows = RowSelection(self._connection)
        if ages is None:
            rows.fill(select_addresses(model))
        else:
            stored = stream(self._connection, select_addresses(model, model.record))
            rows.collect(address for address, text in stored if ages.is_old(text))
        for batch in self._progress.track(rows.batches(), "Deleting"):
            with transaction(self._connection):
                self._delete(model, address_of(model).in_(batch))
        rows.close()

    def delete_checksums(self, checksums: Iterable[str]) -> None:
        """Delete every row with one of these checksums."""
        for batch in self._progress.track(in_batches(checksums), "Deleting"):
            with transaction(self._connection):
                self._delete_results(batch)
                for model, columns in _SEARCHED.items():
                    if self._inventory.has(model):
                        self._delete(model, or_(*(column.in_(batch) for column in columns)))

    def _has_no_record(self) -> ColumnElement[bool]:
        """Build the condition that a transformation has no record of its current result."""
        if not self._inventory.has(MetaData):
            return true()
        return not_(select(MetaData.checksum).where(IS_CURRENT).exists())

    def _delete_selected(
        self, rows: RowSelection, model: type[Transformation] | type[MetaData]
    ) -> None:
        """Delete the results whose transformations or records are selected."""
        for batch in self._progress.track(rows.batches(), "Deleting"):
            selected = select(model.checksum).where(address_of(model).in_(batch))
            keys = list(self._connection.scalars(selected))
            with transaction(self._connection):
                self._delete_results(keys)
        rows.close()

    def _delete_results(self, keys: list[str]) -> None:
        """Delete transformations, their reverse rows and their records."""
        if not self._inventory.has(Transformation):
            return
        results = select(Transformation.result).where(Transformation.checksum.in_(keys))
        if self._inventory.has(RevTransformation):
            # by result, because there is no index by transformation
            of_these = RevTransformation.result.in_(list(set(self._connection.scalars(results))))
            self._delete(RevTransformation, and_(of_these, RevTransformation.checksum.in_(keys)))
        self._delete(Transformation, Transformation.checksum.in_(keys))
        if self._inventory.has(MetaData):
            self._delete(MetaData, MetaData.checksum.in_(keys))

    def _delete(self, model: type[Base], condition: ColumnElement[bool]) -> None:
        count = self._connection.execute(delete(model).where(condition)).rowcount
        if count:
            name = model.__tablename__
            self.removed[name] = self.removed.get(name, 0) + count
