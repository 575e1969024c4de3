from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import (
    ConflictError,
    DatabaseLockedError,
    UnavailableError,
)
from seamless_database.storage.batch_queue import Operation
from seamless_database.storage.sqlite.connection import Connection
from seamless_database.storage.sqlite.transactions import Transactions
from seamless_database.storage.sqlite.writer import MAX_BATCH, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "writer.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE t (x INTEGER UNIQUE)")
    return path


@pytest.fixture
def writer(file: Path) -> Iterator[Writer]:
    connection = Connection.open(file, "rw")
    writer = Writer(Transactions(connection, 0.3))
    yield writer
    writer.close()
    connection.close()


def insert(number: int, connection: Connection) -> None:
    connection.command(f"INSERT INTO t VALUES ({number})")


def rows(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as raw:
        return [x for (x,) in raw.execute("SELECT x FROM t ORDER BY x")]


class Gate:
    """Work that holds up the writer, so that other work gathers behind it."""

    def __init__(self, writer: Writer) -> None:
        self._open = threading.Event()
        entered = threading.Event()

        def wait(_: Connection) -> None:
            entered.set()
            assert self._open.wait(30)

        self.future = writer.submit(Operation(wait))
        assert entered.wait(30)

    def open(self) -> None:
        self._open.set()
        self.future.result(30)


def test_a_write_is_in_the_file_when_its_future_is_done(writer: Writer, file: Path) -> None:
    writer.submit(Operation(partial(insert, 1))).result(30)
    assert rows(file) == [1]


def test_queued_writes_are_committed_together(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    seen: list[bool] = []

    def look(connection: Connection) -> None:
        insert(2, connection)
        # the row of the other write is visible here, but not outside the transaction
        seen.append(rows(file) == [])

    futures = [writer.submit(Operation(partial(insert, 1))), writer.submit(Operation(look))]
    gate.open()
    for future in futures:
        future.result(30)
    assert seen == [True]
    assert rows(file) == [1, 2]


@pytest.mark.parametrize("error", [ConflictError("no"), sqlite3.IntegrityError("no"), KeyError()])
def test_a_write_that_fails_is_undone_alone(writer: Writer, file: Path, error: Exception) -> None:
    gate = Gate(writer)

    def fail(connection: Connection) -> None:
        insert(2, connection)
        raise error

    futures = [
        writer.submit(Operation(partial(insert, 1))),
        writer.submit(Operation(fail)),
        writer.submit(Operation(partial(insert, 3))),
    ]
    gate.open()
    assert futures[0].result(30) is None
    wanted = UnavailableError if isinstance(error, sqlite3.Error) else type(error)
    assert type(futures[1].exception(30)) is wanted
    assert futures[2].result(30) is None
    assert rows(file) == [1, 3]


@pytest.mark.parametrize("changes", [False, True])
def test_only_a_write_that_fails_after_a_change_costs_savepoints(file: Path, changes: bool) -> None:
    raw = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    commands: list[str] = []
    raw.set_trace_callback(lambda sql: commands.append(sql.split()[0]))
    writer = Writer(Transactions(Connection(raw), 0.3))

    def refuse(connection: Connection) -> None:
        if changes:
            insert(2, connection)
        raise ConflictError("no")

    operations = [Operation(partial(insert, 1)), Operation(refuse), Operation(partial(insert, 3))]
    writer.submit_all(operations).result(30)
    writer.close()
    raw.close()
    assert [type(each.error) for each in operations] == [type(None), ConflictError, type(None)]
    assert (operations[0].changed, operations[2].changed) == (True, True)
    assert rows(file) == [1, 3]
    assert ("SAVEPOINT" in commands, "ROLLBACK" in commands) == (changes, changes)
    assert commands.count("COMMIT") == 1


def test_the_only_write_of_a_batch_is_undone_if_it_fails(writer: Writer, file: Path) -> None:
    def fail(connection: Connection) -> None:
        insert(1, connection)
        raise ConflictError("no")

    assert isinstance(writer.submit(Operation(fail)).exception(30), ConflictError)
    writer.submit(Operation(partial(insert, 2))).result(30)
    assert rows(file) == [2]


def test_a_lost_transaction_fails_every_write_of_the_batch(writer: Writer, file: Path) -> None:
    gate = Gate(writer)

    def lose(connection: Connection) -> None:
        # what SQLite does by itself when the disk is full
        connection.rollback()
        raise sqlite3.OperationalError("database or disk is full")

    def refuse(_: Connection) -> None:
        raise ConflictError("because of the row before")

    futures = [
        writer.submit(Operation(partial(insert, 1))),
        writer.submit(Operation(refuse)),
        writer.submit(Operation(lose)),
    ]
    gate.open()
    for future in futures:
        with pytest.raises(UnavailableError, match="disk is full"):
            future.result(30)
    assert rows(file) == []
    writer.submit(Operation(partial(insert, 4))).result(30)
    assert rows(file) == [4]


def test_a_lock_fails_a_write_after_the_timeout(writer: Writer, file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseLockedError, match="another process"):
            writer.submit(Operation(partial(insert, 1))).result(30)
    writer.submit(Operation(partial(insert, 2))).result(30)
    assert rows(file) == [2]


def test_a_lock_timeout_fails_all_queued_writes(file: Path) -> None:
    connection = Connection.open(file, "rw")
    writer = Writer(Transactions(connection, 2.0))
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        # twenty batches, each of which would wait for two seconds
        futures = [writer.submit(Operation(partial(insert, i))) for i in range(20 * MAX_BATCH)]
        for future in futures:
            assert isinstance(future.exception(30), DatabaseLockedError)
    writer.close()
    connection.close()


def test_close_commits_queued_writes(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    futures = [writer.submit(Operation(partial(insert, i))) for i in range(2 * MAX_BATCH + 3)]
    closer = threading.Thread(target=writer.close)
    closer.start()
    gate.open()
    closer.join(30)
    assert all(future.done() and future.exception() is None for future in futures)
    assert rows(file) == list(range(2 * MAX_BATCH + 3))


def test_close_returns_if_the_last_batch_is_lost(writer: Writer) -> None:
    gate = Gate(writer)

    def lose(connection: Connection) -> None:
        connection.rollback()
        raise RuntimeError("no error of SQLite's")

    future = writer.submit(Operation(lose))
    closer = threading.Thread(target=writer.close)
    closer.start()
    while writer._queue.qsize() < 2:
        time.sleep(0.01)
    gate.open()
    closer.join(30)
    assert not closer.is_alive()
    assert isinstance(future.exception(30), UnavailableError)


def test_a_cancelled_write_does_not_affect_others(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    gone = writer.submit(Operation(partial(insert, 1)))
    stays = writer.submit(Operation(partial(insert, 2)))
    assert gone.cancel()
    gate.open()
    stays.result(30)
    assert rows(file) == [1, 2]


def test_commits_and_queued_writes_are_counted(writer: Writer) -> None:
    gate = Gate(writer)
    futures = [writer.submit(Operation(partial(insert, number))) for number in range(5)]
    assert writer.size == 5
    gate.open()
    for future in futures:
        future.result(30)
    assert writer.size == 0
    writer.close()
    assert writer.commits.writes.total == 6
    assert writer.commits.writes.count == writer.commits.seconds.count


# event loops


def test_an_event_loop_gets_the_outcome_of_each_write_after_the_commit(
    writer: Writer, file: Path
) -> None:
    async def write(number: int) -> tuple[Exception | None, list[int]]:
        try:
            await writer.execute(Operation(partial(insert, number)))
        except UnavailableError as error:
            return error, rows(file)
        return None, rows(file)

    async def write_all() -> list[tuple[Exception | None, list[int]]]:
        gate = Gate(writer)
        writes = [asyncio.ensure_future(write(number)) for number in (1, 1, 2)]
        await asyncio.sleep(0)
        gate.open()
        return await asyncio.wait_for(asyncio.gather(*writes), 30)

    outcomes = asyncio.run(write_all())
    assert [type(error) for error, _ in outcomes] == [type(None), UnavailableError, type(None)]
    assert [seen for _, seen in outcomes] == [[1, 2]] * 3


@pytest.mark.stress
def test_writes_of_many_threads_are_all_stored(writer: Writer, file: Path) -> None:
    def write(start: int) -> None:
        for number in range(start, start + 50):
            writer.submit(Operation(partial(insert, number))).result(30)

    threads = [threading.Thread(target=write, args=(1000 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows(file)) == 400
