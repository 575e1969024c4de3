from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from admin_samples import (
    FIXTURES,
    admin,
    contents,
    make_legacy,
    put,
    put_irreproducible,
    rows,
    run_json,
    sql,
    transformation,
)
from database_samples import checksum, record

from seamless_database import Database
from seamless_database.errors import SchemaError

GOOD = record(checksum(1), checksum("a"), big=2**70, text="é")
LEGACY_RECORDS: dict[object, object] = {
    1: GOOD,
    2: {"executor": "SLURM"},
    3: record(checksum(3), checksum("another")),
    4: record(checksum(4), checksum("d")),
    5: record(checksum(5), checksum("e")),
    6: "no JSON",
}
RESULTS = {1: "a", 2: "b", 3: "c", 5: "e", 6: "f"}
OUTCOMES = {
    "carried_over": 1,
    "no_execution_record": 2,
    "transformation_without_result": 1,
    "transformation_irreproducible": 1,
    "no_json_object": 1,
}


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    file = put(
        tmp_path / "seamless.db",
        *(transformation(key, result) for key, result in RESULTS.items()),
        put_irreproducible(5, "e"),
    )
    return make_legacy(file, LEGACY_RECORDS)


def test_valid_records_are_carried_over(legacy: Path) -> None:
    assert run_json("migrate", legacy)["records"] == OUTCOMES
    with Database(legacy) as database:
        answer = database.get({"type": "metadata", "checksum": checksum(1)})
    assert json.loads(answer or "") == GOOD


def test_the_backup_keeps_every_row_in_another_table(legacy: Path) -> None:
    before = contents(legacy)
    findings = run_json("migrate", legacy)
    kept = contents(Path(findings["backup"]))
    assert kept.pop(findings["table_in_backup"]) == before.pop("meta_data")
    assert kept == before


def test_a_migrated_file_is_served_and_clean(legacy: Path) -> None:
    with pytest.raises(SchemaError, match="seamless-database-admin migrate"):
        Database(legacy, writable=True)
    run_json("migrate", legacy)
    Database(legacy, writable=True).close()
    assert run_json("check", legacy)["clean"]


def test_a_second_migration_changes_nothing(legacy: Path) -> None:
    run_json("migrate", legacy)
    before = legacy.read_bytes()
    findings = run_json("migrate", legacy)
    assert (findings["legacy_records"], findings["backup"]) == (0, None)
    assert legacy.read_bytes() == before


def test_a_dry_run_reports_the_same_and_changes_nothing(legacy: Path) -> None:
    before = legacy.read_bytes()
    assert run_json("migrate", legacy, "--dry-run")["records"] == OUTCOMES
    assert legacy.read_bytes() == before
    assert list(legacy.parent.iterdir()) == [legacy]


def test_an_empty_legacy_table_is_replaced_without_a_backup(legacy: Path) -> None:
    sql(legacy, "DELETE FROM meta_data")
    findings = run_json("migrate", legacy)
    assert findings["backup"] is None
    assert rows(legacy, "meta_data") == set()
    Database(legacy).close()


def test_other_commands_advise_migration(legacy: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    commands: list[list[str | Path]] = [
        ["export", legacy, target],
        ["merge", legacy, "--into", target],
        ["prune", "--irreproducible", legacy],
        ["check", "--repair", legacy],
    ]
    for words in commands:
        done = admin(*words)
        if words[0] == "check":
            assert done.status == 3
        else:
            assert done.status == 1
            assert f"seamless-database-admin migrate {legacy}" in done.err
    assert not target.exists()


@pytest.mark.parametrize("name", FIXTURES)
def test_files_of_published_servers_open_after_migration(name: str, tmp_path: Path) -> None:
    if not FIXTURES[name].is_file():
        pytest.skip(f"the shared fixture {name} is not beside this checkout")
    file = Path(shutil.copy(FIXTURES[name], tmp_path))
    file.chmod(0o644)
    run_json("migrate", file)
    Database(file, writable=True).close()
