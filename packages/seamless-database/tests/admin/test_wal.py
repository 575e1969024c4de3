"""Files that a reading command leaves in the folder of a file in WAL mode."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from admin_samples import admin_subprocess, put, rows, transformation
from database_samples import checksum

from seamless_database.storage.open import open_database

READ_COMMANDS = ("check", "stats")


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, with their bytes."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def copy_open_file(file: Path, *suffixes: str) -> Path:
    """Copy a file that is open in WAL mode, with its companions."""
    folder = file.parent / "copies"
    folder.mkdir()
    for suffix in suffixes:
        shutil.copyfile(f"{file}{suffix}", folder / f"{file.name}{suffix}")
    return folder / file.name


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal")])
def test_reading_a_copy_of_a_file_in_wal_mode_changes_no_file(
    tmp_path: Path, suffixes: tuple[str, ...]
) -> None:
    file = put(tmp_path / "seamless.db", transformation(1, "a"))
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
    with open_database(file, writable=True) as database:
        database.put(transformation(2, "b"))
        copy = copy_open_file(file, *suffixes)
    before = files_of(copy.parent)
    for name in READ_COMMANDS:
        done = admin_subprocess(name, copy, "--json")
        assert (done.status, done.err) == (0, "")
        assert files_of(copy.parent) == before
    assert f'"rows": {len(suffixes)}' in done.out


def test_a_dry_run_on_a_copy_in_wal_mode_changes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    with open_database(file, writable=True) as database:
        database.put(transformation(2, "b"))
        copy = copy_open_file(file, "", "-wal")
    before = files_of(copy.parent)
    done = admin_subprocess("prune", copy, "--without-record", "--dry-run", "--json")
    assert done.status == 0
    assert '"transformation": 1' in done.out
    assert files_of(copy.parent) == before


def test_the_journal_of_a_file_in_use_by_a_server_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    with open_database(file, writable=True) as database:
        database.put(transformation(1, "a"))
        before = {suffix: Path(f"{file}{suffix}").stat().st_ino for suffix in ("-wal", "-shm")}
        for name in READ_COMMANDS:
            assert admin_subprocess(name, file).status == 0
        database.put(transformation(2, "b"))
        after = {suffix: Path(f"{file}{suffix}").stat().st_ino for suffix in ("-wal", "-shm")}
        assert after == before
    assert rows(file, "transformation") == {
        (checksum(1), checksum("a")),
        (checksum(2), checksum("b")),
    }
    assert [found.name for found in tmp_path.iterdir()] == [file.name]
