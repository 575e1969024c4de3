"""Sub-commands on files that are locked, in use, or without permission."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from admin_samples import (
    admin,
    admin_subprocess,
    assert_one_line,
    contents,
    every_command,
    put,
    run_json,
    transformation,
)
from database_server import Server

from seamless_database.admin.access.files import create_file

WRITING = (("check", "--repair"), ("migrate",), ("prune", "--irreproducible"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return put(tmp_path / "seamless.db", transformation(1, 2))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_file_without_permission_is_one_line(file: Path) -> None:
    file.chmod(0)
    for words in every_command(file):
        done = admin(*words)
        assert_one_line(done.status, done.err, "permission")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_file_can_be_read_but_not_changed(file: Path) -> None:
    file.chmod(0o444)
    assert admin("stats", file).status == 0
    done = admin("prune", "--irreproducible", file)
    assert_one_line(done.status, done.err, "permission")


def test_a_locked_file_is_one_line(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        done = admin_subprocess("stats", file)
        assert_one_line(done.status, done.err, "lock")


@pytest.mark.parametrize("words", WRITING, ids=" ".join)
def test_a_file_in_use_by_a_server_is_not_changed(file: Path, words: tuple[str, ...]) -> None:
    with Server(file):
        # a row to repair
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("INSERT INTO rev_transformation VALUES (7, 'x', 'y')")
            connection.commit()
        done = admin_subprocess(*words, file)
    assert_one_line(done.status, done.err, "in use", "stop")


def test_a_file_that_an_idle_process_has_open_is_not_changed(file: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not show which files a process has open")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT * FROM transformation").fetchall()
        done = admin_subprocess("prune", "--irreproducible", file)
    assert_one_line(done.status, done.err, "in use", f"process {os.getpid()} ")


def test_a_file_in_use_by_a_server_can_be_read_and_copied(file: Path, tmp_path: Path) -> None:
    with Server(file) as server:
        assert server.put("transformation", checksum="aa" * 32, value="bb" * 32).status == 200
        tables = {row["table"]: row["rows"] for row in run_json("stats", file)["tables"]}
        assert tables["transformation"] == 2
        assert run_json("check", file)["clean"]
        assert admin_subprocess("export", file, tmp_path / "copy.db").status == 0
        assert admin_subprocess("merge", file, "--into", tmp_path / "merged.db").status == 0
    assert contents(tmp_path / "copy.db") == contents(tmp_path / "merged.db") == contents(file)


def test_dry_runs_work_on_a_file_in_use_by_a_server(file: Path) -> None:
    with Server(file):
        for words in WRITING:
            assert admin_subprocess(*words, "--dry-run", file).status == 0


def test_a_file_in_use_with_a_rollback_journal_can_be_read(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT * FROM transformation").fetchall()
        assert admin_subprocess("check", file).status == 0


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_file(tmp_path / "open.db")
        os.umask(0o027)
        create_file(tmp_path / "private.db")
    finally:
        os.umask(before)
    assert (tmp_path / "open.db").stat().st_mode & 0o777 == 0o666
    assert (tmp_path / "private.db").stat().st_mode & 0o777 == 0o640
