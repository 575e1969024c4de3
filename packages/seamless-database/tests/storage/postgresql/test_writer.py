"""Batch writer: outcomes of the requests of one batch after conflicts, errors and outages."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from database_samples import checksum, record
from database_server import wait_until
from database_targets import DatabaseUnderTest, fresh_place
from postgres_process import own_server
from sqlalchemy import bindparam, select

from seamless_database import request_types
from seamless_database.errors import (
    ConflictError,
    DatabaseLockedError,
    UnavailableError,
)
from seamless_database.protocol.request import from_python
from seamless_database.request_types.bulk_write import BulkWrite
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    insert_statement,
)
from seamless_database.storage.batch_queue import Operation
from seamless_database.storage.postgresql.advisory_locks import GLOBAL_LOCK, lock_id
from seamless_database.storage.postgresql.connection import PipelineConnection
from seamless_database.storage.postgresql.health import Health
from seamless_database.storage.postgresql.url import PostgresUrl
from seamless_database.storage.postgresql.writer import (
    MAX_GROUP,
    BatchWriter,
    conflict_free_groups,
)
from seamless_database.tables import TRANSFORMATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT = 0.3


@pytest.fixture
def place(tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    with fresh_place("postgresql", tmp_path) as place:
        place.open().close()
        yield place


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def connection(place: DatabaseUnderTest) -> Iterator[PipelineConnection]:
    connection = PipelineConnection(PostgresUrl.of(place.target), timeout=30)
    yield connection
    connection.close()


@pytest.fixture
def batch_writer(
    place: DatabaseUnderTest, connection: PipelineConnection, health: Health
) -> BatchWriter:
    return BatchWriter(connection, PostgresUrl.of(place.target), WAIT, durable=True, health=health)


@pytest.fixture
def holder(place: DatabaseUnderTest) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Another server in the middle of a transaction."""
    with psycopg.connect(place.target.replace("+psycopg", "")) as raw:
        yield raw
        raw.rollback()


def operation(**request: object) -> Operation[None]:
    checked = request_types.parse_write(from_python(request))
    assert not isinstance(checked, BulkWrite)
    return Operation(checked.run, checked.lock_keys())


def put(key: object, value: object) -> Operation[None]:
    return operation(type="transformation", checksum=checksum(key), value=checksum(value))


def put_record(key: object, value: object, **changes: object) -> Operation[None]:
    names = {"checksum": checksum(key), "result": checksum(value)}
    body = record(names["checksum"], names["result"], **changes)
    return operation(type="metadata", **names, value=body)


def stored(place: DatabaseUnderTest) -> dict[str, str]:
    return dict(place.rows("SELECT checksum, result FROM transformation"))


def known(**pairs: object) -> dict[str, str]:
    return {checksum(key): checksum(value) for key, value in pairs.items()}


def test_a_batch_is_one_transaction(batch_writer: BatchWriter, place: DatabaseUnderTest) -> None:
    batch_writer.write([put("a", 1), put("b", 2), put_record("c", 3)])
    assert stored(place) == known(a=1, b=2, c=3)
    assert len(set(place.rows("SELECT xmin::text FROM transformation"))) == 1
    assert (batch_writer.commits.writes.count, batch_writer.commits.writes.total) == (1, 3)


def test_requests_for_one_key_run_in_their_order(
    batch_writer: BatchWriter, place: DatabaseUnderTest
) -> None:
    batch = [put_record("a", 1), put("a", 2), put_record("a", 1), put_record("a", 2), put("b", 0)]
    batch_writer.write(batch)
    errors = [type(operation.error) for operation in batch]
    assert errors == [type(None), type(None), ConflictError, type(None), type(None)]
    assert stored(place) == known(a=2, b=0)
    assert place.count("meta_data") == 1


def test_a_rejected_request_changes_nothing_and_affects_no_other(
    batch_writer: BatchWriter, place: DatabaseUnderTest, health: Health
) -> None:
    batch_writer.write([put_record("a", 1)])
    batch = [put("b", 2), put_record("a", 1, wall_time_seconds=9), put("c", 3)]
    batch_writer.write(batch)
    assert [operation.error is None for operation in batch] == [True, False, True]
    assert isinstance(batch[1].error, ConflictError)
    assert stored(place) == known(a=1, b=2, c=3)
    assert health.degraded_reason is None


def test_a_row_that_the_database_rejects_affects_no_other(
    batch_writer: BatchWriter, place: DatabaseUnderTest, health: Health
) -> None:
    place.change(f"ALTER TABLE transformation ADD CHECK (checksum <> '{checksum('bad')}')")
    batch = [put("a", 1), put("bad", 2), put("c", 3)]
    batch_writer.write(batch)
    assert [operation.error is None for operation in batch] == [True, False, True]
    assert isinstance(batch[1].error, UnavailableError)
    assert "nothing was stored" in str(batch[1].error)
    assert stored(place) == known(a=1, c=3)
    assert health.degraded_reason is None


