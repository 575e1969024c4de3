from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from admin_samples import (
    FIXTURES,
    Target,
    admin,
    buffer_info,
    contents,
    expression,
    make_legacy,
    metadata,
    probe,
    put,
    put_irreproducible,
    recorded_syncs,
    rows,
    run_json,
    semantic_to_syntactic,
    sql,
    state,
    transformation,
)
from database_samples import checksum, record

from seamless_database.admin.commands.check import run_repair
from seamless_database.admin.console import progress_bars
from seamless_database.storage.open import open_database

X, Y = checksum("x"), checksum("y")
RECORDS = "malformed records, or records of another result"
#: name of a problem -> the statement that causes it, and its parameters
PROBLEMS: dict[str, tuple[str, tuple[object, ...]]] = {
    "malformed checksums in transformation": (
        "INSERT INTO transformation VALUES ('abc', ?)", (X,)),
    "malformed checksums in rev_transformation": (
        "INSERT INTO rev_transformation (result, checksum) VALUES (?, ?)", (X.upper(), Y)),
    "malformed checksums in meta_data": ("UPDATE meta_data SET result = '5'", ()),
    "malformed checksums in irreproducible_transformation": (
        "UPDATE irreproducible_transformation SET checksum = ?", (X[:-1] + "\0",)),
    "malformed checksums in buffer_info": ("UPDATE buffer_info SET checksum = ''", ()),
    "malformed checksums in expression": ("UPDATE expression SET result = ?", (X + " ",)),
    "malformed checksums in syntactic_to_semantic": (
        "UPDATE syntactic_to_semantic SET semantic = ?", ("é" * 64,)),
    "malformed checksums in bucket_probe": ("UPDATE bucket_probe SET bucket_checksum = 'x'", ()),
    RECORDS: (
        "UPDATE meta_data SET metadata = '{\"tf_checksum\":'", ()),
    "irreproducible results with a malformed record": (
        "UPDATE irreproducible_transformation SET metadata = '{'", ()),
    "malformed buffer info": ("UPDATE buffer_info SET buffer_info = '[]'", ()),
    "buffer info with NaN or infinity": (
        "UPDATE buffer_info SET buffer_info = '{\"length\": NaN}'", ()),
    "records with NaN or infinity": (
        "UPDATE meta_data SET metadata = replace(metadata, '0.5', 'NaN')", ()),
    "irreproducible results with NaN or infinity": (
        "UPDATE irreproducible_transformation SET metadata = '{\"x\": -Infinity}'", ()),
    "bucket probes with NaN or infinity": (
        "UPDATE bucket_probe SET freshness_tokens = '{\"x\": [1e999]}'", ()),
    "expressions with a malformed path": ("UPDATE expression SET path = '{}'", ()),
    "malformed checksums in claim": ("UPDATE claim SET checksum = 'x'", ()),
    "malformed claims": ("UPDATE claim SET renewed_at = 'now'", ()),
    "malformed bucket probes": ("UPDATE bucket_probe SET freshness_tokens = 'x'", ()),
    "records not of the current result": (
        "DELETE FROM transformation WHERE checksum = ?", (checksum(1),)),
    "orphaned reverse rows": (
        "INSERT INTO rev_transformation (result, checksum) VALUES (?, ?)", (X, checksum(1))),
    "duplicate reverse rows": (
        "INSERT INTO rev_transformation (result, checksum) VALUES (?, ?)",
        (checksum("a"), checksum(1))),
    "transformations without a reverse row": ("DELETE FROM rev_transformation", ()),
    "duplicate irreproducible results": (
        ("INSERT INTO irreproducible_transformation (result, checksum, metadata) "
        "SELECT result, checksum, metadata FROM irreproducible_transformation"), ()),
}  # fmt: skip
#: problems that only SQLite can store, invalid UTF-8 or bytes: name, table, column
ONLY_IN_SQLITE = [
    (RECORDS, "meta_data", "metadata"),
    ("irreproducible results with a malformed record", "irreproducible_transformation", "metadata"),
    ("malformed buffer info", "buffer_info", "buffer_info"),
    ("malformed bucket probes", "bucket_probe", "freshness_tokens"),
    ("expressions with a malformed path", "expression", "path"),
    ("values that are not text in expression", "expression", "celltype"),
    ("values that are not text in expression", "expression", "target_celltype"),
    ("values that are not text in syntactic_to_semantic", "syntactic_to_semantic", "celltype"),
    ("values that are not text in syntactic_to_semantic", "syntactic_to_semantic", "subcelltype"),
    ("values that are not text in bucket_probe", "bucket_probe", "bucket_kind"),
    ("values that are not text in bucket_probe", "bucket_probe", "label"),
    ("values that are not text in bucket_probe", "bucket_probe", "captured_at"),
    ("values that are not text in claim", "claim", "holder"),
    ("malformed claims", "claim", "seconds"),
    ("malformed checksums in transformation", "transformation", "result"),
    ("malformed checksums in bucket_probe", "bucket_probe", "bucket_checksum"),
]
NOT_TEXT = {"invalid UTF-8": "CAST(x'5b22ff225d' AS TEXT)", "bytes": "x'5b5d'"}


