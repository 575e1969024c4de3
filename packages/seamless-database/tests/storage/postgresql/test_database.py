"""PostgreSQL database: what it does in addition to the interface of both back ends."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from database_samples import checksum
from database_server import TIMEOUT
from database_targets import DatabaseUnderTest, fresh_place
from postgres_process import own_server
from psycopg import sql

from seamless_database import request_types
from seamless_database.errors import (
    DatabaseClosedError,
    ReadOnlyError,
    RequestError,
    ServerError,
    UnavailableError,
)
from seamless_database.protocol.request import from_python
from seamless_database.request_types.bulk_write import BulkWrite
from seamless_database.storage.postgresql.advisory_locks import lock_id
from seamless_database.storage.postgresql.database import PostgresDatabase
from seamless_database.storage.postgresql.health import INTERVAL
from seamless_database.storage.postgresql.url import PostgresUrl
from seamless_database.storage.row_estimates import estimate_rows
from seamless_database.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seamless_database.request_types.base import ReadRequest
    from seamless_database.storage.backend import Backend

GET = {"type": "transformation", "checksum": checksum(1)}
PUT = {**GET, "value": checksum(2)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    with fresh_place("postgresql", tmp_path) as place:
        yield place


@pytest.fixture
def database(place: DatabaseUnderTest) -> Iterator[Backend]:
    with place.open() as database:
        yield database


def get(**fields: object) -> ReadRequest:
    return request_types.parse_read(from_python(fields))


def test_texts_of_any_length_and_character_are_keys(database: Backend) -> None:
    odd = "\x00\x01é%s" + "x" * 20_000
    under = {"celltype": odd, "subcelltype": odd}
    meaning = {"type": "semantic_to_syntactic", "checksum": checksum(1), **under}
    database.put({**meaning, "value": [checksum(2)]})
    assert database.get(meaning) == f'["{checksum(2)}"]'
    probe = {"type": "bucket_probe", "bucket_kind": "node", "label": odd}
    more = {"bucket_checksum": checksum(3), "captured_at": odd, "freshness_tokens": {}}
    for _ in range(2):
        database.put({**probe, **more})
    answer = database.get(probe)
    assert answer is not None
    assert json.loads(answer)["captured_at"] == odd


def test_look_ups_and_lists_are_answered_on_an_event_loop(database: Backend) -> None:
    database.put(PUT)

    async def talk() -> list[str | None]:
        asked = [get(**GET) for _ in range(100)]
        asked += [get(type="rev_transformations", checksum=checksum(2)) for _ in range(10)]
        asked.append(get(type="transformation", checksum=checksum(9)))
        return list(await asyncio.gather(*map(database.execute_read, asked)))

    listed = f'["{checksum(1)}"]'
    assert asyncio.run(talk()) == [checksum(2)] * 100 + [listed] * 10 + [None]


def test_execute_write_returns_when_the_write_is_durable(database: Backend) -> None:
    asyncio.run(database.execute_write(request_types.parse_write(from_python(PUT))))
    assert database.get(GET) == checksum(2)


def test_a_reader_rejects_writes(database: Backend, place: DatabaseUnderTest) -> None:
    with place.open(writable=False) as reader, pytest.raises(ReadOnlyError):
        reader.put(PUT)


def test_an_invalid_request_is_named(database: Backend) -> None:
    with pytest.raises(RequestError, match="'value'"):
        database.put(GET)


def test_a_closed_database_raises_an_error(database: Backend) -> None:
    database.get(GET)
    database.close()
    database.close()
    with pytest.raises(DatabaseClosedError):
        database.get(GET)
    with pytest.raises(DatabaseClosedError):
        database.put(PUT)
    for request in (get(**GET), get(type="rev_transformations", checksum=checksum(2))):
        with pytest.raises(DatabaseClosedError):
            asyncio.run(database.execute_read(request))


def test_rows_are_counted(database: Backend) -> None:
    database.put(PUT)

    found = estimate_rows(database)
    assert set(found) == set(TABLES)
    assert sum(found.values()) == 2


def test_a_table_that_is_dropped_is_an_error_not_a_miss(
    database: Backend, place: DatabaseUnderTest
) -> None:
    place.change("DROP TABLE transformation")
    with pytest.raises(UnavailableError, match="transformation"):
        database.get(GET)
    with pytest.raises(UnavailableError, match="transformation"):
        asyncio.run(database.execute_read(get(**GET)))
    with pytest.raises(UnavailableError, match="nothing was stored"):
        database.put(PUT)


def test_many_threads_may_use_a_database(database: Backend) -> None:
    def talk(start: int) -> None:
        for number in range(start, start + 20):
            key = {"type": "transformation", "checksum": checksum(number)}
            database.put({**key, "value": checksum(-number)})
            assert database.get(key) == checksum(-number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(talk, range(100, 700, 100)))


def test_a_long_wait_for_a_lock_is_not_an_outage(
    place: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # seconds that a write may take, next to its waits for locks
    monkeypatch.setattr("seamless_database.storage.postgresql.database.TIMEOUT", 0.2)
    address = PostgresUrl.of(place.target)
    request = request_types.parse_write(from_python(PUT))
    assert not isinstance(request, BulkWrite)
    with (
        PostgresDatabase(address, writable=True, lock_wait=30.0) as database,
        psycopg.connect(place.target.replace("+psycopg", "")) as holder,
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [lock_id(request.lock_keys()[0])])
        written = pool.submit(database.put, PUT)
        # the watch has looked at it more than once by then
        time.sleep(2.5 * INTERVAL)
        assert not written.done()
        holder.rollback()
        written.result(TIMEOUT)
        assert database.degraded_reason is None
        assert database.get(GET) == checksum(2)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_another_encoding_is_rejected(place: DatabaseUnderTest, encoding: str) -> None:
    url = place.target.replace("+psycopg", "")
    name = f"seamless_test_{encoding.lower()}"
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(f"CREATE DATABASE {name} ENCODING {encoding} TEMPLATE template0 LOCALE 'C'")
        try:
            with psycopg.connect(url, dbname=name):
                other = {**PostgresUrl.of(place.target).parameters, "dbname": name}
            with pytest.raises(ServerError, match=encoding):
                PostgresDatabase(PostgresUrl(name, other), writable=True)
        finally:
            raw.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_unreachable_server_is_named_without_the_password() -> None:
    with pytest.raises(ServerError, match="refused") as caught:
        PostgresDatabase(PostgresUrl.of("postgresql://me:hunter2@127.0.0.1:1/db"))
    assert caught.value.name == "postgresql+psycopg://me@127.0.0.1:1/db"
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def one_look_up_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seamless_database.storage.postgresql.database.MAX_LOOKUPS", 1)


@pytest.mark.usefixtures("one_look_up_at_a_time")
def test_an_outage_fails_all_queued_look_ups_after_one_attempt(
    place: DatabaseUnderTest, database: Backend
) -> None:
    asked = 50

    async def look_up(database: Backend) -> set[BaseException | str | None]:
        requests = (database.execute_read(get(**GET)) for _ in range(asked))
        return set(await asyncio.gather(*requests, return_exceptions=True))

    database.put(PUT)
    assert asyncio.run(look_up(database)) == {checksum(2)}
    with no_connections(place):
        errors = asyncio.run(look_up(database))
    assert {type(error) for error in errors} == {UnavailableError}
    assert len(errors) < asked


@contextmanager
def no_connections(place: DatabaseUnderTest) -> Iterator[None]:
    """End all connections to a database, and allow no new ones."""
    name = str(PostgresUrl.of(place.target).parameters["dbname"])
    url = place.target.replace("+psycopg", "")
    with psycopg.connect(url, dbname="template1", autocommit=True) as raw:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        raw.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            raw.execute(end, [name])
            yield
        finally:
            raw.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


def test_a_probe_writes_only_while_the_database_is_degraded(
    database: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(database, PostgresDatabase)
    probe = "seamless_database.storage.postgresql.database._WRITE_PROBE"
    monkeypatch.setattr(probe, "SELECT 1/0")
    database._probe()
    assert database.degraded_reason is None
    database._health.record_failure("away")
    database._probe()
    assert "division by zero" in str(database.degraded_reason)
    monkeypatch.undo()
    database._probe()
    assert database.degraded_reason is None


@pytest.mark.stress
def test_probes_detect_an_outage_and_its_end() -> None:
    with own_server() as postgres:
        place = DatabaseUnderTest(postgres.url)
        with place.open() as database, place.open(writable=False) as reader:
            assert _troubles(database, reader) == [None, None]
            postgres.stop()
            _wait_until(lambda: None not in _troubles(database, reader))
            postgres.start()
            _wait_until(lambda: _troubles(database, reader) == [None, None])
            change = "ALTER SYSTEM SET default_transaction_read_only = on"
            with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as raw:
                raw.execute(change)
                raw.execute("SELECT pg_reload_conf()")
            # as after a change of roles: it is there, but takes no writes
            _wait_until(lambda: "only be read" in str(_troubles(database)))
            assert _troubles(reader) == [None]


def _troubles(*databases: Backend) -> list[str | None]:
    return [database.degraded_reason for database in databases]


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
