from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy
from admin_samples import (
    FIXTURES,
    admin,
    make_legacy,
    metadata,
    put,
    put_irreproducible,
    run_json,
    sql,
)
from admin_samples import transformation as transformation_request
from database_samples import checksum

from seamless_database.storage.open import open_database


@pytest.fixture
def file(where: Path | str) -> Path | str:
    return put(
        where,
        metadata(1, "a", wall_time_seconds=3, finished_at="2026-03-01T12:00:00+01:00"),
        metadata(2, "b", wall_time_seconds=90.5, envelope={"captured_at": "2024-05-06T07:08:09Z"}),
        metadata(3, "c", wall_time_seconds=None, memory_peak_bytes=10**12),
        transformation_request(4, "d"),
        put_irreproducible(4, "d"),
    )


def test_rows_are_counted_by_table(file: Path | str) -> None:
    counts = {row["table"]: row["rows"] for row in run_json("stats", file)["tables"]}
    assert len(counts) == 9
    assert counts["transformation"] == counts["rev_transformation"] == counts["meta_data"] == 3
    assert counts["irreproducible_transformation"] == 1
    assert counts["expression"] == 0


def test_the_size_of_the_file_is_reported(tmp_path: Path) -> None:
    file = put(tmp_path / "seamless.db", transformation_request(4, "d"))
    assert run_json("stats", file)["bytes"]["file"] == file.stat().st_size


def test_the_size_of_the_write_ahead_log_is_reported(tmp_path: Path) -> None:
    file = put(tmp_path / "seamless.db", transformation_request(1, "a"))
    assert run_json("stats", file)["bytes"]["write_ahead_log"] == 0
    with open_database(file, writable=True) as database:
        database.put(transformation_request(2, "a"))
        size = Path(f"{file}-wal").stat().st_size
        assert run_json("stats", file)["bytes"]["write_ahead_log"] == size > 0


def test_the_size_of_a_postgresql_is_reported(postgresql: str) -> None:
    put(postgresql)
    assert run_json("stats", postgresql)["bytes"]["database"] > 1_000_000


def test_the_size_of_each_table_is_reported(file: Path | str) -> None:
    assert all(row["bytes"] > 4000 for row in run_json("stats", file)["tables"])


def test_without_dbstat_only_the_rows_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_the_option(_connection: object) -> None:
        raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("no such table: dbstat"))

    file = put(tmp_path / "seamless.db", transformation_request(4, "d"))
    # every SQLite at hand has dbstat
    monkeypatch.setattr("seamless_database.admin.commands.stats.table_sizes", without_the_option)
    tables = run_json("stats", file)["tables"]
    assert {row["bytes"] for row in tables} == {None}
    assert sum(row["rows"] for row in tables) == 2


def test_the_oldest_and_newest_record_are_reported(file: Path | str) -> None:
    records = run_json("stats", file)["records"]
    assert records["oldest"] == "2024-05-06T07:08:09Z"
    assert records["newest"] == "2026-03-01T11:00:00Z"
    assert records["without_a_time"] == 1


def test_the_most_expensive_records_come_first(file: Path | str) -> None:
    most_expensive = run_json("stats", file)["most_expensive"]
    walls = [row for row in most_expensive if row["cost"] == "wall_time_seconds"]
    assert [row["value"] for row in walls] == [90.5, 3]
    assert walls[0]["transformation"] == checksum(2)
    memory = next(row for row in most_expensive if row["cost"] == "memory_peak_bytes")
    assert (memory["value"], memory["result"]) == (10**12, checksum("c"))


def test_a_record_without_a_cost_is_not_expensive(tmp_path: Path) -> None:
    costs = ("wall_time", "cpu_time_user", "cpu_time_system")
    free = {f"{name}_seconds": 0 for name in costs} | {"memory_peak_bytes": 0}
    file = put(tmp_path / "seamless.db", metadata(1, "a", **free))
    assert run_json("stats", file)["most_expensive"] == []


def test_top_limits_the_most_expensive_records(file: Path | str) -> None:
    most_expensive = run_json("stats", file, "--top", "1")["most_expensive"]
    assert [row["cost"] for row in most_expensive].count("wall_time_seconds") == 1
    assert run_json("stats", file, "--top", "0")["most_expensive"] == []


def test_records_with_unusual_values_are_accepted(file: Path | str) -> None:
    unusual = '{"wall_time_seconds": 1e999, "finished_at": -5, "memory_peak_bytes": "much"}'
    sql(file, "UPDATE meta_data SET metadata = ? WHERE checksum = ?", unusual, checksum(1))
    sql(file, "UPDATE meta_data SET metadata = '[' WHERE checksum = ?", checksum(2))
    records = run_json("stats", file)["records"]
    assert (records["unreadable"], records["without_a_time"]) == (1, 2)


def test_a_file_of_a_server_has_no_legacy_records(file: Path | str) -> None:
    assert run_json("stats", file)["legacy_records"] == 0


def test_legacy_records_are_counted(tmp_path: Path) -> None:
    file = make_legacy(put(tmp_path / "seamless.db"), {1: {}, 2: {}})
    findings = run_json("stats", file)
    assert findings["legacy_records"] == 2
    assert findings["missing_tables"] == ["bucket_probe"]


def test_without_json_tables_are_printed(file: Path | str) -> None:
    done = admin("stats", file)
    assert done.status == 0
    assert "most expensive" in done.out
    assert checksum(2) in done.out


@pytest.mark.parametrize("name", FIXTURES)
def test_rows_of_files_of_published_servers_are_counted(name: str, tmp_path: Path) -> None:
    if not FIXTURES[name].is_file():
        pytest.skip(f"the shared fixture {name} is not beside this checkout")
    file = Path(shutil.copy(FIXTURES[name], tmp_path))
    for row in run_json("stats", file)["tables"]:
        assert sql(file, f"SELECT count(*) FROM {row['table']}") == [(row["rows"],)]
