"""Part `rows`: look-ups in a file of ten million results beside one of a thousand.

The large file is written by SQLite itself: keys in their order, and the index over results last.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import statistics
from typing import TYPE_CHECKING

from database_requests import checksum, get_checksum
from database_workloads import CONNECTIONS
from load import load
from raw_sqlite import INSERT, make_file, opened
from servers import running_ours, running_published, scratch
from sheet import Figure, Sheet

if TYPE_CHECKING:
    from pathlib import Path

    from plan import Plan

FEW, MANY, QUICK_MANY = 1_000, 10_000_000, 500_000
READS, QUICK_READS = 8_000, 4_000
#: bytes on disk for a row while its index is being made
ROOM = 700
SPACE = 16**16  # of the leading digits of a key
SEED = 2026
INDEXES = """\
SELECT name, sql FROM sqlite_master
WHERE type = 'index' AND tbl_name = 'transformation' AND sql IS NOT NULL"""


def key(number: int, rows: int) -> str:
    """Return a key: as random as a checksum, but later numbers come later."""
    return f"{number * (SPACE // rows):016x}{checksum(number)[:48]}"


def fill(file: Path, rows: int) -> None:
    """Write a file of so many results."""
    make_file(file)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        indexes = connection.execute(INDEXES).fetchall()
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-500000"):
            connection.execute(f"PRAGMA {pragma}").fetchone()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute("BEGIN")
        connection.executemany(INSERT, ((key(n, rows), checksum(n)) for n in range(rows)))
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")


def chosen_keys(rows: int, count: int, round_: int) -> list[str]:
    """Choose keys that are there, others in each round."""
    numbers = random.Random(SEED + round_)
    return [key(numbers.randrange(rows), rows) for _ in range(count)]


def run(plan: Plan, many: int | None = None) -> list[Sheet]:
    """Measure both files in turns."""
    many = many or (QUICK_MANY if plan.quick else MANY)
    title = f"Look-ups a second of random keys, {CONNECTIONS} connections, by rows in the file"
    columns = ["side", f"{FEW:,} rows", f"{many:,} rows", "of the rate with few"]
    sheet = Sheet(title, columns)
    with scratch() as folder:
        free = shutil.disk_usage(folder).free
        if free < many * ROOM:
            sheet.notes.append(
                f"Not measured: it takes {many * ROOM / 1e9:.0f} GB of room on the disk, where "
                f"{free / 1e9:.0f} GB are free."
            )
            return [sheet]
        files = {rows: folder / f"{rows}.db" for rows in (FEW, many)}
        for rows, file in files.items():
            fill(file, rows)
        sheet.notes.append(f"The large file has {files[many].stat().st_size / 1e9:.2f} GB.")
        rates = _rates(plan, files)
    for side in dict.fromkeys(side for side, _ in rates):
        few, lots = (statistics.median(rates[side, rows]) for rows in files)
        kept = Figure(100 * lots / few, "%", at_least=85 if side == "ours" else None)
        sheet.add(side, Figure(few, "/s"), Figure(lots, "/s"), kept)
    return [sheet]


def _rates(plan: Plan, files: dict[int, Path]) -> dict[tuple[str, int], list[float]]:
    """Look-ups a second of each round, by side and rows."""
    reads = QUICK_READS if plan.quick else READS
    starts = {"ours": running_ours} | ({"published": running_published} if plan.published else {})
    rates: dict[tuple[str, int], list[float]] = {}
    for side, start in starts.items():
        with contextlib.ExitStack() as stack:
            servers = {rows: stack.enter_context(start(file)) for rows, file in files.items()}
            for round_ in range(plan.rounds):
                for rows, server in servers.items():
                    keys = chosen_keys(rows, reads, round_)
                    requests = [get_checksum("transformation", name) for name in keys]
                    result = load(server.port, iter(requests), CONNECTIONS).all_answered(200)
                    rates.setdefault((side, rows), []).append(result.per_second)
    for rows, file in files.items():
        with opened(file) as raw:
            rates["raw SQLite", rows] = [
                raw.look_ups(chosen_keys(rows, reads, round_)) for round_ in range(plan.rounds)
            ]
    return rates
