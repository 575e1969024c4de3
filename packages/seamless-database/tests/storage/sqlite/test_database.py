from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum

from seamless_database import Database, request_types
from seamless_database.errors import (
    DatabaseClosedError,
    DatabaseLockedError,
    FileError,
    ReadOnlyError,
    RequestError,
    UnavailableError,
)
from seamless_database.protocol.request import from_python
from seamless_database.storage.backend import Durability
from seamless_database.storage.batch_queue import Operation

if TYPE_CHECKING:
    from pathlib import Path


PUT = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}
GET = {"type": "transformation", "checksum": checksum(1)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


@pytest.fixture
def filled(file: Path) -> Path:
    with Database(file, writable=True) as database:
        database.put(PUT)
    return file


def journal(file: Path) -> str:
    # by a process of its own: closing a file ends all locks that this one has on it
    code = f"print(open({str(file)!r}, 'rb').read(19)[18])"
    done = subprocess.run([sys.executable, "-Sc", code], capture_output=True, check=True)
    return {b"1\n": "plain", b"2\n": "wal"}[done.stdout]


def test_the_file_leaves_wal_mode_on_close(file: Path) -> None:
    with Database(file, writable=True) as database:
        database.put(PUT)
        assert database.journal_mode == "wal"
        assert journal(file) == "wal"
    assert journal(file) == "plain"
    assert list(file.parent.iterdir()) == [file]


def test_the_file_stays_in_wal_mode_while_another_process_has_it_open(file: Path) -> None:
    with Database(file, writable=True) as one:
        with Database(file, writable=True) as other:
            other.put(PUT)
        assert journal(file) == "wal"
        assert one.get(GET) == checksum(2)
    assert journal(file) == "plain"


def synchronous(database: Database) -> object:
    """Return the synchronous level of the writing connection."""
    seen: list[object] = []
    work = Operation(lambda c: seen.append(c.command("PRAGMA synchronous")))
    database._writer().submit(work).result(30)
    return seen[0]


def test_writes_are_synced_in_full(file: Path) -> None:
    seen: list[object] = []
    with Database(file, writable=True) as database:
        seen.append(synchronous(database))
    assert seen == [(2,)]


def test_relaxed_durability_leaves_the_syncs_to_the_checkpoints(file: Path) -> None:
    seen: list[object] = []
    with Database(file, writable=True, durability=Durability.RELAXED) as database:
        seen.append(synchronous(database))
    assert seen == [(1,)]
    assert journal(file) == "plain"


def test_user_version_and_application_id_are_kept(file: Path) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA user_version = 7")
        raw.execute("PRAGMA application_id = 77")
    with Database(file, writable=True) as database:
        database.put(PUT)
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (7,)
        assert raw.execute("PRAGMA application_id").fetchone() == (77,)


def test_a_backup_of_a_live_file_is_complete_and_sound(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with Database(file, writable=True) as database:
        database.put(PUT)
        stop = threading.Event()

        def write() -> None:
            for number in range(10, 2000):
                if stop.is_set():
                    return
                database.put({**PUT, "checksum": checksum(number)})

        parse_write = threading.Thread(target=write)
        parse_write.start()
        with closing(sqlite3.connect(file)) as raw, closing(sqlite3.connect(copy)) as target:
            raw.backup(target, pages=1, sleep=0.001)
        stop.set()
        parse_write.join()
        with closing(sqlite3.connect(copy)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Database(copy) as copied:
        assert copied.get(GET) == checksum(2)


@pytest.mark.parametrize(("durability", "level"), [("full", 3), ("relaxed", 2)])
def test_on_a_network_file_system_there_is_no_wal(
    file: Path, monkeypatch: pytest.MonkeyPatch, durability: str, level: int
) -> None:
    monkeypatch.setattr("seamless_database.storage.sqlite.database.is_network", lambda _path: True)
    seen: list[object] = []
    with Database(file, writable=True, durability=Durability(durability)) as database:
        database.put(PUT)
        seen.append(synchronous(database))
        assert journal(file) == "plain"
        assert database.get(GET) == checksum(2)
    assert seen == [(level,)]


@pytest.mark.parametrize("size", [1, 2, 99])
@pytest.mark.parametrize("writable", [False, True])
def test_a_file_shorter_than_a_header_is_refused(file: Path, size: int, writable: bool) -> None:
    Database(file, writable=True).close()
    start = file.read_bytes()[:size]
    file.write_bytes(start)
    with pytest.raises(FileError, match="restore a backup"):
        Database(file, writable=writable)
    assert file.read_bytes() == start


def test_a_reader_changes_nothing(filled: Path) -> None:
    before = filled.read_bytes(), filled.stat().st_mtime_ns
    with Database(filled) as database:
        assert database.get(GET) == checksum(2)
        with pytest.raises(ReadOnlyError):
            database.put(PUT)
    assert (filled.read_bytes(), filled.stat().st_mtime_ns) == before
    assert list(filled.parent.iterdir()) == [filled]


def test_close_completes_the_file_while_a_reader_has_it_open(file: Path, tmp_path: Path) -> None:
    writer = Database(file, writable=True)
    writer.put(PUT)
    with Database(file) as reader:
        assert reader.get(GET) == checksum(2)
        writer.close()
        copy = tmp_path / "elsewhere" / "copy.db"
        copy.parent.mkdir()
        subprocess.run(["cp", str(file), str(copy)], check=True)
        with Database(copy) as copied:
            assert copied.get(GET) == checksum(2)


def test_a_changed_working_folder_does_not_change_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    with Database(file.name, writable=True) as database:
        database.put(PUT)
        monkeypatch.chdir("/")
        assert database.get(GET) == checksum(2)


def test_an_invalid_request_is_named(file: Path) -> None:
    with Database(file, writable=True) as database:
        with pytest.raises(RequestError, match="'type'"):
            database.get({})
        with pytest.raises(RequestError, match="'value'"):
            database.put(GET)


def test_a_closed_database_raises_an_error(filled: Path) -> None:
    database = Database(filled, writable=True)
    database.get(GET)
    database.close()
    database.close()
    with pytest.raises(DatabaseClosedError):
        database.get(GET)
    with pytest.raises(DatabaseClosedError):
        database.put(PUT)


def test_many_threads_may_use_a_database(file: Path) -> None:
    with Database(file, writable=True) as database:

        def talk(start: int) -> None:
            for number in range(start, start + 25):
                key = {"type": "transformation", "checksum": checksum(number)}
                database.put({**key, "value": checksum(-number)})
                assert database.get(key) == checksum(-number)

        threads = [threading.Thread(target=talk, args=(100 * i,)) for i in range(1, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with closing(sqlite3.connect(file)) as raw:
            assert raw.execute("SELECT count(*) FROM transformation").fetchone() == (150,)


def test_a_read_of_a_locked_file_raises_a_locked_error(filled: Path) -> None:
    with Database(filled, lock_wait=0.2) as database:
        database.get(GET)
        with closing(sqlite3.connect(filled, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            with pytest.raises(DatabaseLockedError):
                database.get(GET)
        assert database.get(GET) == checksum(2)


@pytest.mark.parametrize("writable", [False, True])
def test_a_damaged_table_is_an_error_not_a_miss(filled: Path, writable: bool) -> None:
    with closing(sqlite3.connect(filled)) as raw:
        ((page,),) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name='transformation'")
        ((size,),) = raw.execute("PRAGMA page_size")
    with open(filled, "r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\xff" * size)
    with (
        Database(filled, writable=writable) as database,
        pytest.raises(UnavailableError, match="could not be read"),
    ):
        database.get(GET)


def test_a_missing_table_has_no_rows_until_a_writer_creates_it(file: Path) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("CREATE TABLE something_else (x)")
    with Database(file) as database:
        assert database.get(GET) is None


def test_queued_reads_of_a_locked_file_wait_only_once(filled: Path) -> None:
    reverse = {"type": "rev_transformations", "checksum": checksum(2)}
    requests = [request_types.parse_read(from_python(reverse)) for _ in range(200)]

    async def ask(database: Database) -> list[object]:
        answers = [database.execute_read(request) for request in requests]
        both = asyncio.gather(*answers, return_exceptions=True)
        return list(await asyncio.wait_for(both, 40))

    with (
        Database(filled, lock_wait=2.0) as database,
        closing(sqlite3.connect(filled, isolation_level=None)) as holder,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        # one after the other, in four threads, they would wait for 200 seconds
        errors = asyncio.run(ask(database))
        assert {str(error) for error in errors} == {str(DatabaseLockedError(2.0))}
        holder.execute("ROLLBACK")
        assert asyncio.run(database.execute_read(requests[0])) == f'["{checksum(1)}"]'


def test_a_killed_writer_leaves_no_partial_write(file: Path) -> None:
    code = f"""
import os
from seamless_database import Database, request_types
database = Database({str(file)!r}, writable=True)
database.put({PUT!r})
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert journal(file) == "wal"
    with Database(file) as database:
        assert database.get(GET) == checksum(2)
    with Database(file, writable=True) as database:
        assert database.get(GET) == checksum(2)
    assert journal(file) == "plain"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_reader_needs_no_permission_to_write(filled: Path) -> None:
    code = f"""
from seamless_database import Database, request_types
with Database({filled.name!r}) as database:
    print(database.get({GET!r}))
"""

    def read() -> str:
        # the user changes after the imports, because it may not read the interpreter's folder
        late = f"""
import os, seamless_database.storage.sqlite.database
os.chdir({str(filled.parent)!r})
os.setuid(65534)
"""
        done = subprocess.run(
            [sys.executable, "-c", late + code], stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout.strip()

    for folder in (filled.parent, *filled.parent.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    filled.chmod(0o644)
    assert read() == checksum(2)
    with Database(filled, writable=True) as writer:
        # an open file in WAL mode that belongs to another user
        writer.put({**PUT, "value": checksum(3)})
        assert read() == checksum(3)


@pytest.mark.parametrize("writable", [True, False])
def test_an_unusable_path_is_named(tmp_path: Path, writable: bool) -> None:
    text = tmp_path / "text.db"
    text.write_bytes(b"x" * 5000)
    for path in (text, tmp_path, tmp_path / "no" / "a.db"):
        with pytest.raises(FileError, match=str(path)) as caught:
            Database(path, writable=writable)
        assert caught.value.path == path


def test_a_missing_file_is_not_created_for_reading(file: Path) -> None:
    with pytest.raises(FileError, match="--writable"):
        Database(file)
    assert not file.exists()
