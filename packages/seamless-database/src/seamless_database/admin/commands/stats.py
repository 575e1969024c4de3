"""`stats FILE`: how much a file holds, since when, and what was expensive to compute."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy
from sqlalchemy import func, select

from seamless_database.admin import options
from seamless_database.admin.access.database import DatabaseTarget, reading, sizes
from seamless_database.admin.access.database import shown as named
from seamless_database.admin.access.dialects import table_sizes
from seamless_database.admin.access.rows import as_object, stream
from seamless_database.admin.access.tables import TableInventory, survey
from seamless_database.admin.console import show
from seamless_database.admin.progress import ProgressBars, steps
from seamless_database.admin.timestamps import shown, time_of
from seamless_database.models import MetaData
from seamless_database.storage.sqlite.schema import METADATA

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

#: what a computation may cost: the name of the cost -> the fields of a record that add up to it
COSTS = {
    "wall_time_seconds": ("wall_time_seconds",),
    "cpu_time_seconds": ("cpu_time_user_seconds", "cpu_time_system_seconds"),
    "memory_peak_bytes": ("memory_peak_bytes",),
    "gpu_memory_peak_bytes": ("gpu_memory_peak_bytes",),
}


@click.command()
@options.database
@click.option(
    "--top",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="How many of the most expensive records to show.",
)
@options.as_json
def stats(file: DatabaseTarget, top: int, as_json: bool) -> None:
    """Show rows and sizes, the oldest and newest record, and the most expensive ones."""
    with steps() as doing:
        findings = statistics(file, top, doing)
    show(findings, as_json=as_json)


@dataclass
class Records:
    """What one pass over the execution records gathers."""

    top: int
    oldest: datetime | None = None
    newest: datetime | None = None
    without_time: int = 0
    unreadable: int = 0
    totals: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COSTS, 0))
    _dearest: dict[str, list[tuple[float, str, str]]] = field(
        default_factory=lambda: {cost: [] for cost in COSTS}
    )

    def add(self, checksum: str, result: str, text: object) -> None:
        """Take another record into account."""
        record = as_object(text)
        if record is None:
            self.unreadable += 1
            return
        for cost, names in COSTS.items():
            parts = [record.get(name) for name in names]
            numbers = [part for part in parts if isinstance(part, int | float) and part > 0]
            if numbers:
                self._rank(cost, (float(min(sum(numbers), 1e300)), str(checksum), str(result)))
        self._date(time_of(record))

    @property
    def most_expensive(self) -> list[dict[str, Any]]:
        """The most expensive records, by each cost."""
        return [
            {"cost": cost, "value": round(value, 3), "transformation": checksum, "result": result}
            for cost, rows in self._dearest.items()
            for value, checksum, result in sorted(rows, reverse=True)
        ]

    def _rank(self, cost: str, row: tuple[float, str, str]) -> None:
        self.totals[cost] += row[0]
        rows = self._dearest[cost]
        if len(rows) < self.top:
            heapq.heappush(rows, row)
        elif rows and row > rows[0]:
            heapq.heapreplace(rows, row)

    def _date(self, time: datetime | None) -> None:
        if time is None:
            self.without_time += 1
            return
        self.oldest = min(time, self.oldest or time)
        self.newest = max(time, self.newest or time)


def statistics(where: DatabaseTarget, top: int, doing: ProgressBars) -> dict[str, Any]:
    """Gather everything about a database, in one snapshot of it."""
    with doing.one("Opening") as progress, reading(where, progress) as connection:
        found = survey(connection, where)
        rows = _row_counts(connection, found, doing)
        records = Records(top)
        if found.has(MetaData):
            columns = (MetaData.checksum, MetaData.result, MetaData.record)
            counted = rows[METADATA]
            for row in doing.each(stream(connection, select(*columns)), "Records", counted):
                records.add(*row)
        return {
            "file": named(where),
            "bytes": sizes(connection, where),
            "missing_tables": found.missing,
            "legacy_records": found.legacy_rows,
            "tables": _tables(connection, rows),
            "records": {
                "oldest": shown(records.oldest),
                "newest": shown(records.newest),
                "without_a_time": records.without_time,
                "unreadable": records.unreadable,
                "total_wall_time_seconds": round(records.totals["wall_time_seconds"], 3),
                "total_cpu_time_seconds": round(records.totals["cpu_time_seconds"], 3),
            },
            "most_expensive": records.most_expensive,
        }


def _row_counts(
    connection: Connection, found: TableInventory, doing: ProgressBars
) -> dict[str, int]:
    names = [table.name for table in found.tables] + ([METADATA] if found.legacy else [])
    return {
        name: connection.scalar(select(func.count()).select_from(sqlalchemy.table(name))) or 0
        for name in doing.each(sorted(names), "Tables", len(names))
    }


def _tables(connection: Connection, rows: dict[str, int]) -> list[dict[str, Any]]:
    """Rows and bytes of every table; bytes with its indexes, where SQLite is built to tell."""
    try:
        bytes_of = table_sizes(connection)
    except sqlalchemy.exc.OperationalError:
        # an optional part of SQLite
        bytes_of = {}
    return [
        {"table": name, "rows": count, "bytes": bytes_of.get(name)} for name, count in rows.items()
    ]
