"""Part `large-pg`: look-ups in a PostgreSQL database of ten million results, and its bytes.

What part `rows` is for SQLite. It takes minutes, so it is run only where it is named.
"""

from __future__ import annotations

import contextlib
import shutil
from itertools import islice
from typing import TYPE_CHECKING

from tools.bench.database.baselines import postgresql
from tools.bench.database.generate_rows import chosen_keys, key
from tools.bench.database.requests import checksum, get_checksum
from tools.bench.database.servers import running_ours, scratch
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.free_table import Figure, FreeTable
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tools.bench.settings import Plan

FEW, MANY, QUICK_MANY = 1_000, 10_000_000, 200_000
READS, QUICK_READS = 8_000, 2_000
#: bytes on disk for a row while its index is being made, and rows of one message
ROOM, CHUNK = 1_500, 2_000
INDEX = "SELECT indexdef FROM pg_indexes WHERE indexname = 'transformation_result'"
SIZE = "SELECT pg_total_relation_size('transformation')"


def run(plan: Plan, many: int | None = None) -> list[FreeTable]:
    """Measure one connection and many, on both databases alternately."""
    many = many or (QUICK_MANY if plan.quick else MANY)
    numbers = [f"{rows:,} rows" for rows in (FEW, many)]
    columns = ["look-ups a second", *numbers, "of the rate", *(f"time, {n}" for n in numbers)]
    sheet = FreeTable("Look-ups of random keys on PostgreSQL, by rows in the database", columns)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        if missing := postgresql.missing():
            sheet.notes.append(f"Not measured: {' and '.join(missing)} not installed.")
        elif shutil.disk_usage(folder).free < many * ROOM:
            needed = f"{many * ROOM / 1e9:.0f} GB of room on the disk"
            sheet.notes.append(f"Not measured: it takes {needed}.")
        else:
            url = stack.enter_context(postgresql.running_postgresql(folder / "postgresql"))
            _measure(sheet, plan, url, many)
    return [sheet]


def _measure(sheet: FreeTable, plan: Plan, url: str, many: int) -> None:
    urls = {rows: database(url, f"rows_{rows}") for rows in (FEW, many)}
    sizes = {rows: fill(name, rows) for rows, name in urls.items()}
    reads = QUICK_READS if plan.quick else READS
    for connections in (CONNECTIONS, 1):
        with contextlib.ExitStack() as stack:
            sides = {
                rows: Measured([stack.enter_context(running_ours(postgresql.ours(name)))])
                for rows, name in urls.items()
            }
            for round_ in range(plan.rounds):
                for rows, measured in sides.items():
                    keys = chosen_keys(rows, reads, round_)
                    requests = [get_checksum("transformation", name) for name in keys]
                    measured.round(iter(requests), connections)
        few, lots = (measured.per_second() for measured in sides.values())
        times = [Figure(measured.milliseconds(), "ms") for measured in sides.values()]
        cells = [Figure(few, "/s"), Figure(lots, "/s"), Figure(100 * lots / few, "%")]
        sheet.add(f"{connections} connection{'s' if connections > 1 else ''}", *cells, *times)
    sheet.notes.append(f"{sizes[many] / many:.0f} bytes a row, with its indexes.")


def database(url: str, name: str) -> str:
    """Make a database on the server of a URL; returns the URL of that."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    before, _, after = url.partition("/postgres?")
    return f"{before}/{name}?{after}"


def fill(url: str, rows: int) -> int:
    """Store so many results; returns the bytes they take with their indexes."""
    import psycopg

    with running_ours(postgresql.ours(url)):
        pass  # it makes the tables
    with psycopg.connect(url, autocommit=True) as connection:
        (index,) = connection.execute(INDEX).fetchone() or ("",)
        connection.execute("DROP INDEX transformation_result")
        _copy(connection, rows)
        connection.execute(index.encode())
        # what would else be done while others are measured
        connection.execute("VACUUM (FREEZE, ANALYZE) transformation")
        connection.execute("CHECKPOINT")
        (size,) = connection.execute(SIZE).fetchone() or (0,)
    return int(size)


def _copy(connection: psycopg.Connection, rows: int) -> None:
    lines = _lines(rows)
    with connection.cursor().copy("COPY transformation (checksum, result) FROM STDIN") as copy:
        while chunk := "".join(islice(lines, CHUNK)):
            copy.write(chunk)


def _lines(rows: int) -> Iterator[str]:
    return (f"{key(number, rows)}\t{checksum(number)}\n" for number in range(rows))
