from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record
from database_server import shared

from seamless_database import Database
from seamless_database.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURES = shared("protocol", "fixtures")
TABLES = {
    "transformation": ["checksum CHAR(64)", "result CHAR(64)"],
    "rev_transformation": ["id INTEGER", "result CHAR(64)", "checksum CHAR(64)"],
    "buffer_info": ["checksum CHAR(64)", "buffer_info TEXT"],
    "syntactic_to_semantic": [
        "syntactic CHAR(64)",
        "celltype TEXT",
        "subcelltype TEXT",
        "semantic CHAR(64)",
    ],
    "expression": [
        "input_checksum CHAR(64)",
        "path VARCHAR(100)",
        "celltype VARCHAR(20)",
        "target_celltype VARCHAR(20)",
        "validator CHAR(64) NULL",
        "validator_language VARCHAR(20) NULL",
        "result CHAR(64)",
    ],
    "meta_data": ["checksum CHAR(64)", "result CHAR(64)", "metadata TEXT"],
    "bucket_probe": [
        "bucket_kind VARCHAR(20)",
        "label TEXT",
        "bucket_checksum CHAR(64)",
        "captured_at TEXT",
        "freshness_tokens TEXT",
    ],
    "claim": [
        "checksum CHAR(64)",
        "holder TEXT",
        "claimed_at TEXT",
        "renewed_at TEXT",
        "seconds TEXT",
    ],
    "irreproducible_transformation": [
        "id INTEGER",
        "result CHAR(64)",
        "checksum CHAR(64)",
        "metadata TEXT",
    ],
}
KEYS = {
    "rev_transformation": ["id"],
    "syntactic_to_semantic": ["syntactic", "celltype", "subcelltype", "semantic"],
    "expression": ["input_checksum", "path", "celltype", "target_celltype"],
    "bucket_probe": ["bucket_kind", "label"],
    "irreproducible_transformation": ["id"],
}
INDEXES = {
    ("transformation_result", "result"),
    ("rev_transformation_result", "result"),
    ("syntactic_to_semantic_syntactic", "syntactic"),
    ("syntactic_to_semantic_semantic", "semantic"),
    ("expression_result", "result"),
    ("meta_data_result", "result"),
    ("bucket_probe_bucket_checksum", "bucket_checksum"),
    ("irreproducible_transformation_result", "result"),
    ("irreproducible_transformation_checksum", "checksum"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


@pytest.fixture
def fresh(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a file that this version has created."""
    Database(file, writable=True).close()
    with closing(sqlite3.connect(file)) as raw:
        yield raw


def columns(raw: sqlite3.Connection, table: str) -> list[str]:
    rows = raw.execute(f"PRAGMA table_info({table})")
    return [f"{name} {kind}{'' if needed else ' NULL'}" for _, name, kind, needed, _, _ in rows]


def legacy(file: Path, *rows: tuple[str, str]) -> None:
    """Make a file with the two-column table of old."""
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("CREATE TABLE meta_data (checksum CHAR(64) PRIMARY KEY, metadata TEXT)")
        raw.executemany("INSERT INTO meta_data VALUES (?, ?)", rows)


def get(database: Database, kind: str, **fields: object) -> Any:
    answer = database.get({"type": kind, **fields})
    return answer and (json.loads(answer) if answer[0] in "[{" else answer)


# the four rules


@pytest.mark.parametrize("table", TABLES)
def test_a_new_file_has_every_column_in_order(fresh: sqlite3.Connection, table: str) -> None:
    assert columns(fresh, table) == TABLES[table]


@pytest.mark.parametrize("table", TABLES)
def test_a_new_file_has_the_primary_keys(fresh: sqlite3.Connection, table: str) -> None:
    rows = fresh.execute(f"PRAGMA table_info({table})").fetchall()
    key = [row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5]]
    assert key == KEYS.get(table, ["checksum"])


def test_a_new_file_has_the_indexes_and_no_other_constraint(fresh: sqlite3.Connection) -> None:
    found = set()
    for table in TABLES:
        for _, name, unique, _, _ in fresh.execute(f"PRAGMA index_list({table})").fetchall():
            if not name.startswith("sqlite_autoindex"):
                assert not unique
                found |= {(name, row[2]) for row in fresh.execute(f"PRAGMA index_info({name})")}
    assert found == INDEXES


def test_a_new_file_has_no_user_version_or_application_id(fresh: sqlite3.Connection) -> None:
    for pragma in ("user_version", "application_id", "auto_vacuum"):
        assert fresh.execute(f"PRAGMA {pragma}").fetchone() == (0,)
    assert fresh.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    names = fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {name for (name,) in names} == set(TABLES)


def test_an_empty_legacy_table_is_replaced(file: Path) -> None:
    legacy(file)
    with Database(file, writable=True) as database:
        body = record(checksum(1), checksum(2))
        request = {"checksum": checksum(1), "result": checksum(2), "value": body}
        database.put({"type": "metadata", **request})
        assert get(database, "metadata", checksum=checksum(1)) == body
    with closing(sqlite3.connect(file)) as raw:
        assert columns(raw, "meta_data") == TABLES["meta_data"]


def test_an_upgraded_table_is_kept(file: Path) -> None:
    body = record(checksum(1), checksum(2))
    request = {"checksum": checksum(1), "result": checksum(2), "value": body}
    with Database(file, writable=True) as database:
        database.put({"type": "metadata", **request})
    for _ in range(2):
        with Database(file, writable=True) as database:
            assert get(database, "metadata", checksum=checksum(1)) == body


@pytest.mark.parametrize("writable", [True, False])
def test_legacy_records_are_rejected(file: Path, writable: bool) -> None:
    legacy(file, ("a" * 64, "{}"))
    before = file.read_bytes()
    with pytest.raises(SchemaError, match="legacy records"):
        Database(file, writable=writable)
    assert file.read_bytes() == before


@pytest.mark.parametrize("extra", ["surprise TEXT", "result TEXT, surprise TEXT"])
def test_unknown_columns_are_rejected_and_named(file: Path, extra: str) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.execute(f"CREATE TABLE meta_data (checksum TEXT, {extra})")
    with pytest.raises(SchemaError, match="surprise"):
        Database(file, writable=True)


# files that are taken as they are


def test_other_tables_of_another_type_are_kept(file: Path) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("CREATE TABLE buffer_info (checksum TEXT PRIMARY KEY, buffer_info JSON)")
        raw.execute("CREATE TABLE somebody_elses (x)")
    Database(file, writable=True).close()
    with closing(sqlite3.connect(file)) as raw:
        assert columns(raw, "buffer_info") == ["checksum TEXT NULL", "buffer_info JSON NULL"]
        assert columns(raw, "somebody_elses") == ["x  NULL"]


def test_a_missing_table_has_no_rows_for_a_reader(file: Path) -> None:
    legacy(file)
    with Database(file) as database:
        assert get(database, "metadata", checksum=checksum(1)) is None
        assert get(database, "transformation", checksum=checksum(1)) is None
        # another server upgrades the file meanwhile
        with Database(file, writable=True) as writer:
            writer.put({"type": "transformation", "checksum": checksum(1), "value": checksum(2)})
            assert get(database, "transformation", checksum=checksum(1)) == checksum(2)


# the recorded files


@pytest.fixture
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a file that a published server has written."""
    original = FIXTURES / request.param
    if not original.is_file():
        pytest.skip(f"no recorded file at {original}")
    return Path(shutil.copy(original, tmp_path / "recorded.db"))


FILLED = ["filled.db", "filled-json-columns.db"]
ALL = [*FILLED, "legacy-empty-metadata.db"]


@pytest.mark.parametrize("recorded", FILLED, indirect=True)
def test_opening_a_recorded_file_leaves_its_content(recorded: Path) -> None:
    def content() -> list[str]:
        with closing(sqlite3.connect(recorded)) as raw:
            return list(raw.iterdump())

    before = content()
    Database(recorded, writable=True).close()
    # an addition that published servers ignore
    assert [line for line in content() if "TABLE claim" not in line] == before


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("recorded", ALL, indirect=True)
def test_every_row_of_a_recorded_file_is_found(
    recorded: Path, request: pytest.FixtureRequest, writable: bool
) -> None:
    name = request.node.callspec.params["recorded"]
    puts = json.loads((FIXTURES / "expected.json").read_text())[name]["puts"]
    irreproducible = {put["checksum"] for put in puts if put["type"] == "irreproducible"}
    with Database(recorded, writable=writable) as database:
        for put in puts:
            if put["type"] == "irreproducible":
                (row,) = get(database, "irreproducible", checksum=put["checksum"])
                assert row["result"] == put["result"]
            elif put.get("checksum") not in irreproducible:
                assert_found(database, put)


def assert_found(database: Database, put: dict[str, Any]) -> None:
    fields = {key: value for key, value in put.items() if key != "type"}
    answer = get(database, put["type"], **fields)
    if put["type"] == "bucket_probe":
        assert answer == fields
    elif put["type"] == "semantic_to_syntactic":
        assert sorted(answer) == sorted(put["value"])
    else:
        assert answer == put["value"]


@pytest.mark.parametrize("recorded", ["filled.db"], indirect=True)
def test_a_duplicate_reverse_row_is_returned_once(recorded: Path) -> None:
    with closing(sqlite3.connect(recorded)) as raw:
        ((result, rows),) = raw.execute(
            "SELECT result, count(*) FROM rev_transformation GROUP BY result, checksum"
            " HAVING count(*) > 1"
        ).fetchall()
    with Database(recorded) as database:
        found = get(database, "rev_transformations", checksum=result)
    assert rows == 2
    assert len(found) == len(set(found))


@pytest.mark.parametrize("recorded", ["legacy-filled-metadata.db"], indirect=True)
def test_the_recorded_legacy_records_are_rejected(recorded: Path) -> None:
    before = recorded.read_bytes()
    with pytest.raises(SchemaError, match="legacy records"):
        Database(recorded, writable=True)
    assert recorded.read_bytes() == before
