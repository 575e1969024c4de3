from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import (
    ConflictError,
    DatabaseLockedError,
    FileReplacedError,
    UnavailableError,
)
from seamless_database.storage.sqlite.connection import Connection
from seamless_database.storage.sqlite.fair_lock import FairWriterLock
from seamless_database.storage.sqlite.file_identity import FileIdentity
from seamless_database.storage.sqlite.transactions import (
    CHECKPOINT_PAUSE,
    Transactions,
    not_written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "transactions.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE t (x INTEGER UNIQUE)")
    return path


@pytest.fixture
def transactions(file: Path) -> Iterator[Transactions]:
    connection = Connection.open(file, "rw")
    yield Transactions(connection, 0.1)
    connection.close()


def insert(connection: Connection) -> None:
    connection.command("INSERT INTO t VALUES (1)")


def insert_and_fail(connection: Connection) -> None:
    connection.command("INSERT INTO t VALUES (2)")
    raise ConflictError("no")


def lose(connection: Connection) -> None:
    connection.rollback()
    raise RuntimeError("what SQLite does when the disk is full")


def rows(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as raw:
        return [x for (x,) in raw.execute("SELECT x FROM t ORDER BY x")]


def test_what_is_committed_is_in_the_file(transactions: Transactions, file: Path) -> None:
    transactions.begin()
    assert transactions.run(insert, savepoint=False) is None
    assert rows(file) == []
    transactions.commit()
    assert rows(file) == [1]


def test_work_that_fails_is_undone_by_its_savepoint(transactions: Transactions, file: Path) -> None:
    transactions.begin()
    assert transactions.run(insert, savepoint=True) is None
    assert isinstance(transactions.run(insert_and_fail, savepoint=True), ConflictError)
    transactions.commit()
    assert rows(file) == [1]


def test_work_that_fails_alone_is_undone_with_its_transaction(
    transactions: Transactions, file: Path
) -> None:
    transactions.begin()
    assert isinstance(transactions.run(insert_and_fail, savepoint=False), ConflictError)
    transactions.rollback()
    assert rows(file) == []
    transactions.begin()
    transactions.rollback()


@pytest.mark.parametrize("alone", [True, False])
def test_an_error_of_sqlite_becomes_an_unavailable_error(
    transactions: Transactions, alone: bool
) -> None:
    transactions.begin()
    assert transactions.run(insert, savepoint=False) is None
    error = transactions.run(insert, savepoint=not alone)
    assert isinstance(error, UnavailableError)
    assert "UNIQUE" in str(error)


@pytest.mark.parametrize("alone", [True, False])
def test_a_lost_transaction_is_raised(transactions: Transactions, alone: bool) -> None:
    transactions.begin()
    with pytest.raises(RuntimeError, match="disk is full"):
        transactions.run(lose, savepoint=not alone)


def test_a_lock_of_another_process_is_reported_after_the_timeout(
    transactions: Transactions, file: Path
) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseLockedError):
            transactions.begin()
    transactions.begin()
    transactions.rollback()


def test_the_holder_of_the_fair_lock_waits_for_the_lock_of_the_file(file: Path) -> None:
    connection = Connection.open(file, "rw")
    lock = FairWriterLock()
    transactions = Transactions(connection, 0.1, lock)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseLockedError) as caught:
            transactions.begin()
        assert str(caught.value) == str(DatabaseLockedError(0.1))
        transactions.rollback()
    transactions.begin()
    assert transactions.run(insert, savepoint=False) is None
    transactions.commit()
    assert rows(file) == [1]
    connection.close()
    lock.close()


#: prints whether another process may take the fair lock within and after transactions
FAIR = """
import os, sys
from pathlib import Path
from seamless_database.storage.sqlite.connection import Connection
from seamless_database.storage.sqlite.fair_lock import FairWriterLock
from seamless_database.storage.sqlite.transactions import Transactions

def is_free():
    if (pid := os.fork()) == 0:
        os._exit(0 if lock.acquire(0) else 1)
    return os.waitpid(pid, 0)[1] == 0

lock = FairWriterLock()
transactions = Transactions(Connection.open(Path(sys.argv[1]), "rw"), 5, lock)
for end in (transactions.commit, transactions.rollback):
    transactions.begin()
    print(is_free())
    end()
    print(is_free())
"""


def test_the_end_of_a_transaction_releases_the_fair_lock(file: Path) -> None:
    command = [sys.executable, "-c", FAIR, str(file)]
    found = subprocess.run(command, capture_output=True, check=True, text=True)
    assert found.stdout.split() == ["False", "True"] * 2


def test_a_failed_commit_is_an_unavailable_error(transactions: Transactions) -> None:
    with pytest.raises(UnavailableError, match="nothing was stored"):
        transactions.commit()


def test_rollback_without_a_transaction_does_nothing(transactions: Transactions) -> None:
    transactions.rollback()


@pytest.mark.parametrize("words", ["database or disk is full", "disk I/O error"])
def test_a_checkpoint_makes_room_on_a_full_disk(transactions: Transactions, words: str) -> None:
    error = sqlite3.OperationalError(words)
    assert transactions.checkpoint_if_disk_full(error)
    reported = not_written(error)
    reported.__cause__ = error
    assert transactions.checkpoint_if_disk_full(reported)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("no such table: t"),
        sqlite3.DatabaseError("database disk image is malformed"),
        DatabaseLockedError(1.0),
        ConflictError("database or disk is full"),
        RuntimeError("disk I/O error"),
    ],
)
def test_other_errors_are_not_retried(transactions: Transactions, error: Exception) -> None:
    assert not transactions.checkpoint_if_disk_full(error)


def test_a_failed_checkpoint_makes_no_room(file: Path) -> None:
    connection = Connection.open(file, "rw")
    transactions = Transactions(connection, 0.1)
    connection.close()
    assert not transactions.checkpoint_if_disk_full(
        sqlite3.OperationalError("database or disk is full")
    )


def test_a_checkpoint_waits_for_readers(file: Path) -> None:
    connection = Connection.open(file, "rw")
    connection.command("PRAGMA journal_mode=WAL")
    transactions = Transactions(connection, 0.1)
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        connection.command("INSERT INTO t VALUES (1)")
        # it reads what was there before the insertion until then
        ending = threading.Timer(5 * CHECKPOINT_PAUSE, reader.execute, ["COMMIT"])
        ending.start()
        assert transactions.checkpoint_if_disk_full(
            sqlite3.OperationalError("database or disk is full")
        )
        ending.join()
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        connection.command("INSERT INTO t VALUES (2)")
        assert not transactions.checkpoint_if_disk_full(
            sqlite3.OperationalError("database or disk is full")
        )
    connection.close()


def test_a_file_that_was_moved_away_before_the_first_transaction_is_complete(file: Path) -> None:
    connection = Connection.open(file, "rw")
    connection.command("PRAGMA journal_mode=WAL")
    identity = FileIdentity(file)
    identity.note()
    connection.command("INSERT INTO t VALUES (1)")
    transactions = Transactions(connection, 0.1, identity=identity)
    moved = file.rename(file.with_name("moved.db"))
    with pytest.raises(FileReplacedError):
        transactions.begin()
    alone = moved.with_name("alone.db")
    alone.write_bytes(moved.read_bytes())
    assert rows(alone) == [1]
    connection.close()
