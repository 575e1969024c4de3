from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from admin_samples import (
    FIXTURES,
    Target,
    admin,
    buffer_info,
    contents,
    expression,
    metadata,
    probe,
    put,
    put_irreproducible,
    recorded_syncs,
    rows,
    run_json,
    semantic_to_syntactic,
    sql,
    transformation,
)
from database_samples import checksum

from seamless_database import Database


def fill_database(where: Target) -> Target:
    """Store two independent results, and what the first result was made from."""
    return put(
        where,
        metadata("tf", "raw", node=checksum("node")),
        transformation("tf again", "raw"),
        transformation("tf wrong", "other raw"),
        put_irreproducible("tf wrong", "other raw"),
        expression("raw", "result"),
        semantic_to_syntactic("text", "raw"),
        buffer_info("raw", length=1),
        buffer_info("result", length=2),
        buffer_info("tf", length=3),
        buffer_info("node", length=4),
        probe("node", "node", "noon"),
        # the result does not depend on these
        transformation("tf of something else", "something else"),
        expression("result", "made from it"),
        buffer_info("something else", length=5),
        probe("another", "another node", "noon"),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return fill_database(tmp_path / "seamless.db")


@pytest.fixture
def source(where: Path | str) -> Path | str:
    return fill_database(where)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target.db"


def test_a_copy_holds_everything(source: Path | str, target: Path) -> None:
    findings = run_json("export", source, target)
    assert contents(target) == contents(source)
    assert findings["bytes"] == target.stat().st_size


@pytest.mark.parametrize("command", ["export", "copy"])
def test_a_new_file_and_its_name_are_on_the_disk(
    command: str, file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = recorded_syncs(monkeypatch)
    run_json(command, file, target)
    assert synced[-1] == str(target.parent)
    # SQLite syncs a copy itself, at each commit
    assert command == "copy" or synced[-2].endswith("/new.db")


def test_a_copy_is_compact(file: Path, target: Path) -> None:
    put(file, *(buffer_info(number, dtype="x" * 1000) for number in range(300)))
    sql(file, "DELETE FROM buffer_info")
    run_json("export", file, target)
    assert target.stat().st_size < file.stat().st_size / 2


def test_a_copy_has_the_schema_of_a_new_file(file: Path, target: Path, tmp_path: Path) -> None:
    sql(file, "DROP TABLE bucket_probe")
    run_json("export", file, target)
    run_json("export", file, tmp_path / "part.db", "--closure", checksum("result"))
    new = put(tmp_path / "new.db")
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    assert sql(target, query) == sql(new, query) == sql(tmp_path / "part.db", query)


def test_an_export_leaves_no_other_files(file: Path, target: Path) -> None:
    run_json("export", file, target)
    assert sorted(path.name for path in target.parent.iterdir()) == ["seamless.db", "target.db"]


def test_an_existing_target_is_not_changed(file: Path, target: Path) -> None:
    target.write_text("mine")
    done = admin("export", file, target)
    assert done.status == 1
    assert "exists already" in done.err
    assert target.read_text() == "mine"
    assert admin("export", file, file).status == 1


def test_a_target_in_a_missing_folder_is_one_line(file: Path, tmp_path: Path) -> None:
    done = admin("export", file, tmp_path / "absent" / "target.db")
    assert done.status == 1
    assert "folder does not exist" in done.err


def test_a_dry_run_writes_nothing(file: Path, target: Path) -> None:
    findings = run_json("export", file, target, "--dry-run")
    assert findings["bytes"] > 0
    assert list(target.parent.iterdir()) == [file]


def test_a_postgresql_gets_the_same_rows_as_a_file(file: Path, postgresql: str) -> None:
    run_json("export", file, postgresql)
    assert contents(postgresql) == contents(file)


def test_a_postgresql_gets_the_same_closure_as_a_file(
    file: Path, target: Path, postgresql: str
) -> None:
    for where in (target, postgresql):
        run_json("export", file, where, "--closure", checksum("result"))
    assert contents(postgresql) == contents(target)


def test_a_postgresql_numbers_new_rows_after_the_copied_ones(file: Path, postgresql: str) -> None:
    run_json("export", file, postgresql)
    put(postgresql, transformation("new", "raw"))
    assert checksum("new") in {row[1] for row in rows(postgresql, "rev_transformation")}


def test_a_postgresql_with_rows_is_not_changed(file: Path, postgresql: str) -> None:
    put(postgresql, transformation(1, 2))
    before = contents(postgresql)
    for more in ([], ["--dry-run"], ["--closure", checksum("result")]):
        done = admin("export", file, postgresql, *more)
        assert done.status == 1
        assert "holds rows already" in done.err
    assert contents(postgresql) == before


def test_a_dry_run_to_a_postgresql_ignores_the_files_of_the_current_folder(
    file: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    for name in ("any.db", "any.db-wal", "new.db"):
        Path(name).touch()
    assert run_json("export", file, postgresql, "--dry-run")["bytes"] > 0


def test_a_dry_run_creates_no_tables_in_a_postgresql(file: Path, postgresql: str) -> None:
    run_json("export", file, postgresql, "--dry-run")
    done = admin("stats", postgresql)
    assert done.status == 1
    assert "none of the tables" in done.err


def test_a_closure_holds_what_the_result_depends_on(source: Path | str, target: Path) -> None:
    file = source
    run_json("export", file, target, "--closure", checksum("result"))
    pairs = {("tf", "raw"), ("tf again", "raw")}
    assert rows(target, "transformation") == {(checksum(a), checksum(b)) for a, b in pairs}
    assert rows(target, "rev_transformation") == {(checksum(b), checksum(a)) for a, b in pairs}
    assert [row[0] for row in rows(target, "expression")] == [checksum("raw")]
    assert len(rows(target, "syntactic_to_semantic")) == 1
    infos = {row[0] for row in rows(target, "buffer_info")}
    assert infos == {checksum(key) for key in ("raw", "result", "tf", "node")}
    assert {row[1] for row in rows(target, "bucket_probe")} == {"node"}
    assert rows(target, "meta_data") == rows(file, "meta_data")
    assert rows(target, "irreproducible_transformation") == set()


def test_a_closure_can_start_at_a_transformation(file: Path, target: Path) -> None:
    run_json("export", file, target, "--closure", checksum("tf").upper())
    assert checksum("tf") in {row[0] for row in rows(target, "transformation")}


def test_the_closure_of_an_irreproducible_result_has_its_row(file: Path, target: Path) -> None:
    run_json("export", file, target, "--closure", checksum("other raw"))
    assert len(rows(target, "irreproducible_transformation")) == 1


def test_a_closure_may_be_one_row(file: Path, target: Path) -> None:
    put(file, buffer_info("alone", length=6))
    run_json("export", file, target, "--closure", checksum("alone"))
    assert {row[0] for row in rows(target, "buffer_info")} == {checksum("alone")}


def test_a_closure_follows_chains_of_any_length(tmp_path: Path, target: Path) -> None:
    file = put(
        tmp_path / "chain.db",
        *(expression(number, number + 1) for number in range(60)),
        *(expression(("wide", number), 30) for number in range(700)),
    )
    run_json("export", file, target, "--closure", checksum(60))
    assert rows(target, "expression") == rows(file, "expression")


def test_an_unknown_checksum_is_one_line_and_leaves_no_file(file: Path, target: Path) -> None:
    done = admin("export", file, target, "--closure", checksum("unheard of"))
    assert done.status == 1
    assert "has no rows about" in done.err
    assert list(target.parent.iterdir()) == [file]


@pytest.mark.parametrize("name", [name for name in FIXTURES if "legacy-filled" not in name])
def test_files_of_published_servers_can_be_exported_and_opened(name: str, tmp_path: Path) -> None:
    if not FIXTURES[name].is_file():
        pytest.skip(f"the shared fixture {name} is not beside this checkout")
    file = Path(shutil.copy(FIXTURES[name], tmp_path))
    target = tmp_path / "target.db"
    run_json("export", file, target)
    copied = contents(target)
    for table, stored in contents(file).items():
        assert copied[table] == stored
    Database(target, writable=True).close()
