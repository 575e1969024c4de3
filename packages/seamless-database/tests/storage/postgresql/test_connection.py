from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import literal_column, select, text

from seamless_database.errors import (
    DatabaseClosedError,
    DatabaseLockedError,
    UnavailableError,
)
from seamless_database.request_types.statements import Statement
from seamless_database.storage.postgresql.batch_sql import fetch_all
from seamless_database.storage.postgresql.connection import (
    PipelineConnection,
    ReadOnlyConnection,
)
from seamless_database.storage.postgresql.error_kinds import unavailable
from seamless_database.storage.postgresql.health import Health
from seamless_database.storage.postgresql.read_pool import PostgresReadPool
from seamless_database.storage.postgresql.url import PostgresUrl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.storage.postgresql.connection import Command

ECHO = Statement(select(text(":value ::text"), literal_column("1")))
SUICIDE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def address(postgresql: str) -> PostgresUrl:
    return PostgresUrl.of(postgresql)


@pytest.fixture
def session(address: PostgresUrl) -> Iterator[PipelineConnection]:
    session = PipelineConnection(address, timeout=30)
    yield session
    session.close()


def pid(session: PipelineConnection) -> int:
    ((number,),) = session.command("SELECT pg_backend_pid()")
    return int(number)


def test_commands_are_answered_in_their_order(session: PipelineConnection) -> None:
    rows = session.execute_pipeline([("SELECT 1", None), ("SELECT %(x)s::int + 1", {"x": 4})])
    assert rows == [[(1,)], [(5,)]]


def test_those_behind_a_wrong_one_are_not_done(session: PipelineConnection) -> None:
    session.command("CREATE TEMPORARY TABLE t (x integer)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        session.execute_pipeline([("SELECT 1/0", None), ("INSERT INTO t VALUES (1)", None)])
    assert session.command("SELECT * FROM t") == []


def test_commands_and_answers_may_be_large(session: PipelineConnection) -> None:
    large = {"x": "y" * 10_000_000}
    rows = session.execute_pipeline(
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
def test_what_is_wrong_may_have_large_neighbours(
    session: PipelineConnection, wrong: Command, error: type[Exception]
) -> None:
    large = ("SELECT length(%(x)s)", {"x": "y" * 10_000_000})
    with pytest.raises(error):
        session.execute_pipeline([large, wrong, large])
    assert session.command("SELECT 1") == [(1,)]


def test_what_is_open_can_be_undone(session: PipelineConnection) -> None:
    session.command("CREATE TEMPORARY TABLE t (x integer)")
    session.execute_pipeline([("BEGIN", None), ("INSERT INTO t VALUES (1)", None)])
    session.rollback()
    assert session.command("SELECT * FROM t") == []


def test_a_session_that_was_ended_connects_again(session: PipelineConnection) -> None:
    first = pid(session)
    with pytest.raises(psycopg.OperationalError):
        session.command(SUICIDE)
    assert not session.connected
    assert pid(session) != first


def test_an_exchange_that_takes_too_long_can_be_cut(address: PostgresUrl) -> None:
    session = PipelineConnection(address, timeout=0.2)

    def abort() -> None:
        while not done.wait(0.02):
            session.abort(time.monotonic())

    done = threading.Event()
    cutter = threading.Thread(target=abort)
    cutter.start()
    begun = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        session.command("SELECT pg_sleep(60)")
    assert time.monotonic() - begun < 30
    assert session.command("SELECT 1") == [(1,)]
    done.set()
    cutter.join()
    session.close()


def test_one_that_is_at_rest_is_never_cut(session: PipelineConnection) -> None:
    first = pid(session)
    session.abort(time.monotonic() + 1000)
    assert pid(session) == first


def test_what_is_read_can_be_interrupted(session: PipelineConnection) -> None:
    reading = ReadOnlyConnection(session)
    endless = Statement(text("SELECT pg_sleep(60)"))
    with pytest.raises(psycopg.Error) as caught, reading.statement_timeout(0.1):
        reading.one(endless)
    assert reading.is_timeout(caught.value)
    assert not reading.is_timeout(ValueError())
    assert session.command("SELECT 1") == [(1,)]


def test_texts_with_any_character_come_back(session: PipelineConnection) -> None:
    value = "\x00 \x01 \x02 % é \U0001f600"
    assert fetch_all(session, [(ECHO, {"value": value})]) == [[(value, 1)]]


def test_whoever_reads_changes_nothing(session: PipelineConnection) -> None:
    with pytest.raises(AssertionError):
        ReadOnlyConnection(session).run(ECHO, value="x")


def test_what_went_wrong_is_told_in_one_line_without_the_password() -> None:
    address = PostgresUrl.of("postgresql://me:hunter2@127.0.0.1:1/db")
    with pytest.raises(psycopg.OperationalError) as caught:
        PipelineConnection(address, 1).connect()
    told = str(unavailable(address, psycopg.OperationalError(f"{caught.value} hunter2"), "no"))
    assert "refused" in told
    assert "\n" not in told
    assert "hunter2" not in told


# many sessions


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def sessions(address: PostgresUrl, health: Health) -> Iterator[PostgresReadPool]:
    sessions = PostgresReadPool(address, 5, health)
    yield sessions
    sessions.close()


def test_a_session_is_used_again(sessions: PostgresReadPool) -> None:
    assert sessions.read(pid) == sessions.read(pid)


def test_a_lost_session_is_noticed_by_nobody(
    sessions: PostgresReadPool, address: PostgresUrl
) -> None:
    numbers = [sessions.read(pid)]
    with psycopg.connect(**address.parameters) as raw:  # type: ignore[arg-type]
        raw.execute("SELECT pg_terminate_backend(%s)", numbers)
    assert sessions.read(pid) not in numbers


def test_what_is_lost_every_time_is_trouble(sessions: PostgresReadPool, health: Health) -> None:
    with pytest.raises(UnavailableError, match="could not be read"):
        sessions.read(lambda session: session.command(SUICIDE))
    assert health.degraded_reason is not None


def test_a_wrong_statement_is_no_trouble(sessions: PostgresReadPool, health: Health) -> None:
    with pytest.raises(UnavailableError, match="division by zero"):
        sessions.read(lambda session: session.command("SELECT 1/0"))
    assert health.degraded_reason is None


def test_what_waits_for_too_long_is_locked(sessions: PostgresReadPool) -> None:
    def wait(session: PipelineConnection) -> None:
        session.execute_pipeline([("SET statement_timeout = 50", None)])
        session.command("SELECT pg_sleep(60)")

    with pytest.raises(DatabaseLockedError):
        sessions.read(wait)


def test_what_takes_too_long_is_tried_once(address: PostgresUrl, health: Health) -> None:
    sessions, tried, done = PostgresReadPool(address, 0.2, health), [], threading.Event()

    def sleep(session: PipelineConnection) -> None:
        tried.append(session)
        session.command("SELECT pg_sleep(60)")

    def abort() -> None:
        while not done.wait(0.02):
            sessions.abort(time.monotonic())

    cutter = threading.Thread(target=abort)
    cutter.start()
    with pytest.raises(UnavailableError, match="could not be read"):
        sessions.read(sleep)
    done.set()
    cutter.join()
    assert len(tried) == 1
    assert health.degraded_reason is not None
    sessions.close()


def test_after_closing_nothing_is_read(sessions: PostgresReadPool) -> None:
    sessions.read(pid)
    sessions.close()
    with pytest.raises(DatabaseClosedError):
        sessions.read(pid)
