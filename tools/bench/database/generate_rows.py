"""A file of any number of results, written by SQLite itself within a minute for ten million.

Keys are written in their order, and the index over results is made last.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from typing import TYPE_CHECKING

from tools.bench.database.baselines.sqlite import INSERT, make_file
from tools.bench.database.requests import checksum

if TYPE_CHECKING:
    from pathlib import Path

SPACE = 16**16  # of the leading digits of a key
SEED = 2026
INDEXES = """\
SELECT name, sql FROM sqlite_master
WHERE type = 'index' AND tbl_name = 'transformation' AND sql IS NOT NULL"""


def key(number: int, rows: int) -> str:
    """Return a key: as random as a checksum, but later numbers come later."""
    return f"{number * (SPACE // rows):016x}{checksum(number)[:48]}"


def chosen_keys(rows: int, count: int, round_: int) -> list[str]:
    """Choose keys that are there, others in each round."""
    numbers = random.Random(SEED + round_)
    return [key(numbers.randrange(rows), rows) for _ in range(count)]


def fill(file: Path, rows: int) -> None:
    """Write a file of so many results; it is on the disk when this returns."""
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
    # or the system would go on writing while others are measured
    with file.open("rb") as written:
        os.fsync(written.fileno())
