"""Damaged files: every command and the server name the damage and advise salvage."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from admin_samples import (
    admin,
    buffer_info,
    expression,
    metadata,
    put,
    put_irreproducible,
    semantic_to_syntactic,
    state,
)
from damaged_files import PAGE, child_pages, overwrite, truncate
from database_samples import checksum
from database_server import TIMEOUT, Server

from seamless_database.errors import DatabaseError
from seamless_database.storage.open import open_database

ROWS = 250
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


@pytest.mark.parametrize(
    "words",
    [
        ["stats"],
        ["export", "new.db"],
        ["copy", "new.db"],
        ["merge", "--into", "new.db"],
        ["prune", "--irreproducible"],
        ["migrate"],
        ["check", "--repair"],
    ],
    ids=" ".join,
)
def test_other_commands_advise_salvage_in_one_line(
    words: list[str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    truncate(file, file.stat().st_size // 2)
    before = state(file)
    done = admin(words[0], file.name, *words[1:])
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert "restore a backup" in done.err
    assert "seamless-database-admin export --salvage seamless.db NEW-FILE" in done.err
    assert state(file) == before
    assert not Path("new.db").exists()


def test_a_server_advises_salvage_of_a_truncated_file(file: Path) -> None:
    truncate(file, file.stat().st_size // 2)
    before = state(file)
    for writable in (False, True):
        with Server(file, wait=False, writable=writable) as server:
            _, err = server.process.communicate(timeout=TIMEOUT)
        assert server.process.returncode == 1
        assert "restore a backup" in err
        assert f"seamless-database-admin export --salvage {file} NEW-FILE" in err
        assert err.count("\n") == 1
    assert state(file) == before


def test_a_request_to_a_damaged_page_advises_salvage(file: Path) -> None:
    for number in child_pages(file, "sqlite_autoindex_transformation_1"):
        overwrite(file, number, b"\xff" * PAGE)
    with open_database(file, writable=True) as database:
        with pytest.raises(DatabaseError, match="export --salvage"):
            database.get({"type": "transformation", "checksum": checksum(1)})
        with pytest.raises(DatabaseError, match="export --salvage"):
            database.put(metadata("new", "result"))


@pytest.mark.parametrize(
    "options", [["--salvage", "--closure", checksum(1)], ["--unconfirmed"]], ids=" ".join
)
def test_options_that_exclude_each_other_are_refused(
    options: list[str], file: Path, tmp_path: Path
) -> None:
    assert admin("export", *options, file, tmp_path / "new.db").status == 2


def test_a_locked_file_is_not_taken_for_a_damaged_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.admin.access.sqlite.LOCK_WAIT", 0.1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = admin("export", "--salvage", file, tmp_path / "new.db")
    assert done.status == 1
    assert "lock" in done.err
    assert done.err.count("\n") == 1


def test_salvage_is_for_files(file: Path) -> None:
    assert admin("export", "--salvage", file, "postgresql+psycopg://host/name").status == 2
