"""Checkpoints: they run beside the writer, the WAL stays bounded, and no write is lost."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server

from seamless_database import Database
from seamless_database.errors import FileReplacedError
from seamless_database.storage.backend import Durability
from seamless_database.storage.sqlite import checkpoints as module
from seamless_database.storage.sqlite import database as database_module
from seamless_database.storage.sqlite.checkpoints import (
    COPY_STEP,
    RESTART_SIZE,
    WAIT_SIZE,
    Checkpoints,
    WriterStep,
    writer_step,
)
from seamless_database.storage.sqlite.connection import Connection
from seamless_database.storage.sqlite.file_identity import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KIB = 1024
OPEN_FILES = Path("/proc/self/fd")
THREAD = "seamless-database-checkpoints"


@pytest.fixture(autouse=True)
def short_wal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COPY_STEP", 64 * KIB)
    monkeypatch.setattr(module, "RESTART_SIZE", 256 * KIB)
    for owner in (module, database_module):
        monkeypatch.setattr(owner, "WAIT_SIZE", 1024 * KIB)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


class Writer:
    """A connection that writes like the writer thread, and the checkpoints of its file."""

    def __init__(self, file: Path) -> None:
        self.wal = file.with_name(f"{file.name}-wal")
        self.connection = Connection.open(file, "rwc")
        for pragma in ("journal_mode=WAL", "wal_autocheckpoint=0"):
            self.connection.command(f"PRAGMA {pragma}")
        self.connection.command("CREATE TABLE t (x)")
        self.identity = FileIdentity(file)
        self.identity.note(with_wal=True)
        self.checkpoints = Checkpoints(file, self.identity, 1.0)

    def write(self, kib: int) -> None:
        """Store a row, and wait until the thread has copied what it wants to."""
        self.checkpoints.before_transaction()
        self.connection.command(f"INSERT INTO t VALUES (zeroblob({kib * KIB}))")
        self.checkpoints.note_commit()
        _wait_until(lambda: not self.checkpoints._wake.is_set())

    def size(self) -> int:
        """Return how long the WAL has been at most."""
        return self.wal.stat().st_size

    def close(self) -> None:
        self.checkpoints.close()
        self.connection.close()


@pytest.fixture
def writer(file: Path) -> Iterator[Writer]:
    writer = Writer(file)
    yield writer
    writer.close()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def put_large(database: Database, number: int, kib: int = 500) -> None:
    tf, result = checksum(number), checksum(-number)
    value = record(tf, result, x="x" * kib * KIB)
    database.put({"type": "metadata", "checksum": tf, "result": result, "value": value})


def result_of(database: Database, number: int) -> str | None:
    return database.get({"type": "transformation", "checksum": checksum(number)})


# what the writer does


@pytest.mark.parametrize(
    ("size", "waited_at", "is_little_left", "step"),
    [
        (0, 0, True, WriterStep.NONE),
        (RESTART_SIZE, 0, True, WriterStep.NONE),
        (RESTART_SIZE + 1, 0, True, WriterStep.COPY),
        (RESTART_SIZE + 1, 0, False, WriterStep.NONE),
        (WAIT_SIZE, 0, True, WriterStep.COPY),
        (WAIT_SIZE + 1, 0, True, WriterStep.WAIT),
        (WAIT_SIZE + 1, 0, False, WriterStep.WAIT),
        (WAIT_SIZE + COPY_STEP, WAIT_SIZE, False, WriterStep.NONE),
        (2 * WAIT_SIZE + 1, WAIT_SIZE, False, WriterStep.WAIT),
    ],
)
def test_the_writer_helps_only_with_a_long_wal(
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    waited_at: int,
    is_little_left: bool,
    step: WriterStep,
) -> None:
    monkeypatch.undo()
    assert writer_step(size, waited_at, is_little_left=is_little_left) is step


def test_a_commit_runs_no_checkpoint(file: Path) -> None:
    with Database(file, writable=True) as database:
        put_large(database, 0, 1)
        checkpoints = database._checkpoints
        assert checkpoints is not None
        _wait_until(lambda: not checkpoints._wake.is_set())
        before = file.stat()
        with checkpoints._lock:
            # the thread waits; SQLite itself would copy from 4 MiB on
            for number in range(1, 20):
                put_large(database, number)
            assert file.stat() == before
        _wait_until(lambda: file.stat().st_size > 19 * 500 * KIB)
        assert result_of(database, 19) == checksum(-19)


def test_the_thread_copies_while_the_writer_is_idle(writer: Writer, file: Path) -> None:
    writer.write(100)
    # the WAL is complete in the file itself
    raw = sqlite3.connect(f"file:{file}?immutable=1", uri=True)
    with closing(raw):
        assert raw.execute("SELECT length(x) FROM t").fetchall() == [(100 * KIB,)]


def test_after_a_pause_the_wal_begins_anew_without_the_writer(writer: Writer) -> None:
    salts = writer.checkpoints._wal.salts()
    writer.write(100)
    writer.write(1)
    assert writer.checkpoints._wal.salts() != salts
    assert writer.size() < 150 * KIB


def test_a_writer_that_never_pauses_does_not_let_the_wal_grow(writer: Writer) -> None:
    def write_during_checkpoints() -> None:
        # what is committed during a checkpoint of the thread is not copied by it
        writer.connection.command("INSERT INTO t VALUES (zeroblob(8192))")

    writer.checkpoints._copier = _Busy(writer.checkpoints._copier, write_during_checkpoints)
    for _ in range(100):
        writer.write(32)
    assert writer.size() < 2 * module.RESTART_SIZE


class _Busy(Connection):
    """A connection that writes after each checkpoint of the thread, before the next transaction."""

    def __init__(self, connection: Connection, write: Callable[[], None]) -> None:
        super().__init__(connection._raw)
        self._write = write

    def command(self, sql: str) -> tuple[object, ...] | None:
        row = super().command(sql)
        if threading.current_thread().name == THREAD:
            self._write()
        return row


def test_short_readers_that_take_turns_do_not_let_the_wal_grow(file: Path, writer: Writer) -> None:
    """At any moment one of two readers has a transaction open."""
    stop = threading.Event()

    def read(mine: threading.Event, other: threading.Event) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as raw:
            while not stop.is_set():
                raw.execute("BEGIN")
                raw.execute("SELECT count(*) FROM t").fetchone()
                mine.set()
                other.wait(0.05)
                other.clear()
                raw.execute("COMMIT")

    one, two = threading.Event(), threading.Event()
    threads = [threading.Thread(target=read, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for _ in range(200):
        writer.write(32)
    stop.set()
    for thread in threads:
        thread.join()
    # 6.4 MiB were written
    assert writer.size() < 3 * module.WAIT_SIZE


def test_a_reader_of_an_old_state_delays_the_writer_only_at_twice_the_size(
    file: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
        for _ in range(32 * 5):
            writer.write(32)
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
        reader.execute("COMMIT")
    waits = len([pause for pause in pauses if pause == module.PAUSE]) / module.WAITS
    # at 1, 2 and 4 MiB
    assert waits == 3
    assert writer.size() > 5 * KIB * KIB
    salts = writer.checkpoints._wal.salts()
    writer.write(100)
    writer.write(100)
    assert writer.checkpoints._wal.salts() != salts


def test_a_wal_that_a_reader_has_made_long_is_shortened(file: Path) -> None:
    with Database(file, writable=True) as database:
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM meta_data").fetchone()
            for number in range(6):
                put_large(database, number)
            assert database.sizes()["wal"] > 2 * module.WAIT_SIZE
        number = 100

        def is_short() -> bool:
            nonlocal number
            number += 1
            put_large(database, number, 100)
            return database.sizes()["wal"] <= module.WAIT_SIZE

        _wait_until(is_short)


# what must not go wrong


def test_no_transaction_begins_the_wal_anew_during_a_checkpoint(writer: Writer) -> None:
    """A checkpoint of a WAL that is copied already must not meet one that has begun anew."""
    writer.write(100)
    checkpoints = writer.checkpoints
    for copied_before in (True, False):
        salts = checkpoints._wal.salts()
        with checkpoints._no_restart():
            if not copied_before:
                checkpoints._copier.command("PRAGMA wal_checkpoint(PASSIVE)")
            writer.connection.command("INSERT INTO t VALUES (1)")
            # either the WAL goes on, or no checkpoint changes the file
            busy, frames, copied = checkpoints._copier.command("PRAGMA wal_checkpoint") or (1, 0, 0)
            assert checkpoints._wal.salts() == salts or busy or copied < frames
        writer.write(1)


def test_a_file_that_was_replaced_gets_nothing_from_the_wal(file: Path, writer: Writer) -> None:
    writer.connection.command(f"INSERT INTO t VALUES (zeroblob({100 * KIB}))")
    moved = file.rename(file.with_name("moved.db"))
    file.write_bytes(moved.read_bytes())
    before = moved.read_bytes()
    writer.checkpoints.note_commit()
    _wait_until(lambda: not writer.checkpoints._wake.is_set())
    writer.checkpoints._writer_step = WriterStep.COPY
    writer.checkpoints.before_transaction()
    assert file.read_bytes() == moved.read_bytes() == before
    with pytest.raises(FileReplacedError):
        Checkpoints(file, writer.identity, 1.0)


def test_an_error_of_a_checkpoint_spoils_no_write(writer: Writer) -> None:
    writer.checkpoints._copier.close()
    for _ in range(20):
        writer.write(32)
    assert writer.connection.command("SELECT count(*) FROM t") == (20,)
    writer.checkpoints._writer_step = WriterStep.COPY
    writer.checkpoints.before_transaction()


def test_a_killed_server_loses_nothing_of_a_long_wal(file: Path) -> None:
    count, kib = 12, 500
    with Server(file) as server:
        for number in range(count):
            tf, result = checksum(number), checksum(-number)
            value = record(tf, result, x="x" * kib * KIB)
            status = server.put("metadata", checksum=tf, result=result, value=value).status
            assert status == 200
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    assert file.with_name(f"{file.name}-wal").stat().st_size > count * kib * KIB / 2
    with Database(file, writable=True) as database:
        assert [result_of(database, n) for n in range(count)] == [
            checksum(-n) for n in range(count)
        ]
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert list(file.parent.iterdir()) == [file]


def test_a_process_that_is_killed_during_checkpoints_loses_nothing(file: Path) -> None:
    code = f"""
