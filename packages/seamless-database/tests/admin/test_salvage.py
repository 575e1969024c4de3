"""Salvage of files that were truncated, or have damaged pages."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from admin_samples import (
    COMMAND,
    admin,
    buffer_info,
    expression,
    metadata,
    put,
    put_irreproducible,
    rows,
    run_json,
    semantic_to_syntactic,
    sql,
    state,
)
from damaged_files import PAGE, change_a_digit, child_pages, overwrite, page, root_page, truncate
from database_samples import checksum
from database_server import TIMEOUT

from seamless_database.admin.access.files import processes_using
from seamless_database.errors import StartError
from seamless_database.storage.open import open_database

ROWS = 250
#: number of randomly damaged files; the environment variable sets more
RANDOM_FILES = int(os.environ.get("SEAMLESS_DAMAGED_FILES", "8"))
#: tables with an index on every checksum, and the number of columns in an index
CHECKSUMS = {
    "transformation": 2,
    "rev_transformation": 2,
    "expression": 7,
    "syntactic_to_semantic": 4,
    "irreproducible_transformation": 2,
}
REQUESTS = (
    *(metadata(number, f"result {number % 70}") for number in range(ROWS + 50)),
    *(put_irreproducible(number, f"result {number % 70}") for number in range(ROWS, ROWS + 50)),
    *(expression(number, number + 1) for number in range(100)),
    *(semantic_to_syntactic(number, number + 1) for number in range(100)),
    buffer_info("a", length=1),
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("original") / "seamless.db", *REQUESTS)


@pytest.fixture
def file(original: Path, tmp_path: Path) -> Path:
    return shutil.copyfile(original, tmp_path / "seamless.db")


def reading(findings: Any, table: str, key: str = "read") -> Any:
    (found,) = [one for one in findings[key] if one["table"] == table]
    return found


def test_check_reports_what_can_be_read_of_a_truncated_file_and_export_copies_it(
    file: Path, original: Path, tmp_path: Path
) -> None:
    truncate(file, file.stat().st_size // 2)
    before = state(file)
    findings = run_json("check", file, status=3)
    assert f"export --salvage {file} NEW-FILE" in findings["advice"]
    assert findings["damage"] == ["database disk image is malformed"]
    found = reading(findings, "transformation", "readable_tables")
    assert 0 < found["readable"] < ROWS
    assert 0 < found["unreadable"] < ROWS
    assert found["first_unreadable_row"] > 1
    new = tmp_path / "new.db"
    written = run_json("export", "--salvage", file, new, status=3)
    assert written["read"] == findings["readable_tables"]
    assert run_json("check", new)["clean"]
    for table in ("transformation", "meta_data"):
        assert rows(new, table) < rows(original, table)
    assert len(rows(new, "transformation")) == found["readable"]
    assert state(file) == before


def test_rows_between_damaged_pages_are_read(file: Path, original: Path, tmp_path: Path) -> None:
    pages = child_pages(file, "transformation")
    for number in (pages[1], pages[3], pages[-1]):
        overwrite(file, number, b"\xff" * PAGE)
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    found = reading(findings, "transformation")
    assert 0 < found["unreadable"] < ROWS * 4 / len(pages)
    assert found["readable"] + found["unreadable"] == ROWS
    assert rows(tmp_path / "new.db", "transformation") < rows(original, "transformation")
    assert len(rows(tmp_path / "new.db", "transformation")) == found["readable"]


def test_a_table_without_readable_rows_is_reported(file: Path, tmp_path: Path) -> None:
    for name in ("buffer_info", "sqlite_autoindex_buffer_info_1"):
        overwrite(file, root_page(file, name), b"\0" * PAGE)
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    found = reading(findings, "buffer_info")
    assert (found["readable"], found["unreadable"], found["first_unreadable_row"]) == (0, None, 1)


def test_a_single_row_between_readable_ones_is_counted(tmp_path: Path) -> None:
    # each row takes a page of its own
    infos = (buffer_info(number, x="x" * 3500) for number in range(5))
    file = put(tmp_path / "seamless.db", *infos)
    overwrite(file, child_pages(file, "buffer_info")[2], b"\xff" * PAGE)
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    found = reading(findings, "buffer_info")
    assert (found["readable"], found["unreadable"], found["first_unreadable_row"]) == (4, 1, 3)


def test_a_row_with_a_value_of_the_wrong_type_is_not_copied(file: Path, tmp_path: Path) -> None:
    sql(file, "UPDATE expression SET validator = x'00' WHERE rowid = 7")
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    found = reading(findings, "expression")
    assert (found["readable"], found["contradicted"]) == (99, 1)


def test_a_row_number_near_the_largest_one_is_reached_quickly(file: Path, tmp_path: Path) -> None:
    sql(
        file,
        "INSERT INTO transformation (rowid, checksum, result) VALUES (?, ?, ?)",
        2**63 - 2,
        checksum("last"),
        checksum("last"),
    )
    pages = child_pages(file, "transformation")
    for number in (pages[1], pages[-1]):
        overwrite(file, number, b"\0" * PAGE)
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    found = reading(findings, "transformation")
    assert ROWS / 2 < found["readable"] < ROWS
    # at most as many rows as fit into the file
    assert found["unreadable"] <= file.stat().st_size / 64


def test_a_row_with_a_changed_digit_is_never_copied(
    file: Path, original: Path, tmp_path: Path
) -> None:
    change_a_digit(file, child_pages(file, "transformation")[1])
    assert run_json("check", file, status=3)["damage"]
    for option in ("--salvage", "--unconfirmed"):
        new = tmp_path / f"new{option}.db"
        findings = run_json("export", "--salvage", option, file, new, status=3)
        assert [one["contradicted"] for one in findings["read"] if one["contradicted"]] == [1]
        assert rows(new, "transformation") < rows(original, "transformation")


def test_unconfirmed_rows_are_copied_only_with_the_option(
    file: Path, original: Path, tmp_path: Path
) -> None:
    overwrite(file, root_page(file, "expression_result"), b"\0" * PAGE)
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    assert reading(findings, "expression")["unconfirmed"] == 100
    assert "--unconfirmed" in findings["advice"]
    assert rows(tmp_path / "new.db", "expression") == set()
    run_json("export", "--salvage", "--unconfirmed", file, tmp_path / "all.db", status=3)
    assert rows(tmp_path / "all.db", "expression") == rows(original, "expression")


def test_reverse_rows_and_records_confirm_results_whose_index_is_lost(
    file: Path, original: Path, tmp_path: Path
) -> None:
    overwrite(file, root_page(file, "transformation_result"), b"\0" * PAGE)
    change_a_digit(file, child_pages(file, "transformation")[1])
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    found = reading(findings, "transformation")
    assert (found["readable"], found["unconfirmed"]) == (ROWS - 1, 1)
    assert rows(tmp_path / "new.db", "transformation") < rows(original, "transformation")


@pytest.mark.parametrize("byte", [b"*", b"\xa9"])
@pytest.mark.parametrize("name", ["expression", "transformation_result"])
def test_the_tables_that_a_damaged_list_of_tables_still_names_are_read(
    name: str, byte: bytes, file: Path, original: Path, tmp_path: Path
) -> None:
    content = page(file, 1)
    kind = b"TABLE" if name == "expression" else b"INDEX"
    statement = b"CREATE %s %s" % (kind, name.encode())
    assert content.count(statement) == 1
    overwrite(
        file, 1, content.replace(statement, statement.replace(b"CREATE", b"CR" + byte + b"ATE"))
    )
    before = state(file)
    done = admin("stats", file)
    assert done.status == 1
    assert "malformed database schema" in done.err
    assert "export --salvage" in done.err
    with pytest.raises(StartError, match=r"malformed database schema.*export --salvage"):
        open_database(file)
    findings = run_json("export", "--salvage", file, tmp_path / "new.db", status=3)
    assert set(findings["missing_tables"]) <= {"expression"}
    assert rows(tmp_path / "new.db", "meta_data") == rows(original, "meta_data")
    assert run_json("check", file, status=3)["readable_tables"] == findings["read"]
    assert state(file) == before


@pytest.mark.parametrize(
    ("at", "content"),
    # the magic string, and the format number of the list of tables
    [(0, b"\0" * 100), (0, b"\xff" * 200), (47, b"\x09")],
)
def test_a_file_whose_first_bytes_are_damaged_is_refused(
    at: int, content: bytes, file: Path, tmp_path: Path
) -> None:
    first = page(file, 1)
    overwrite(file, 1, first[:at] + content + first[at + len(content) :])
    for words in (("check", file), ("export", "--salvage", file, tmp_path / "new.db")):
        done = admin(*words)
        assert done.status == 1
        assert "restore a backup" in done.err
        assert done.err.count("\n") == 1
    assert not (tmp_path / "new.db").exists()


def test_an_intact_file_is_copied_completely(file: Path, tmp_path: Path) -> None:
    findings = run_json("export", "--salvage", file, tmp_path / "new.db")
    assert findings["complete"]
    for table in (*CHECKSUMS, "meta_data", "buffer_info"):
        assert rows(tmp_path / "new.db", table) == rows(file, table)


def test_rows_that_are_only_in_the_journal_are_read(file: Path, tmp_path: Path) -> None:
    with open_database(file, writable=True) as database:
        database.put(expression("in the", "journal"))
        copy = tmp_path / "copy.db"
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")
    overwrite(copy, child_pages(file, "transformation")[0], b"\0" * PAGE)
    before = state(copy), state(Path(f"{copy}-wal"))
    run_json("export", "--salvage", copy, tmp_path / "new.db", status=3)
    assert rows(tmp_path / "new.db", "expression") == rows(file, "expression")
    assert (state(copy), state(Path(f"{copy}-wal"))) == before


def test_a_signal_ends_salvage_in_one_line(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not show which files a process has open")
    file = put(tmp_path / "seamless.db", metadata(1, 2))
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
    sql(
        file,
        f"INSERT INTO transformation {numbers} SELECT printf('%064x', i), printf('%064x', i) "
        "FROM n",
    )
    truncate(file, file.stat().st_size * 3 // 4)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        ["env", f"TMPDIR={scratch}", *COMMAND, "export", "--salvage", file, tmp_path / "new.db"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + TIMEOUT
        while not _open_in(scratch) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert err.startswith("Error: interrupted")
    assert not list(scratch.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"scratch", "seamless.db"}


def _open_in(folder: Path) -> bool:
    return any(processes_using(copy) for copy in folder.glob("*/*.db"))


@pytest.mark.parametrize("seed", range(RANDOM_FILES))
def test_random_damage_gives_neither_a_traceback_nor_a_wrong_row(
    seed: int, file: Path, original: Path, tmp_path: Path
) -> None:
    file.write_bytes(damage(file.read_bytes(), random.Random(seed)))
    before = state(file)
    new = tmp_path / "new.db"
    checked, salvaged = admin("check", file), admin("export", "--salvage", file, new)
    for done in (checked, salvaged):
        assert done.status in {0, 1, 3}
        assert done.err.count("\n") == (done.status == 1)
    assert state(file) == before
    if salvaged.status == 1:
        assert not new.exists()
        return
    assert admin("check", new).status == 0
    for table, columns in CHECKSUMS.items():
        copied, intact = (
            {row[:columns] for row in rows(where, table)} for where in (new, original)
        )
        assert copied <= intact
        assert copied == intact or salvaged.status == 3


def damage(content: bytes, rng: random.Random) -> bytes:
    """Truncate a file, overwrite or swap pages, flip bits, or do several of these."""
    changed = bytearray(content)
    pages = len(content) // PAGE
    for _ in range(rng.randrange(0, 5)):
        at = rng.randrange(pages) * PAGE
        other = rng.randrange(pages) * PAGE
        changed[at : at + PAGE] = rng.choice(
            [b"\0" * PAGE, b"\xff" * PAGE, rng.randbytes(PAGE), content[other : other + PAGE]]
        )
    for _ in range(rng.choice([0, 1, 200])):
        changed[rng.randrange(100, len(changed))] ^= 1 << rng.randrange(8)
    end = rng.choice([len(changed), rng.randrange(len(changed))])
    return bytes(changed[:end])
