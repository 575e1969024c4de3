"""What a command that only reads leaves in the folder of a file in WAL mode."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from admin_samples import admin_apart, put, rows, transformation
from database_samples import checksum

from seamless_database.storage.open import open_database

READING = ("check", "stats")


def held(folder: Path) -> dict[str, bytes]:
    """The files of a folder, with their bytes."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def copied(file: Path, *suffixes: str) -> Path:
    """Copy a file that is open in WAL mode, and what lies beside it."""
    folder = file.parent / "copies"
    folder.mkdir()
    for suffix in suffixes:
        shutil.copyfile(f"{file}{suffix}", folder / f"{file.name}{suffix}")
    return folder / file.name


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal")])
def test_a_copy_of_a_file_in_wal_mode_is_left_as_it_was(
    tmp_path: Path, suffixes: tuple[str, ...]
) -> None:
    file = put(tmp_path / "seamless.db", transformation(1, "a"))
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
    with open_database(file, writable=True) as database:
        database.put(transformation(2, "b"))
        copy = copied(file, *suffixes)
    before = held(copy.parent)
    for name in READING:
        done = admin_apart(name, copy, "--json")
        assert (done.status, done.err) == (0, "")
        assert held(copy.parent) == before
    assert f'"rows": {len(suffixes)}' in done.out


def test_a_dry_run_leaves_a_copy_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    with open_database(file, writable=True) as database:
        database.put(transformation(2, "b"))
        copy = copied(file, "", "-wal")
    before = held(copy.parent)
    done = admin_apart("prune", copy, "--without-record", "--dry-run", "--json")
    assert done.status == 0
    assert '"transformation": 1' in done.out
    assert held(copy.parent) == before


def test_the_journal_of_a_file_that_is_served_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    with open_database(file, writable=True) as database:
        database.put(transformation(1, "a"))
        before = {suffix: Path(f"{file}{suffix}").stat().st_ino for suffix in ("-wal", "-shm")}
        for name in READING:
            assert admin_apart(name, file).status == 0
        database.put(transformation(2, "b"))
        after = {suffix: Path(f"{file}{suffix}").stat().st_ino for suffix in ("-wal", "-shm")}
        assert after == before
    assert rows(file, "transformation") == {
        (checksum(1), checksum("a")),
        (checksum(2), checksum("b")),
    }
    assert [found.name for found in tmp_path.iterdir()] == [file.name]