import sys
from seamless_database import Database
from seamless_database.storage.sqlite import checkpoints
checkpoints.COPY_STEP, checkpoints.RESTART_SIZE = 8192, 32768
database = Database({str(file)!r}, writable=True)
number = 0
while True:
    number += 1
    key = f"{{number:064x}}"
    database.put({{"type": "transformation", "checksum": key, "value": key}})
    print(number, flush=True)
"""
    for _ in range(2):
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(150)]
            process.kill()
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
        with Database(file) as database:
            for number in acknowledged:
                key = f"{number:064x}"
                assert database.get({"type": "transformation", "checksum": key}) == key
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("options", [("--workers", "2"), ("--durability", "relaxed")])
def test_every_acknowledged_write_is_in_the_file_after_a_clean_end(
    file: Path, options: tuple[str, ...]
) -> None:
    with Server(file, *options) as server:
        for number in range(8):
            tf, result = checksum(number), checksum(-number)
            value = record(tf, result, x="x" * 500 * KIB)
            status = server.put("metadata", checksum=tf, result=result, value=value).status
            assert status == 200
        assert server.stop() == (0, "")
    assert list(file.parent.iterdir()) == [file]
    with Database(file) as database:
        assert [result_of(database, n) for n in range(8)] == [checksum(-n) for n in range(8)]


def test_two_processes_that_write_to_one_file_keep_its_wal_short(file: Path) -> None:
    with Database(file, writable=True) as one, Database(file, writable=True) as two:

        def write(database: Database, first: int) -> None:
            for number in range(first, first + 20):
                put_large(database, number, 100)

        threads = [threading.Thread(target=write, args=pair) for pair in ((one, 0), (two, 1000))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in (*range(20), *range(1000, 1020)):
            assert result_of(one, number) == checksum(-number)
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_rollback_journal_has_no_checkpoints(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seamless_database.storage.sqlite.database.is_network", lambda _path: True)
    with Database(file, writable=True) as database:
        put_large(database, 1)
        assert database._checkpoints is None


def test_a_database_that_is_open_for_reading_has_no_checkpoints(file: Path) -> None:
    Database(file, writable=True).close()
    with Database(file) as database:
        assert database._checkpoints is None


def test_close_closes_every_file(file: Path) -> None:
    if not OPEN_FILES.is_dir():
        pytest.skip("this system does not show which files a process has open")
    Database(file, writable=True).close()
    before = len(list(OPEN_FILES.iterdir()))
    Database(file, writable=True).close()
    assert len(list(OPEN_FILES.iterdir())) == before


def test_close_ends_the_thread(file: Path) -> None:
    with Database(file, writable=True, durability=Durability.RELAXED):
        assert THREAD in [thread.name for thread in threading.enumerate()]
    assert THREAD not in [thread.name for thread in threading.enumerate()]
    assert list(file.parent.iterdir()) == [file]
