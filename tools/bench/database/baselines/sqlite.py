"""What SQLite itself does on this disk, in one process and without a server.

The file has the tables and indexes of ours. A write is one row of the table of results: less
than a server does, which also keeps the way back from a result to its transformations. With that
row it is what the format asks for, and the limit of a server.

The WAL may become as long as that of ours. SQLite's own 4 MB would be copied into the file in the
commit of each transaction of a thousand results. Neither a larger page cache, nor the keys of a
transaction in order, nor reading the file in place makes a difference among a million results:
there a new one adds 14 kB to the WAL, pages of three indexes, and takes more than 50 µs.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

from seamless_database import Database
from tools.bench.database.requests import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSERT = "INSERT INTO transformation (checksum, result) VALUES (?, ?)"
INSERT_REVERSE = "INSERT INTO rev_transformation (checksum, result) VALUES (?, ?)"
WAL_PAGES = 16_384  # of 4 kB, before SQLite copies them
MAPPED = 2**33  # bytes; more than any file here has
SELECT = "SELECT result FROM transformation WHERE checksum = ?"


def make_file(path: Path) -> None:
    """Make a file without rows, with the tables and indexes of ours."""
    with Database(path, writable=True):
        pass


@contextlib.contextmanager
def opened(path: Path) -> Iterator[RawSQLite]:
    """Open a file as our server does, with WAL and a sync for each commit; read it in place."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        connection.execute(f"PRAGMA mmap_size={MAPPED}")
        yield RawSQLite(connection)


class RawSQLite:
    """Rows a second, by one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def look_ups(self, keys: list[str]) -> float:
        """Look keys up one by one."""
        execute, start = self._connection.execute, time.perf_counter()
        for key in keys:
            assert execute(SELECT, (key,)).fetchone()
        return len(keys) / (time.perf_counter() - start)

    def writes(self, numbers: range, at_once: int = 1) -> float:
        """Write new rows, so many in a transaction."""
        rows = [(checksum(n), checksum(n, "result")) for n in numbers]
        execute, start = self._connection.execute, time.perf_counter()
        for first in range(0, len(rows), at_once):
            execute("BEGIN IMMEDIATE")
            for row in rows[first : first + at_once]:
                execute(INSERT, row)
            execute("COMMIT")
        return len(rows) / (time.perf_counter() - start)

    def results(self, numbers: range, at_once: int) -> float:
        """Write new results and their reverse rows, so many in a transaction."""
        rows = [(checksum(n), checksum(n, "result")) for n in numbers]
        execute, start = self._connection.execute, time.perf_counter()
        for first in range(0, len(rows), at_once):
            execute("BEGIN IMMEDIATE")
            for statement in (INSERT, INSERT_REVERSE):
                self._connection.executemany(statement, rows[first : first + at_once])
            execute("COMMIT")
        return len(rows) / (time.perf_counter() - start)
