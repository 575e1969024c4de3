from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.pq import PipelineStatus
from sqlalchemy import literal_column, select, text

from seamless_database.request_types.statements import Statement
from seamless_database.storage.postgresql.batch_sql import fetch_all
from seamless_database.storage.postgresql.connection import (
    PipelineConnection,
    ReadOnlyConnection,
)
from seamless_database.storage.postgresql.error_kinds import unavailable
from seamless_database.storage.postgresql.text_escaping import TextArray
from seamless_database.storage.postgresql.url import PostgresUrl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.storage.postgresql.connection import Command

ECHO = Statement(select(text(":value ::text"), literal_column("1")))
SUICIDE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def url(postgresql: str) -> PostgresUrl:
    return PostgresUrl.of(postgresql)


@pytest.fixture
def connection(url: PostgresUrl) -> Iterator[PipelineConnection]:
    connection = PipelineConnection(url, timeout=30)
    yield connection
    connection.close()


def pid(connection: PipelineConnection) -> int:
    ((number,),) = connection.command("SELECT pg_backend_pid()")
    return int(number)


def test_rows_are_returned_in_the_order_of_the_commands(connection: PipelineConnection) -> None:
    rows = connection.execute_pipeline([("SELECT 1", None), ("SELECT %(x)s::int + 1", {"x": 4})])
    assert rows == [[(1,)], [(5,)]]


def test_a_command_alone_leaves_pipeline_mode_outside_of_a_transaction(
    connection: PipelineConnection,
) -> None:
    one: Command = ("SELECT 1", None)

    def is_pipelined_after(*commands: Command) -> bool:
        connection.execute_pipeline(commands)
        return connection.connect().pgconn.pipeline_status == PipelineStatus.ON

    assert [is_pipelined_after(*commands) for commands in ([one], [one, one], [one])] == [
        False,
        True,
        False,
    ]
    # on leaving it, the idle timeout of the transaction would begin again
    assert is_pipelined_after(("BEGIN", None), one)
    assert is_pipelined_after(one)
    connection.rollback()
    assert not is_pipelined_after(one)


def test_commands_behind_a_failed_one_are_skipped(connection: PipelineConnection) -> None:
    connection.command("CREATE TEMPORARY TABLE t (x integer)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute_pipeline([("SELECT 1/0", None), ("INSERT INTO t VALUES (1)", None)])
    assert connection.command("SELECT * FROM t") == []


def test_commands_and_rows_may_be_large(connection: PipelineConnection) -> None:
    large = {"x": "y" * 10_000_000}
    rows = connection.execute_pipeline(
        [("SELECT %(x)s::text", large), ("SELECT length(%(x)s)", large)]
    )
    assert rows == [[(large["x"],)], [(10_000_000,)]]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (("SELECT 1/0", None), psycopg.errors.DivisionByZero),
        (("SELECT %(x)s", {"x": "\ud800"}), UnicodeEncodeError),
    ],
)
def test_a_failed_command_between_large_ones_does_not_block(
    connection: PipelineConnection, wrong: Command, error: type[Exception]
) -> None:
    large = ("SELECT length(%(x)s)", {"x": "y" * 10_000_000})
    with pytest.raises(error):
        connection.execute_pipeline([large, wrong, large])
    assert connection.command("SELECT 1") == [(1,)]


def test_rollback_undoes_the_open_transaction(connection: PipelineConnection) -> None:
    connection.command("CREATE TEMPORARY TABLE t (x integer)")
    connection.execute_pipeline([("BEGIN", None), ("INSERT INTO t VALUES (1)", None)])
    connection.rollback()
    assert connection.command("SELECT * FROM t") == []


def test_a_warning_of_the_server_is_noted_once(connection: PipelineConnection) -> None:
    connection.command("DO $$ BEGIN RAISE NOTICE 'well'; END $$")
    assert not connection.take_warning()
    connection.command("DO $$ BEGIN RAISE WARNING 'oh'; END $$")
    assert [connection.take_warning() for _ in range(2)] == [True, False]


def test_rollback_opens_no_connection(connection: PipelineConnection) -> None:
    connection.rollback()
    assert not connection.connected


def test_a_lost_connection_is_replaced(connection: PipelineConnection) -> None:
    first = pid(connection)
    with pytest.raises(psycopg.OperationalError):
        connection.command(SUICIDE)
    assert not connection.connected
    assert pid(connection) != first


def test_abort_ends_an_overdue_pipeline(url: PostgresUrl) -> None:
    connection = PipelineConnection(url, timeout=0.2)

    def abort() -> None:
        while not done.wait(0.02):
            connection.abort_if_overdue(time.monotonic())

    done = threading.Event()
    cutter = threading.Thread(target=abort)
    cutter.start()
    begun = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        connection.command("SELECT pg_sleep(60)")
    assert time.monotonic() - begun < 30
    assert connection.command("SELECT 1") == [(1,)]
    done.set()
    cutter.join()
    connection.close()


def test_abort_leaves_an_idle_connection_alone(connection: PipelineConnection) -> None:
    first = pid(connection)
    connection.abort_if_overdue(time.monotonic() + 1000)
    assert pid(connection) == first


def test_texts_with_any_character_come_back(connection: PipelineConnection) -> None:
    value = "\x00 \x01 \x02 % é \U0001f600"
    assert fetch_all(connection, [(ECHO, {"value": value})]) == [[(value, 1)]]


def test_an_array_of_texts_with_any_character_comes_back(connection: PipelineConnection) -> None:
    texts = TextArray(["", "\x00", "\x01\x02", '%,"{}\\', "é\U0001f600"])
    rows = connection.command("SELECT unnest(%(texts)s)", {"texts": texts})
    assert [text for (text,) in rows] == texts


def test_a_read_only_connection_rejects_changes(connection: PipelineConnection) -> None:
    with pytest.raises(AssertionError):
        ReadOnlyConnection(connection).run(ECHO, value="x")


def test_an_error_is_one_line_without_the_password() -> None:
    url = PostgresUrl.of("postgresql://me:hunter2@127.0.0.1:1/db")
    with pytest.raises(psycopg.OperationalError) as caught:
        PipelineConnection(url, 1).connect()
    message = str(unavailable(url, psycopg.OperationalError(f"{caught.value} hunter2"), "no"))
    assert "refused" in message
    assert "\n" not in message
    assert "hunter2" not in message