def test_a_lock_of_another_server_fails_only_its_key(
    batch_writer: BatchWriter,
    place: DatabaseUnderTest,
    health: Health,
    holder: psycopg.Connection[tuple[object, ...]],
) -> None:
    batch = [put("a", 1), put("held", 2), put("c", 3)]
    holder.execute("SELECT pg_advisory_xact_lock(%s)", [lock_id(batch[1].lock_keys[0])])
    batch_writer.write(batch)
    assert [operation.error is None for operation in batch] == [True, False, True]
    assert isinstance(batch[1].error, DatabaseLockedError)
    assert health.degraded_reason is None
    holder.rollback()
    batch_writer.write([batch[1]])
    assert stored(place) == known(a=1, held=2, c=3)


def test_the_global_lock_fails_all_requests(
    batch_writer: BatchWriter,
    place: DatabaseUnderTest,
    holder: psycopg.Connection[tuple[object, ...]],
) -> None:
    holder.execute("SELECT pg_advisory_xact_lock(%s)", [GLOBAL_LOCK])
    batch = [put("a", 1), put("b", 2)]
    batch_writer.write(batch)
    assert [type(operation.error) for operation in batch] == [DatabaseLockedError] * 2
    assert stored(place) == {}


def test_a_locked_table_fails_all_requests_after_one_wait(
    batch_writer: BatchWriter,
    place: DatabaseUnderTest,
    holder: psycopg.Connection[tuple[object, ...]],
) -> None:
    holder.execute("LOCK TABLE transformation IN SHARE ROW EXCLUSIVE MODE")
    batch = [put(number, 1) for number in range(20)]
    batch_writer.write(batch)
    # one wait for all: the very same error
    assert len({operation.error for operation in batch}) == 1
    assert isinstance(batch[0].error, DatabaseLockedError)
    holder.rollback()
    batch_writer.write(batch)
    assert len(stored(place)) == 20


def test_a_conflict_with_a_writer_without_locks_is_retried(
    batch_writer: BatchWriter,
    place: DatabaseUnderTest,
    holder: psycopg.Connection[tuple[object, ...]],
) -> None:
    holder.execute(
        "INSERT INTO transformation VALUES (%s, %s)", [checksum("a"), checksum("theirs")]
    )
    batch = [put_record("a", "ours"), put("b", 2)]
    thread = threading.Thread(target=batch_writer.write, args=(batch,))
    thread.start()
    # it waits to learn whether that row is going to be there
    time.sleep(WAIT / 3)
    holder.commit()
    thread.join(30)
    assert isinstance(batch[0].error, ConflictError)
    assert batch[1].error is None
    assert stored(place) == known(a="theirs", b=2)


def test_a_connection_that_was_lost_before_is_replaced(
    batch_writer: BatchWriter, connection: PipelineConnection, place: DatabaseUnderTest
) -> None:
    batch_writer.write([put("a", 1)])
    ((pid,),) = connection.command("SELECT pg_backend_pid()")
    place.change(f"DO $$ BEGIN PERFORM pg_terminate_backend({pid}, 5000); END $$")
    probe = {"bucket_kind": "node", "label": "n", "captured_at": "t", "freshness_tokens": {}}
    batch = [operation(type="bucket_probe", **probe, bucket_checksum=checksum(1))]
    batch_writer.write(batch)
    assert batch[0].error is None
    assert place.count("bucket_probe") == 1


def test_an_unexpected_error_leaves_no_transaction_open(
    batch_writer: BatchWriter, place: DatabaseUnderTest
) -> None:
    insert = insert_statement(TRANSFORMATION, "checksum", "result")
    odd = Operation(lambda c: c.run(insert, checksum="\ud800", result=""), put("a", 1).lock_keys)
    with pytest.raises(UnicodeEncodeError):
        batch_writer.write([odd])
    # PostgreSQL notices a moment later that the connection was closed
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'"
    wait_until(lambda: place.rows(idle) == [(0,)])
    batch_writer.write([put("a", 1)])
    assert stored(place) == known(a=1)


def test_the_locks_of_a_stopped_server_are_released(
    batch_writer: BatchWriter, place: DatabaseUnderTest, health: Health
) -> None:
    result = Statement(
        select(TRANSFORMATION.c.result).where(TRANSFORMATION.c.checksum == bindparam("checksum"))
    )
    inside, going_on = threading.Event(), threading.Event()

    def stop(connection: StatementConnection) -> None:
        if connection.one(result, checksum=checksum("a")) is not None:
            # what it has read is there, so its transaction has begun
            inside.set()
            assert going_on.wait(30)
        connection.run(insert, checksum=checksum("b"), result=checksum("theirs"))

    insert = insert_statement(TRANSFORMATION, "checksum", "result")
    batch_writer.write([put("a", 0)])
    stopped = Operation(stop, put("a", 0).lock_keys)
    thread = threading.Thread(target=batch_writer.write, args=([stopped],))
    thread.start()
    assert inside.wait(30)
    url = PostgresUrl.of(place.target)
    other = PipelineConnection(url, timeout=30)
    operation = put("a", 1)
    BatchWriter(other, url, 20, durable=True, health=health).write([operation])
    assert operation.error is None
    going_on.set()
    thread.join(30)
    other.close()
    assert isinstance(stopped.error, UnavailableError)
    assert stored(place) == known(a=1)


