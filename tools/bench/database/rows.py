"""Part `rows`: look-ups in a file of ten million results beside one of a thousand."""

from __future__ import annotations

import contextlib
import shutil
import statistics
from typing import TYPE_CHECKING

from tools.bench.database.baselines.sqlite import opened
from tools.bench.database.generate_rows import chosen_keys, fill
from tools.bench.database.requests import get_checksum
from tools.bench.database.servers import running_ours, running_published, scratch
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.free_table import Cell, Figure, FreeTable
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

FEW, MANY, QUICK_MANY = 1_000, 10_000_000, 500_000
READS, QUICK_READS = 8_000, 4_000
#: bytes on disk for a row while its index is being made
ROOM = 700
#: percent of the rate with few rows that is wanted
WANTED = 85
NOTE = """\
Other keys in each round. The large file has {size:.2f} GB; the system keeps what it has memory for.
Processor is the time on a core that the server has for a look-up."""


def run(plan: Plan, many: int | None = None) -> list[FreeTable]:
    """Measure both files alternately."""
    many = many or (QUICK_MANY if plan.quick else MANY)
    numbers = [f"{rows:,} rows" for rows in (FEW, many)]
    columns = ["side", *numbers, "of the rate", *(f"processor, {rows}" for rows in numbers)]
    title = f"Look-ups a second of random keys, {CONNECTIONS} connections, by rows in the file"
    sheet = FreeTable(title, columns)
    with scratch() as folder:
        free = shutil.disk_usage(folder).free
        if free < many * ROOM:
            needed = f"{many * ROOM / 1e9:.0f} GB of room on the disk"
            sheet.notes.append(f"Not measured: it takes {needed}; {free / 1e9:.0f} GB are free.")
            return [sheet]
        files = {rows: folder / f"{rows}.db" for rows in (FEW, many)}
        for rows, file in files.items():
            fill(file, rows)
        sheet.notes.append(NOTE.format(size=files[many].stat().st_size / 1e9))
        sheet.add("ours", *_served(plan, files, running_ours, WANTED))
        if plan.published:
            sheet.add("published", *_served(plan, files, running_published))
        sheet.add("raw SQLite", *_raw(plan, files))
    return [sheet]


def _served(
    plan: Plan,
    files: dict[int, Path],
    start: Callable[[Path], contextlib.AbstractContextManager[Server]],
    wanted: float | None = None,
) -> list[Cell]:
    """Ask a server on either file alternately."""
    with contextlib.ExitStack() as stack:
        sides = {rows: Measured([stack.enter_context(start(file))]) for rows, file in files.items()}
        for round_ in range(plan.rounds):
            for rows, measured in sides.items():
                keys = chosen_keys(rows, _reads(plan), round_)
                requests = [get_checksum("transformation", name) for name in keys]
                measured.round(iter(requests), CONNECTIONS)
    few, lots = sides.values()
    cells = _rates(few.per_second(), lots.per_second(), wanted)
    return [*cells, Figure(few.microseconds(), "µs"), Figure(lots.microseconds(), "µs")]


def _raw(plan: Plan, files: dict[int, Path]) -> list[Cell]:
    """Ask SQLite on either file alternately."""
    rates: dict[int, list[float]] = {rows: [] for rows in files}
    with contextlib.ExitStack() as stack:
        sides = {rows: stack.enter_context(opened(file)) for rows, file in files.items()}
        for round_ in range(plan.rounds):
            for rows, raw in sides.items():
                rates[rows].append(raw.look_ups(chosen_keys(rows, _reads(plan), round_)))
    few, lots = map(statistics.median, rates.values())
    return [*_rates(few, lots), None, None]


def _rates(few: float, lots: float, wanted: float | None = None) -> list[Cell]:
    kept = Figure(100 * lots / few, "%", at_least=wanted)
    return [Figure(few, "/s"), Figure(lots, "/s"), kept]


def _reads(plan: Plan) -> int:
    return QUICK_READS if plan.quick else READS
