"""`stats FILE`: rows and bytes of the tables, the dates of the records, the most expensive ones."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy
from sqlalchemy import func, select

from seamless_database.admin import options
from seamless_database.admin.access.database import open_snapshot, sizes
from seamless_database.admin.access.dialects import table_sizes
from seamless_database.admin.access.rows import as_object, stream
from seamless_database.admin.access.tables import TableInventory, inspect_tables
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.admin.timestamps import format_time, time_of
from seamless_database.models import MetaData
from seamless_database.storage.sqlite.schema import METADATA

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

#: costs of a computation, and the fields of a record whose sum is the cost
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
    """Show rows, sizes, and the most expensive records."""
    with progress_bars() as progress:
        findings = run_stats(file, top, progress)
    show(findings, as_json=as_json)


def run_stats(database: DatabaseTarget, top: int, progress: ProgressBars) -> dict[str, Any]:
    """Collect the statistics from one snapshot of the database."""
    with progress.task("Opening") as report, open_snapshot(database, report) as connection:
        inventory = inspect_tables(connection, database)
        rows = _row_counts(connection, inventory, progress)
        records = RecordStatistics(top)
        if inventory.has(MetaData):
            columns = (MetaData.checksum, MetaData.result, MetaData.record)
            stored = stream(connection, select(*columns))
            for row in progress.track(stored, "Records", rows[METADATA]):
                records.add(*row)
        return {
            "file": display_name(database),
            "bytes": sizes(connection, database),
            "missing_tables": inventory.missing,
            "legacy_records": inventory.legacy_rows,
            "tables": _tables(connection, rows),
            "records": {
                "oldest": format_time(records.oldest),
                "newest": format_time(records.newest),
                "without_a_time": records.without_time,
                "unreadable": records.unreadable,
                "total_wall_time_seconds": round(records.totals["wall_time_seconds"], 3),
                "total_cpu_time_seconds": round(records.totals["cpu_time_seconds"], 3),
            },
            "most_expensive": records.most_expensive,
        }


@dataclass
class RecordStatistics:
    """Statistics of the execution records, from one pass over them."""

    #: how many of the most expensive records to keep, for each cost
    top: int
    oldest: datetime | None = None
    newest: datetime | None = None
    without_time: int = 0
    unreadable: int = 0
    totals: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COSTS, 0))
    _largest: dict[str, list[tuple[float, str, str]]] = field(
        default_factory=lambda: {cost: [] for cost in COSTS}
    )

    def add(self, checksum: str, result: str, text: object) -> None:
        """Add a record."""
        record = as_object(text)
        if record is None:
            self.unreadable += 1
            return
        for cost, names in COSTS.items():
            parts = [record.get(name) for name in names]
            numbers = [part for part in parts if isinstance(part, int | float) and part > 0]
            if numbers:
                self._add_cost(cost, (float(min(sum(numbers), 1e300)), str(checksum), str(result)))
        self._add_time(time_of(record))

    @property
    def most_expensive(self) -> list[dict[str, Any]]:
        """The most expensive records for each cost."""
        return [
            {"cost": cost, "value": round(value, 3), "transformation": checksum, "result": result}
            for cost, rows in self._largest.items()
            for value, checksum, result in sorted(rows, reverse=True)
        ]

    def _add_cost(self, cost: str, row: tuple[float, str, str]) -> None:
        self.totals[cost] += row[0]
        rows = self._largest[cost]
        if len(rows) < self.top:
            heapq.heappush(rows, row)
        elif rows and row > rows[0]:
            heapq.heapreplace(rows, row)

    def _add_time(self, time: datetime | None) -> None:
        if time is None:
            self.without_time += 1
            return
        self.oldest = min(time, self.oldest or time)
        self.newest = max(time, self.newest or time)


def _row_counts(
    connection: Connection, inventory: TableInventory, progress: ProgressBars
) -> dict[str, int]:
    """Count the rows of every table, also of a table of legacy records."""
    names = [table.name for table in inventory.tables] + ([METADATA] if inventory.legacy else [])
    return {
        name: connection.scalar(select(func.count()).select_from(sqlalchemy.table(name))) or 0
        for name in progress.track(sorted(names), "Tables", len(names))
    }


def _tables(connection: Connection, rows: dict[str, int]) -> list[dict[str, Any]]:
    """Return rows and bytes of every table; no bytes if SQLite is built without `dbstat`."""
    try:
        bytes_of = table_sizes(connection)
    except sqlalchemy.exc.OperationalError:
        bytes_of = {}
    return [
        {"table": name, "rows": count, "bytes": bytes_of.get(name)} for name, count in rows.items()
    ]
