"""Locks of commands and other processes: waiting, refusals, files that are never overwritten."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest
from admin_samples import (
    admin,
    admin_subprocess,
    contents,
    put,
    rows,
    run_json,
    sql,
    transformation,
)
from database_samples import checksum
from database_server import Server
from sqlalchemy import Connection

from seamless_database import Database
from seamless_database.admin.access import files, sqlite
from seamless_database.admin.backup import back_up_before
from seamless_database.admin.console import progress_bars
from seamless_database.admin.copy_target import open_copy_target
from seamless_database.admin.errors import TargetExistsError
from seamless_database.errors import FileError
from seamless_database.storage.sqlite.lock_file import WriterLockFile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return put(tmp_path / "seamless.db", transformation(1, 2))


def enlarge(file: Path) -> None:
    """Enlarge a file, so that its backup takes several steps."""
    sql(file, "INSERT INTO buffer_info VALUES ('large', hex(zeroblob(500000)))")
    sql(file, "INSERT INTO buffer_info VALUES ('small', '')")


def test_a_server_that_starts_while_a_file_is_changed_is_refused(
    file: Path, tmp_path: Path
) -> None:
    options: list[list[str]] = [["--writable"], [], ["--writable", "--workers", "2"]]
    status_files = [tmp_path / f"status{number}.json" for number in range(len(options))]
    with sqlite.open_exclusive(file):
        servers = []
        for status_file, more in zip(status_files, options, strict=True):
            status_file.write_text("{}")
            words = ["--status-file", str(status_file), *more]
            servers.append(Server(file, *words, writable=False, wait=False))
        for server, status_file in zip(servers, status_files, strict=True):
            code, err = server.end()
            assert code == 1
            assert err.startswith("Error: ")
            assert err.count("\n") == 1
            assert "lock" in err
            assert json.loads(status_file.read_text())["status"] == "failed"
    with Server(file) as server:
        assert server.put("transformation", checksum="aa" * 32, value="bb" * 32).status == 200


def test_rows_are_selected_and_deleted_under_one_lock(file: Path) -> None:
    with sqlite.open_exclusive(file) as connection:
        connection.exec_driver_sql("SELECT * FROM transformation").fetchall()
        with closing(sqlite3.connect(file, timeout=0)) as other:
            for statement in ("SELECT * FROM transformation", "DELETE FROM transformation"):
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    other.execute(statement)
        with sqlite.transaction(connection):
            connection.exec_driver_sql("DELETE FROM transformation")
    assert rows(file, "transformation") == set()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_with_the_journal_of_a_killed_server_can_be_changed(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("UPDATE transformation SET result = checksum")
        connection.commit()
        copy = file.with_name("left.db")
        # the files that a killed server leaves
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").write_bytes(Path(f"{file}{suffix}").read_bytes())
    run_json("prune", copy, "--checksums", "-", stdin=checksum(2))
    assert rows(copy, "transformation") == {(checksum(1), checksum(1))}
    assert not Path(f"{copy}-wal").exists()


@pytest.mark.parametrize("command", ["check", "stats", "export", "merge", "copy"])
def test_a_server_starts_and_writes_while_a_file_is_read(
    file: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = file.with_name("new.db")
    words: list[str | Path] = [] if command in {"check", "stats"} else [new]
    if command == "merge":
        words.insert(0, "--into")
    open_snapshot = sqlite.open_snapshot
    served = []

    @contextmanager
    def slow_snapshot(*arguments: object) -> Iterator[object]:
        with open_snapshot(*arguments) as connection:  # type: ignore[arg-type]
            connection.exec_driver_sql("SELECT count(*) FROM transformation").fetchall()
            with Server(file) as server:
                answer = server.put("transformation", checksum="aa" * 32, value="bb" * 32)
                served.append(answer.status)
            yield connection

    monkeypatch.setattr(sqlite, "open_snapshot", slow_snapshot)
    run_json(command, file, *words)
    assert served == [200]
    assert rows(file, "transformation") == {("aa" * 32, "bb" * 32), (checksum(1), checksum(2))}
    if new.exists():
        assert rows(new, "transformation") == {(checksum(1), checksum(2))}


def test_a_server_starts_while_another_process_reads_the_file(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM transformation").fetchall()
        with Database(file, writable=True, lock_wait=0.1) as database:
            question = {"type": "transformation", "checksum": checksum(1)}
            assert database.get(question) == checksum(2)
            reader.execute("COMMIT")
            database.put(transformation(3, 4))
    assert len(rows(file, "transformation")) == 2


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "DELETE, then WAL"])
def test_a_file_under_constant_writes_is_copied_or_refused(
    file: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "STEP", 50)
    enlarge(file)
    before, copy = contents(file), file.with_name("copy.db")
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as writer:
        writer.execute(f"PRAGMA journal_mode={mode.partition(',')[0]}").fetchall()

        def write(_done: int, _total: int) -> None:
            if mode == "DELETE, then WAL":
                writer.execute("PRAGMA journal_mode=WAL").fetchall()
            writer.execute("UPDATE buffer_info SET buffer_info = random() WHERE checksum = 'small'")

        with sqlite.connect(file, "ro") as source:
            if mode == "DELETE":
                with pytest.raises(FileError, match="written to faster than it can be copied"):
                    sqlite.back_up(source, file, copy, write)
                return
            sqlite.back_up(source, file, copy, write)
    copied = contents(copy)
    if mode == "WAL":
        assert copied == before
    del before["buffer_info"], copied["buffer_info"]
    assert copied == before


def test_a_file_that_is_locked_during_its_copy_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "STEP", 50)
    monkeypatch.setattr(sqlite, "LOCK_WAIT", 0.1)
    enlarge(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:

        def lock(_done: int, _total: int) -> None:
            if not other.in_transaction:
                other.execute("BEGIN EXCLUSIVE")

        with sqlite.connect(file, "ro") as source, pytest.raises(FileError, match="its lock"):
            sqlite.back_up(source, file, file.with_name("copy.db"), lock)


@pytest.fixture
def without_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)


@pytest.mark.usefixtures("without_space")
def test_without_space_for_a_copy_an_unused_file_is_read_in_place(file: Path) -> None:
    assert run_json("check", file)["clean"]


@pytest.mark.usefixtures("without_space")
def test_without_space_for_a_copy_a_file_in_use_is_refused(file: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not show which files a process has open")
    code = f"import sys; file = open({str(file)!r}); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = admin("check", file)
        assert holder.stdin is not None
        holder.stdin.close()
    assert done.status == 1
    assert "set TMPDIR" in done.err


def test_a_file_that_is_replaced_during_a_change_is_an_error(file: Path) -> None:
    other = put(file.with_name("other.db"), transformation(3, 4))
    with pytest.raises(FileError, match="replaced"), sqlite.open_exclusive(file):
        other.replace(file)
    with pytest.raises(FileError, match="replaced"), sqlite.open_exclusive(file):
        file.unlink()


def test_a_file_that_is_replaced_before_its_lock_is_taken_is_not_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = put(file.with_name("other.db"), transformation(3, 4))
    lock = sqlite.lock_exclusively

    def slow_lock(connection: Connection, path: Path) -> None:
        other.replace(file)
        lock(connection, path)

    monkeypatch.setattr(sqlite, "lock_exclusively", slow_lock)
    done = admin("prune", "--checksums", "-", file, stdin=checksum(3))
    assert done.status == 1
    assert "replaced" in done.err
    assert rows(file, "transformation") == {(checksum(3), checksum(4))}


def test_on_a_network_file_system_the_writer_lock_file_is_respected(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "is_network", lambda _file: True)
    with WriterLockFile(file):
        done = admin("prune", "--irreproducible", file)
    assert done.status == 1
    assert "only one server may write" in done.err
    with sqlite.open_exclusive(file), pytest.raises(FileError, match="only one server may write"):
        WriterLockFile(file)
    assert admin("prune", "--irreproducible", file).status == 0


def test_a_second_change_at_the_same_time_is_refused(file: Path) -> None:
    with sqlite.open_exclusive(file):
        done = admin_subprocess("prune", "--irreproducible", file)
    assert done.status == 1
    assert "in use" in done.err


@pytest.mark.parametrize("kind", ["link", "dead link", "hard link", "folder"])
def test_a_copy_never_writes_through_a_link_at_its_temporary_name(
    file: Path, tmp_path: Path, kind: str
) -> None:
    victim = tmp_path / "victim"
    part = tmp_path / "copy.db.part"
    if kind == "folder":
        part.mkdir()
    elif kind == "dead link":
        part.symlink_to(victim)
    else:
        put(victim)
        part.hardlink_to(victim) if kind == "hard link" else part.symlink_to(victim)
    before = victim.read_bytes() if victim.exists() else None
    for more in ([], ["--dry-run"]):
        done = admin("copy", file, tmp_path / "copy.db", *more)
        assert done.status == 1
        assert done.err.count("\n") == 1
        assert "copy.db.part" in done.err
        assert "remove it" in done.err
    assert (victim.read_bytes() if victim.exists() else None) == before
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("words", [["export"], ["copy"], ["merge", "--into"]], ids=" ".join)
def test_a_target_that_is_a_dead_link_is_refused(
    file: Path, tmp_path: Path, words: list[str]
) -> None:
    victim, link = tmp_path / "victim", tmp_path / "copy.db"
    link.symlink_to(victim)
    done = admin(words[0], file, *words[1:], link)
    assert done.status == 1
    assert "exists already" in done.err
    assert not victim.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "seamless.db"]


def test_a_backup_never_writes_through_a_link_and_keeps_the_permissions(
    file: Path, tmp_path: Path
) -> None:
    file.chmod(0o600)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    (tmp_path / "seamless.db.before-repair-20260101T000000").symlink_to(tmp_path / "victim")
    with progress_bars() as progress, sqlite.open_exclusive(file) as connection:
        copy = back_up_before(connection, file, "repair", progress, now)
    assert copy.name == "seamless.db.before-repair-20260101T000000-2"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert contents(copy) == contents(file)
    assert not (tmp_path / "victim").exists()


def test_without_hard_links_an_existing_file_is_not_replaced(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_names: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    run_json("export", file, tmp_path / "copy.db")
    assert contents(tmp_path / "copy.db") == contents(file)
    before = file.read_bytes()
    with pytest.raises(TargetExistsError):
        files.publish(tmp_path / "copy.db", file)
    assert file.read_bytes() == before


def test_a_second_copy_to_the_same_new_file_is_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOCK_WAIT", 0.1)
    other = put(tmp_path / "other.db", transformation(1, 2), transformation(3, 4))
    new = tmp_path / "copy.db"
    with open_copy_target(new) as opened:
        done = admin("copy", other, new)
        opened.complete()
    assert done.status == 1
    assert "another process holds its lock" in done.err
    assert rows(new, "transformation") == set()
    assert not (tmp_path / "copy.db.part").exists()


def test_a_copy_that_was_killed_during_its_renaming_can_be_resumed(
    file: Path, tmp_path: Path
) -> None:
    new, part = tmp_path / "copy.db", tmp_path / "copy.db.part"
    run_json("copy", file, new)
    part.hardlink_to(new)
    run_json("copy", file, new)
    assert not part.exists()
    assert contents(new) == contents(file)
