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
from seamless_database.storage.postgresql.batch_sql import fetched
from seamless_database.storage.postgresql.connection import (
    Reading,
    Session,
    unavailable,
)
from seamless_database.storage.postgresql.health import Health
from seamless_database.storage.postgresql.read_pool import Sessions
from seamless_database.storage.postgresql.url import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.storage.postgresql.connection import Command

ECHO = Statement(select(text(":value ::text"), literal_column("1")))
SUICIDE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def address(postgresql: str) -> Address:
    return Address.of(postgresql)


@pytest.fixture
def session(address: Address) -> Iterator[Session]:
    session = Session(address, patience=30)
    yield session
    session.close()


def pid(session: Session) -> int:
    ((number,),) = session.command("SELECT pg_backend_pid()")
    return int(number)


def test_commands_are_answered_in_their_order(session: Session) -> None:
    rows = session.exchange([("SELECT 1", None), ("SELECT %(x)s::int + 1", {"x": 4})])
    assert rows == [[(1,)], [(5,)]]


def test_those_behind_a_wrong_one_are_not_done(session: Session) -> None:
    session.command("CREATE TEMPORARY TABLE t (x integer)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        session.exchange([("SELECT 1/0", None), ("INSERT INTO t VALUES (1)", None)])
    assert session.command("SELECT * FROM t") == []


def test_commands_and_answers_may_be_large(session: Session) -> None:
    large = {"x": "y" * 10_000_000}
    rows = session.exchange([("SELECT %(x)s::text", large), ("SELECT length(%(x)s)", large)])
    assert rows == [[(large["x"],)], [(10_000_000,)]]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (("SELECT 1/0", None), psycopg.errors.DivisionByZero),
        (("SELECT %(x)s", {"x": "\ud800"}), UnicodeEncodeError),
    ],
)
def test_what_is_wrong_may_have_large_neighbours(
    session: Session, wrong: Command, error: type[Exception]
) -> None:
    large = ("SELECT length(%(x)s)", {"x": "y" * 10_000_000})
    with pytest.raises(error):
        session.exchange([large, wrong, large])
    assert session.command("SELECT 1") == [(1,)]


def test_what_is_open_can_be_undone(session: Session) -> None:
    session.command("CREATE TEMPORARY TABLE t (x integer)")
    session.exchange([("BEGIN", None), ("INSERT INTO t VALUES (1)", None)])
    session.undo()
    assert session.command("SELECT * FROM t") == []


def test_a_session_that_was_ended_connects_again(session: Session) -> None:
    first = pid(session)
    with pytest.raises(psycopg.OperationalError):
        session.command(SUICIDE)
    assert not session.connected
    assert pid(session) != first


def test_an_exchange_that_takes_too_long_can_be_cut(address: Address) -> None:
    session = Session(address, patience=0.2)

    def cut() -> None:
        while not done.wait(0.02):
            session.cut(time.monotonic())

    done = threading.Event()
    cutter = threading.Thread(target=cut)
    cutter.start()
    begun = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        session.command("SELECT pg_sleep(60)")
    assert time.monotonic() - begun < 30
    assert session.command("SELECT 1") == [(1,)]
    done.set()
    cutter.join()
    session.close()


def test_one_that_is_at_rest_is_never_cut(session: Session) -> None:
    first = pid(session)
    session.cut(time.monotonic() + 1000)
    assert pid(session) == first


def test_what_is_read_can_be_interrupted(session: Session) -> None:
    reading = Reading(session)
    endless = Statement(text("SELECT pg_sleep(60)"))
    with pytest.raises(psycopg.Error) as caught, reading.interrupted_after(0.1):
        reading.one(endless)
    assert reading.was_interrupted(caught.value)
    assert not reading.was_interrupted(ValueError())
    assert session.command("SELECT 1") == [(1,)]


def test_texts_with_any_character_come_back(session: Session) -> None:
    value = "\x00 \x01 \x02 % é \U0001f600"
    assert fetched(session, [(ECHO, {"value": value})]) == [[(value, 1)]]


def test_whoever_reads_changes_nothing(session: Session) -> None:
    with pytest.raises(AssertionError):
        Reading(session).run(ECHO, value="x")


def test_what_went_wrong_is_told_in_one_line_without_the_password() -> None:
    address = Address.of("postgresql://me:hunter2@127.0.0.1:1/db")
    with pytest.raises(psycopg.OperationalError) as caught:
        Session(address, 1).connect()
    told = str(unavailable(address, psycopg.OperationalError(f"{caught.value} hunter2"), "no"))
    assert "refused" in told
    assert "\n" not in told
    assert "hunter2" not in told


# many sessions


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def sessions(address: Address, health: Health) -> Iterator[Sessions]:
    sessions = Sessions(address, 5, health)
    yield sessions
    sessions.close()


def test_a_session_is_used_again(sessions: Sessions) -> None:
    assert sessions.read(pid) == sessions.read(pid)


def test_a_lost_session_is_noticed_by_nobody(sessions: Sessions, address: Address) -> None:
    numbers = [sessions.read(pid)]
    with psycopg.connect(**address.parameters) as raw:  # type: ignore[arg-type]
        raw.execute("SELECT pg_terminate_backend(%s)", numbers)
    assert sessions.read(pid) not in numbers


def test_what_is_lost_every_time_is_trouble(sessions: Sessions, health: Health) -> None:
    with pytest.raises(UnavailableError, match="could not be read"):
        sessions.read(lambda session: session.command(SUICIDE))
    assert health.trouble is not None


def test_a_wrong_statement_is_no_trouble(sessions: Sessions, health: Health) -> None:
    with pytest.raises(UnavailableError, match="division by zero"):
        sessions.read(lambda session: session.command("SELECT 1/0"))
    assert health.trouble is None


def test_what_waits_for_too_long_is_locked(sessions: Sessions) -> None:
    def wait(session: Session) -> None:
        session.exchange([("SET statement_timeout = 50", None)])
        session.command("SELECT pg_sleep(60)")

    with pytest.raises(DatabaseLockedError):
        sessions.read(wait)


def test_what_takes_too_long_is_tried_once(address: Address, health: Health) -> None:
    sessions, tried, done = Sessions(address, 0.2, health), [], threading.Event()

    def sleep(session: Session) -> None:
        tried.append(session)
        session.command("SELECT pg_sleep(60)")

    def cut() -> None:
        while not done.wait(0.02):
            sessions.cut(time.monotonic())

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(UnavailableError, match="could not be read"):
        sessions.read(sleep)
    done.set()
    cutter.join()
    assert len(tried) == 1
    assert health.trouble is not None
    sessions.close()


def test_after_closing_nothing_is_read(sessions: Sessions) -> None:
    sessions.read(pid)
    sessions.close()
    with pytest.raises(DatabaseClosedError):
        sessions.read(pid)