def die_at_commit(place: DatabaseUnderTest) -> None:
    place.change(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON transformation "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
    )


def test_a_connection_that_is_lost_in_the_commit_leaves_the_outcome_unknown(
    batch_writer: BatchWriter, place: DatabaseUnderTest, health: Health
) -> None:
    die_at_commit(place)
    batch = [put("a", 1), put("b", 2)]
    batch_writer.write(batch)
    for operation in batch:
        assert isinstance(operation.error, UnavailableError)
        assert "not known" in str(operation.error)
    assert health.degraded_reason is not None
    place.change("DROP TRIGGER die ON transformation")
    batch_writer.write(batch)
    assert [operation.error for operation in batch] == [None, None]
    assert stored(place) == known(a=1, b=2)
    assert health.degraded_reason is None


def test_an_unreachable_server_fails_the_whole_batch(health: Health) -> None:
    url = PostgresUrl.of("postgresql://me@127.0.0.1:1/db")
    batch_writer = BatchWriter(PipelineConnection(url, 1), url, WAIT, durable=True, health=health)
    batch = [put("a", 1), put("b", 2)]
    outage = batch_writer.write(batch)
    assert outage is not None
    assert {operation.error for operation in batch} == {outage}
    assert "nothing was stored" in str(outage)
    assert health.degraded_reason == str(outage)


def test_an_outage_during_retries_fails_the_rest(health: Health) -> None:
    with own_server() as postgres:
        place = DatabaseUnderTest(postgres.url)
        place.open().close()
        place.change(f"ALTER TABLE transformation ADD CHECK (checksum <> '{checksum('bad')}')")
        url = PostgresUrl.of(postgres.url)
        connection = PipelineConnection(url, timeout=30)
        attempts: list[None] = []

        def stop(_connection: StatementConnection) -> None:
            attempts.append(None)
            if len(attempts) == 2:
                postgres.stop()

        batch = [put("bad", 1), put("a", 1), Operation(stop, ("stop",)), put("b", 2)]
        outage = BatchWriter(connection, url, WAIT, durable=True, health=health).write(batch)
        connection.close()
        assert outage is not None
        assert [operation.error is outage for operation in batch] == [False, False, True, True]
        assert batch[1].error is None


@pytest.mark.parametrize(("durable", "level"), [(True, "on"), (False, "off")])
def test_durability_sets_synchronous_commit(
    connection: PipelineConnection,
    place: DatabaseUnderTest,
    health: Health,
    durable: bool,
    level: str,
) -> None:
    place.change(
        "CREATE TABLE seen (level text)",
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$",
        "CREATE TRIGGER look AFTER INSERT ON transformation FOR EACH ROW EXECUTE FUNCTION look()",
    )
    connection.command("SET synchronous_commit = local")
    url = PostgresUrl.of(place.target)
    BatchWriter(connection, url, WAIT, durable=durable, health=health).write([put("a", 1)])
    assert place.rows("SELECT level FROM seen") == [(level,)]
    # what was set for the transaction has ended with it
    assert connection.command("SHOW synchronous_commit") == [("local",)]


def test_conflict_free_groups_keep_the_order_of_each_key() -> None:
    def keyed(*keys: str) -> Operation[None]:
        return Operation(lambda _: None, keys)

    a, b, ab, a2, c = keyed("a"), keyed("b"), keyed("a", "b"), keyed("a"), keyed("c")
    assert conflict_free_groups([a, b, ab, a2, c]) == [[a, b, c], [ab], [a2]]


def test_conflict_free_groups_are_small() -> None:
    operations = [Operation(lambda _: None, (str(number),)) for number in range(MAX_GROUP + 1)]
    assert conflict_free_groups(operations) == [operations[:-1], operations[-1:]]


@pytest.mark.stress
def test_a_commit_that_a_standby_has_not_confirmed_is_not_acknowledged(health: Health) -> None:
    with own_server() as postgres:
        place = DatabaseUnderTest(postgres.url)
        place.open().close()
        url = PostgresUrl.of(postgres.url)
        connection = PipelineConnection(url, timeout=30)
        batch_writer = BatchWriter(connection, url, WAIT, durable=True, health=health)
        with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as raw:
            raw.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            raw.execute("SELECT pg_reload_conf()")
            batch = [put("a", 1)]
            thread = threading.Thread(target=batch_writer.write, args=(batch,))
            thread.start()
            waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = %s"
            deadline = time.monotonic() + 30
            while not raw.execute(waiting, ["SyncRep"]).fetchall():
                assert time.monotonic() < deadline
                if not thread.is_alive():
                    # the server had not taken up its new configuration yet
                    batch = [put(time.monotonic(), 1)]
                    thread = threading.Thread(target=batch_writer.write, args=(batch,))
                    thread.start()
                time.sleep(0.02)
            thread.join(30)
        connection.close()
    assert isinstance(batch[0].error, UnavailableError)
    assert "not known" in str(batch[0].error)
