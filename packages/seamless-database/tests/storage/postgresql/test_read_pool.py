from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from seamless_database.errors import DatabaseClosedError, DatabaseLockedError, UnavailableError
from seamless_database.storage.postgresql.connection import PipelineConnection
from seamless_database.storage.postgresql.health import Health
from seamless_database.storage.postgresql.read_pool import ATTEMPTS, PostgresReadPool
from seamless_database.storage.postgresql.url import PostgresUrl

if TYPE_CHECKING:
    from collections.abc import Iterator

SUICIDE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def url(postgresql: str) -> PostgresUrl:
    return PostgresUrl.of(postgresql)


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def pool(url: PostgresUrl, health: Health) -> Iterator[PostgresReadPool]:
    pool = PostgresReadPool(url, 5, health)
    yield pool
    pool.close()


def pid(connection: PipelineConnection) -> int:
    ((number,),) = connection.command("SELECT pg_backend_pid()")
    return int(number)


def test_the_pool_reuses_a_connection(pool: PostgresReadPool) -> None:
    assert pool.read(pid) == pool.read(pid)


def test_the_pool_replaces_a_lost_connection(pool: PostgresReadPool, url: PostgresUrl) -> None:
    numbers = [pool.read(pid)]
    with psycopg.connect(**url.parameters) as raw:  # type: ignore[arg-type]
        raw.execute("SELECT pg_terminate_backend(%s)", numbers)
    assert pool.read(pid) not in numbers


def test_repeated_losses_are_recorded_as_a_failure(pool: PostgresReadPool, health: Health) -> None:
    attempts: list[PipelineConnection] = []

    def end(connection: PipelineConnection) -> None:
        attempts.append(connection)
        connection.command(SUICIDE)

    with pytest.raises(UnavailableError, match="could not be read"):
        pool.read(end)
    assert health.degraded_reason is not None
    assert len(attempts) == ATTEMPTS


def test_a_wrong_statement_is_not_recorded_as_a_failure(
    pool: PostgresReadPool, health: Health
) -> None:
    with pytest.raises(UnavailableError, match="division by zero"):
        pool.read(lambda connection: connection.command("SELECT 1/0"))
    assert health.degraded_reason is None


def test_a_statement_timeout_is_a_locked_error(pool: PostgresReadPool) -> None:
    def wait(connection: PipelineConnection) -> None:
        connection.execute_pipeline([("SET statement_timeout = 50", None)])
        connection.command("SELECT pg_sleep(60)")

    with pytest.raises(DatabaseLockedError):
        pool.read(wait)


def test_an_aborted_read_is_not_retried(url: PostgresUrl, health: Health) -> None:
    pool, tried, done = PostgresReadPool(url, 0.2, health), [], threading.Event()

    def sleep(connection: PipelineConnection) -> None:
        tried.append(connection)
        connection.command("SELECT pg_sleep(60)")

    def abort() -> None:
        while not done.wait(0.02):
            pool.abort_overdue(time.monotonic())

    cutter = threading.Thread(target=abort)
    cutter.start()
    with pytest.raises(UnavailableError, match="could not be read"):
        pool.read(sleep)
    done.set()
    cutter.join()
    assert len(tried) == 1
    assert health.degraded_reason is not None
    pool.close()


def test_a_closed_pool_raises_an_error(pool: PostgresReadPool) -> None:
    pool.read(pid)
    pool.close()
    with pytest.raises(DatabaseClosedError):
        pool.read(pid)


def test_a_connection_that_is_in_use_at_the_end_is_closed_when_it_comes_back(
    pool: PostgresReadPool,
) -> None:
    def close(connection: PipelineConnection) -> PipelineConnection:
        assert pid(connection)
        pool.close()
        assert connection.connected
        return connection

    assert not pool.read(close).connected
