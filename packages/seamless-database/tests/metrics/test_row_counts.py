from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import PATIENCE

from seamless_database import Database
from seamless_database.metrics.row_counts import TTL_FACTOR, RowCounts
from seamless_database.storage.sqlite.connection import Connection
from seamless_database.storage.sqlite.schema import TABLES

if TYPE_CHECKING:
    from pathlib import Path


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n"


def put(database: Database, number: int) -> None:
    database.put(
        {"type": "transformation", "checksum": checksum(number), "value": checksum(-number)}
    )


def test_every_table_is_counted(tmp_path: Path) -> None:
    with Database(tmp_path / "seamless.db", writable=True) as database:
        put(database, 1)
        put(database, 2)
        found = asyncio.run(_latest(RowCounts(database)))
    assert found == {name: 2 if "transformation" in name[-14:] else 0 for name in TABLES} | {
        "irreproducible_transformation": 0
    }


def test_a_file_without_tables_has_no_counts(tmp_path: Path) -> None:
    (tmp_path / "seamless.db").touch()
    with Database(tmp_path / "seamless.db") as database:
        assert asyncio.run(_latest(RowCounts(database))) == {}


def test_a_count_is_remembered_for_long_enough_to_cost_nothing(tmp_path: Path) -> None:
    with Database(tmp_path / "seamless.db", writable=True) as database:
        # each look at this clock takes a second
        now = iter(range(10_000))
        counts = RowCounts(database, lambda: next(now))

        async def watch() -> list[int]:
            seen = []
            for number in range(1, 2 * TTL_FACTOR):
                put(database, number)
                seen.append((await counts.current())["transformation"])
            return seen

        seen = asyncio.run(watch())
    assert seen[: TTL_FACTOR - 5] == [1] * (TTL_FACTOR - 5)
    assert seen[-1] > TTL_FACTOR - 5


def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    connection = Connection.open(tmp_path / "x.db", "rwc")
    with (
        closing(connection),
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
        connection.statement_timeout(0.05),
    ):
        connection.command(ENDLESS)


def test_a_count_beyond_its_budget_leaves_out_what_is_missing(tmp_path: Path) -> None:
    first, second, *_ = TABLES
    connection = Connection.open(tmp_path / "x.db", "rwc")
    with Database(tmp_path / "seamless.db", writable=True) as database, closing(connection):
        connection.command(f"CREATE TABLE {first} (x)")
        connection.command(f"INSERT INTO {first} VALUES (1), (2)")
        connection.command(f"CREATE VIEW {second} AS {ENDLESS}")
        assert RowCounts(database).count(connection, budget=0.2) == {first: 2}


def test_after_a_count_the_connection_is_left_alone(tmp_path: Path) -> None:
    with Database(tmp_path / "seamless.db", writable=True) as database:
        counts = RowCounts(database)
        connection = Connection.open(tmp_path / "seamless.db", "ro")
        with closing(connection):
            assert set(counts.count(connection)) == set(TABLES)
            end = threading.Timer(0.05, counts.close)
            end.start()
            # takes longer than until the timer fires
            assert connection.command(ENDLESS.replace("FROM n)", "FROM n LIMIT 2000000)"))
            end.join()


def test_a_table_that_cannot_be_counted_is_an_error(tmp_path: Path) -> None:
    connection = Connection.open(tmp_path / "x.db", "rwc")
    with (
        Database(tmp_path / "seamless.db", writable=True) as database,
        closing(connection),
        pytest.raises(sqlite3.OperationalError, match="no such table"),
    ):
        RowCounts(database).count(connection)


def test_a_count_ends_with_the_server(tmp_path: Path) -> None:
    with Database(tmp_path / "seamless.db", writable=True) as database:
        counts = RowCounts(database)
        counts.close()
        assert asyncio.run(_latest(counts)) == {}


def test_what_runs_can_be_ended_from_another_thread(tmp_path: Path) -> None:
    connection = Connection.open(tmp_path / "x.db", "rwc")
    with closing(connection), connection.statement_timeout(PATIENCE) as interrupt:
        threading.Timer(0.1, interrupt).start()
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.command(ENDLESS)


async def _latest(counts: RowCounts) -> dict[str, int]:
    return dict(await counts.current())