@pytest.fixture
def file(where: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path | str:
    # the folder of the backup of a PostgreSQL database
    monkeypatch.chdir(tmp_path)
    return fill_database(where)


def fill_database(where: Target) -> Target:
    return put(
        where,
        metadata(1, "a"),
        transformation(2, "a"),
        metadata(3, "b"),
        put_irreproducible(3, "b"),
        buffer_info("a", length=5),
        expression("a", "c"),
        semantic_to_syntactic("a", "d"),
        probe("node", "e", "noon"),
        {"type": "claim", "checksum": checksum(4), "holder": "worker", "seconds": 30},
    )


def backups(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if ".before-" in path.name]


def problems(findings: dict[str, Any]) -> dict[str, int]:
    return {row["problem"]: row["rows"] for row in findings["problems"]}


def test_a_file_of_a_server_is_clean(file: Path | str) -> None:
    findings = run_json("check", file)
    assert findings["clean"]
    assert findings["problems"] == []


@pytest.mark.parametrize("name", PROBLEMS)
def test_each_problem_is_found_and_repaired(
    file: Path | str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement, values = PROBLEMS[name]
    sql(file, statement, *values)
    before = contents(file)
    assert name in problems(run_json("check", file, status=3))

    synced = recorded_syncs(monkeypatch)
    findings = run_json("check", file, "--repair")

    backup = Path(findings["backup"]).resolve()
    here = [name for name in synced if name.startswith(str(backup.parent))]
    assert here == [str(backup), str(backup.parent)]
    assert name in {row["problem"] for row in findings["repaired"]}
    assert findings["left"] == []
    assert run_json("check", file)["clean"]
    assert contents(Path(findings["backup"])) == before


@pytest.mark.parametrize("kind", NOT_TEXT)
@pytest.mark.parametrize(("name", "table", "column"), ONLY_IN_SQLITE)
def test_values_that_are_not_text_are_found_and_repaired(
    name: str, table: str, column: str, kind: str, tmp_path: Path
) -> None:
    file = fill_database(tmp_path / "seamless.db")
    sql(file, f"UPDATE {table} SET {column} = {NOT_TEXT[kind]}")
    assert name in problems(run_json("check", file, status=3))
    assert run_json("check", file, "--repair")["left"] == []
    assert run_json("check", file)["clean"]


@pytest.mark.parametrize("words", [("export",), ("copy",), ("merge", "--into")], ids=" ".join)
@pytest.mark.parametrize("kind", NOT_TEXT)
def test_values_that_are_not_text_are_not_copied_to_postgresql(
    words: tuple[str, ...], kind: str, tmp_path: Path, postgresql: str
) -> None:
    file = fill_database(tmp_path / "seamless.db")
    sql(file, f"UPDATE bucket_probe SET label = {NOT_TEXT[kind]}")
    done = admin(words[0], file, *words[1:], postgresql)
    assert done.status == 1
    assert done.err.count("\n") == 1
    assert rows(postgresql, "bucket_probe") == set()


def test_unusual_but_valid_text_is_no_problem(file: Path | str) -> None:
    put(
        file,
        metadata(4, "a", note="NaN, Infinity, 1e999 and 🙂", tiny=1e-400, large=1e308, n=10**400),
        buffer_info("b", note="-Infinity"),
    )
    assert run_json("check", file)["clean"]


def test_a_dry_run_reports_the_repairs_and_changes_nothing(
    file: Path | str, tmp_path: Path
) -> None:
    sql(file, "DELETE FROM rev_transformation")
    before = state(file)
    findings = run_json("check", file, "--repair", "--dry-run", status=3)
    assert findings["repaired"] == [{"problem": "transformations without a reverse row", "rows": 2}]
    assert state(file) == before
    assert not backups(tmp_path)


def test_a_repair_of_a_clean_file_changes_nothing_and_makes_no_backup(
    file: Path | str, tmp_path: Path
) -> None:
    before = state(file)
    run_json("check", file, "--repair")
    assert state(file) == before
    assert not backups(tmp_path)


def test_more_rows_than_a_batch_are_repaired(file: Path | str) -> None:
    sql(
        file,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1201) "
        "INSERT INTO rev_transformation (result, checksum) SELECT ?, ? FROM n",
        checksum("a"),
        checksum(1),
    )
    findings = run_json("check", file, "--repair")
    assert {"problem": "duplicate reverse rows", "rows": 1201} in findings["repaired"]
    assert run_json("check", file)["clean"]


def test_of_duplicate_irreproducible_results_the_one_with_a_record_stays(file: Path | str) -> None:
    kept = sql(file, "SELECT metadata FROM irreproducible_transformation")
    sql(file, "UPDATE irreproducible_transformation SET id = 9")
    sql(
        file,
        "INSERT INTO irreproducible_transformation SELECT 1, result, checksum, '\"\"' "
        "FROM irreproducible_transformation",
    )
    run_json("check", file, "--repair")
    assert sql(file, "SELECT metadata FROM irreproducible_transformation") == kept


def test_a_record_of_another_result_is_found(file: Path | str) -> None:
    other = json.dumps(record(checksum(1), checksum("another")))
    sql(file, "UPDATE meta_data SET metadata = ?", other)
    assert problems(run_json("check", file, status=3)) == {RECORDS: 1}


def test_numbers_without_a_json_form_become_null(file: Path | str) -> None:
    text = '{"length": 5, "dtype": NaN}'
    sql(file, "UPDATE buffer_info SET buffer_info = ?", text)
    run_json("check", file, "--repair")
    with open_database(file) as database:
        answer = database.get({"type": "buffer_info", "checksum": checksum("a")})
    assert json.loads(answer or "") == {"length": 5, "dtype": None}


def test_a_record_keeps_all_but_the_number_without_a_json_form(file: Path | str) -> None:
    stored = {**record(checksum(1), checksum("a")), "x": [1, 2.5, "NaN", 0.1, 1e300, 10**30]}
    text = json.dumps(stored).replace("[1, 2.5,", "[NaN, -1e999,")
    sql(file, "UPDATE meta_data SET metadata = ?", text)
    run_json("check", file, "--repair")
    with open_database(file) as database:
        answer = database.get({"type": "metadata", "checksum": checksum(1)})
    assert json.loads(answer or "") == {**stored, "x": [None, None, "NaN", 0.1, 1e300, 10**30]}


def test_three_rows_of_each_problem_are_shown_and_all_are_counted(file: Path | str) -> None:
    for number in range(4):
        sql(file, "INSERT INTO buffer_info VALUES (?, '[]')", checksum(("bad", number)))
    (problem,) = run_json("check", file, status=3)["problems"]
    assert (problem["rows"], len(problem["examples"])) == (4, 3)
    assert all(" []" in example for example in problem["examples"])


def test_rows_that_fill_whole_batches_are_all_repaired(file: Path | str) -> None:
    sql(
        file,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
        "INSERT INTO rev_transformation (result, checksum) SELECT ?, ? FROM n",
        checksum("a"),
        checksum(1),
    )
    findings = run_json("check", file, "--repair")
    assert {"problem": "duplicate reverse rows", "rows": 1000} in findings["repaired"]
    assert findings["left"] == []


def test_two_repairs_in_one_second_have_two_backups(tmp_path: Path) -> None:
    file, now = fill_database(tmp_path / "seamless.db"), datetime(2026, 1, 1, tzinfo=timezone.utc)
    kept = []
    for name in ("x", "y", "z"):
        sql(file, "INSERT INTO rev_transformation (result, checksum) VALUES (?, ?)", name, X)
        kept.append(contents(file))
        with progress_bars() as progress:
            run_repair(file, progress, now=now)
    first = tmp_path / "seamless.db.before-repair-20260101T000000"
    found = [first, *(first.with_name(f"{first.name}-{number}") for number in (2, 3))]
    assert [contents(copy) for copy in found] == kept


def test_responses_are_the_same_after_a_repair(file: Path | str) -> None:
    sql(file, "INSERT INTO rev_transformation SELECT id + 100, result, checksum "
              "FROM rev_transformation")  # fmt: skip
    requests = [
        {"type": "transformation", "checksum": checksum(1)},
        {"type": "rev_transformations", "checksum": checksum("a")},
        {"type": "metadata", "checksum": checksum(1)},
        {"type": "irreproducible", "checksum": checksum(3)},
    ]

    def responses() -> list[str | None]:
        with open_database(file) as database:
            return [database.get(request) for request in requests]

    before = responses()
    run_json("check", file, "--repair")
    assert responses() == before


def test_legacy_records_are_a_problem_and_migration_is_advised(tmp_path: Path) -> None:
    file = make_legacy(put(tmp_path / "seamless.db"), {1: {}})
    findings = run_json("check", file, status=3)
    assert findings["legacy_records"] == 1
    assert findings["advice"].startswith("seamless-database-admin migrate ")


def test_missing_index_entries_are_reported_and_never_repaired(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    put(file, transformation(1, 2))
    assert run_json("check", file)["damage"] == []
    pages = dict(sql(file, "SELECT name, rootpage FROM sqlite_master WHERE type = 'index'"))
    ((size,),) = sql(file, "PRAGMA page_size")
    content = bytearray(file.read_bytes())
    empty, full = pages["expression_result"], pages["transformation_result"]
    content[(full - 1) * size : full * size] = content[(empty - 1) * size : empty * size]
    file.write_bytes(content)
    damage = run_json("check", file, status=3)["damage"]
    assert any("missing from index transformation_result" in complaint for complaint in damage)
    assert admin("check", "--repair", file).status == 1
    assert file.read_bytes() == content


def test_damaged_pages_are_reported_and_never_repaired(tmp_path: Path) -> None:
    file = put(tmp_path / "seamless.db", transformation(1, "a"))
    page = sql(file, "SELECT rootpage FROM sqlite_master WHERE name = 'transformation'")[0][0]
    with file.open("r+b") as opened:
        opened.seek((page - 1) * 4096)
        opened.write(b"\xff" * 4096)
    before = state(file)
    assert run_json("check", file, status=3)["damage"]
    done = admin("check", "--repair", file)
    assert done.status == 1
    assert "damaged" in done.err
    assert state(file) == before


@pytest.mark.parametrize("name", FIXTURES)
def test_published_files_are_clean_after_a_repair(name: str, tmp_path: Path) -> None:
    if not FIXTURES[name].is_file():
        pytest.skip(f"the shared fixture {name} is not beside this checkout")
    file = Path(shutil.copy(FIXTURES[name], tmp_path))
    file.chmod(0o644)
    run_json("migrate", file)
    run_json("check", file, "--repair")
    assert run_json("check", file)["clean"]
