from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from database_samples import checksum
from database_targets import fresh_place

from seamless_database import Database
from seamless_database.storage.open import open_database
from seamless_database.storage.row_estimates import MAX_COUNTED_ROWS, estimate_rows
from seamless_database.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path


def put(database: Database, number: int) -> None:
    database.put(
        {"type": "transformation", "checksum": checksum(number), "value": checksum(-number)}
    )


def test_a_small_table_is_counted(where: Path | str) -> None:
    with open_database(where, writable=True) as database:
        for number in (1, 2):
            body = {"type": "transformation", "checksum": checksum(number), "value": checksum(3)}
            database.put(body)
        found = estimate_rows(database)
    expected = dict.fromkeys(TABLES, 0) | {"transformation": 2, "rev_transformation": 2}
    assert found == expected


def test_removed_rows_of_a_small_table_are_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    with Database(file, writable=True) as database:
        put(database, 1)
        put(database, 2)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DELETE FROM transformation WHERE rowid = 1")
    with Database(file) as database:
        assert estimate_rows(database)["transformation"] == 1


def test_a_large_table_is_estimated_by_its_highest_row_number(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    with Database(file, writable=True) as database:
        put(database, 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"UPDATE transformation SET rowid = {MAX_COUNTED_ROWS + 5}")
    with Database(file) as database:
        assert estimate_rows(database)["transformation"] == MAX_COUNTED_ROWS + 5


def test_a_large_table_of_postgresql_is_estimated(tmp_path: Path) -> None:
    with (
        fresh_place("postgresql", tmp_path) as place,
        open_database(place.target, writable=True) as database,
    ):
        place.change(
            "INSERT INTO transformation SELECT lpad(n::text, 64, '0'), lpad('', 64, '0') "
            f"FROM generate_series(1, {3 * MAX_COUNTED_ROWS}) AS n"
        )
        # the statistics know nothing of them yet, and counting stops early
        assert estimate_rows(database)["transformation"] == MAX_COUNTED_ROWS + 1
        place.change("ANALYZE transformation")
        assert estimate_rows(database)["transformation"] == 3 * MAX_COUNTED_ROWS


def test_a_missing_table_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "seamless.db").touch()
    with Database(tmp_path / "seamless.db") as database:
        assert estimate_rows(database) == {}
