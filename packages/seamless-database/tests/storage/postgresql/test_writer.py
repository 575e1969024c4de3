"""Batch writer: outcomes of the requests of one batch after conflicts, errors and outages."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from database_samples import checksum, record
from database_targets import Place, fresh_place
from postgres_process import own_server
from sqlalchemy import bindparam, select

from seamless_database import request_types
from seamless_database.errors import (
    ConflictError,
    DatabaseLockedError,
    UnavailableError,
)
from seamless_database.models import Transformation
from seamless_database.protocol.request import from_python
from seamless_database.request_types.statements import (
    Connection,
    Statement,
    insert_statement,
)
from seamless_database.storage.batch_queue import Operation
from seamless_database.storage.postgresql.advisory_locks import GLOBAL_LOCK, lock_id
from seamless_database.storage.postgresql.connection import PipelineConnection
from seamless_database.storage.postgresql.health import Health
from seamless_database.storage.postgresql.url import PostgresUrl
from seamless_database.storage.postgresql.writer import BatchWriter, conflict_free_groups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT = 0.3


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with fresh_place("postgresql", tmp_path) as place:
        place.open().close()
        yield place


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def session(place: Place) -> Iterator[PipelineConnection]:
    session = PipelineConnection(PostgresUrl.of(place.target), timeout=30)
    yield session
    session.close()


@pytest.fixture
def writing(place: Place, session: PipelineConnection, health: Health) -> BatchWriter:
    return BatchWriter(session, PostgresUrl.of(place.target), WAIT, durable=True, health=health)


@pytest.fixture
def holder(place: Place) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Another server in the middle of a transaction."""
    with psycopg.connect(place.target.replace("+psycopg", "")) as raw:
        yield raw
        raw.rollback()


def task(**request: object) -> Operation[None]:
    checked = request_types.parse_write(from_python(request))
    return Operation(checked.run, checked.lock_keys())


def put(key: object, value: object) -> Operation[None]:
    return task(type="transformation", checksum=checksum(key), value=checksum(value))


def put_record(key: object, value: object, **changes: object) -> Operation[None]:
    names = {"checksum": checksum(key), "result": checksum(value)}
    body = record(names["checksum"], names["result"], **changes)
    return task(type="metadata", **names, value=body)


def stored(place: Place) -> dict[str, str]:
    return dict(place.rows("SELECT checksum, result FROM transformation"))


def known(**pairs: object) -> dict[str, str]:
    return {checksum(key): checksum(value) for key, value in pairs.items()}


def test_a_batch_is_one_transaction(writing: BatchWriter, place: Place) -> None:
    writing.write([put("a", 1), put("b", 2), put_record("c", 3)])
    assert stored(place) == known(a=1, b=2, c=3)
    assert len(set(place.rows("SELECT xmin::text FROM transformation"))) == 1
    assert (writing.commits.writes.count, writing.commits.writes.total) == (1, 3)


def test_requests_for_one_key_run_in_their_order(writing: BatchWriter, place: Place) -> None:
    tasks = [put_record("a", 1), put("a", 2), put_record("a", 1), put_record("a", 2), put("b", 0)]
    writing.write(tasks)
    errors = [type(task.error) for task in tasks]
    assert errors == [type(None), type(None), ConflictError, type(None), type(None)]
    assert stored(place) == known(a=2, b=0)
    assert place.count("meta_data") == 1


def test_a_rejected_request_changes_nothing_and_affects_no_other(
    writing: BatchWriter, place: Place, health: Health
) -> None:
    writing.write([put_record("a", 1)])
    tasks = [put("b", 2), put_record("a", 1, wall_time_seconds=9), put("c", 3)]
    writing.write(tasks)
    assert [task.error is None for task in tasks] == [True, False, True]
    assert isinstance(tasks[1].error, ConflictError)
    assert stored(place) == known(a=1, b=2, c=3)
    assert health.degraded_reason is None


def test_a_row_that_the_database_rejects_affects_no_other(
    writing: BatchWriter, place: Place, health: Health
) -> None:
    place.change(f"ALTER TABLE transformation ADD CHECK (checksum <> '{checksum('bad')}')")
    tasks = [put("a", 1), put("bad", 2), put("c", 3)]
    writing.write(tasks)
    assert [task.error is None for task in tasks] == [True, False, True]
    assert isinstance(tasks[1].error, UnavailableError)
    assert "nothing was stored" in str(tasks[1].error)
    assert stored(place) == known(a=1, c=3)
    assert health.degraded_reason is None


def test_a_lock_of_another_server_fails_only_its_key(
    writing: BatchWriter,
    place: Place,
    health: Health,
    holder: psycopg.Connection[tuple[object, ...]],
) -> None:
    tasks = [put("a", 1), put("held", 2), put("c", 3)]
    holder.execute("SELECT pg_advisory_xact_lock(%s)", [lock_id(tasks[1].lock_keys[0])])
    writing.write(tasks)
    assert [task.error is None for task in tasks] == [True, False, True]
    assert isinstance(tasks[1].error, DatabaseLockedError)
    assert health.degraded_reason is None
    holder.rollback()
    writing.write([tasks[1]])
    assert stored(place) == known(a=1, held=2, c=3)


def test_the_global_lock_fails_all_requests(
    writing: BatchWriter, place: Place, holder: psycopg.Connection[tuple[object, ...]]
) -> None:
    holder.execute("SELECT pg_advisory_xact_lock(%s)", [GLOBAL_LOCK])
    tasks = [put("a", 1), put("b", 2)]
    writing.write(tasks)
    assert [type(task.error) for task in tasks] == [DatabaseLockedError] * 2
    assert stored(place) == {}


def test_a_locked_table_fails_all_requests_after_one_wait(
    writing: BatchWriter, place: Place, holder: psycopg.Connection[tuple[object, ...]]
) -> None:
    holder.execute("LOCK TABLE transformation IN SHARE ROW EXCLUSIVE MODE")
    tasks = [put(number, 1) for number in range(20)]
    writing.write(tasks)
    # one wait for all: the very same error
    assert len({task.error for task in tasks}) == 1
    assert isinstance(tasks[0].error, DatabaseLockedError)
    holder.rollback()
    writing.write(tasks)
    assert len(stored(place)) == 20


def test_a_conflict_with_a_writer_without_locks_is_retried(
    writing: BatchWriter, place: Place, holder: psycopg.Connection[tuple[object, ...]]
) -> None:
    holder.execute(
        "INSERT INTO transformation VALUES (%s, %s)", [checksum("a"), checksum("theirs")]
    )
    tasks = [put_record("a", "ours"), put("b", 2)]
    writer = threading.Thread(target=writing.write, args=(tasks,))
    writer.start()
    # it waits to learn whether that row is going to be there
    time.sleep(WAIT / 3)
    holder.commit()
    writer.join(30)
    assert isinstance(tasks[0].error, ConflictError)
    assert tasks[1].error is None
    assert stored(place) == known(a="theirs", b=2)


def test_a_connection_that_was_lost_before_is_replaced(
    writing: BatchWriter, session: PipelineConnection, place: Place
) -> None:
    writing.write([put("a", 1)])
    ((pid,),) = session.command("SELECT pg_backend_pid()")
    place.change(f"DO $$ BEGIN PERFORM pg_terminate_backend({pid}, 5000); END $$")
    probe = {"bucket_kind": "node", "label": "n", "captured_at": "t", "freshness_tokens": {}}
    tasks = [task(type="bucket_probe", **probe, bucket_checksum=checksum(1))]
    writing.write(tasks)
    assert tasks[0].error is None
    assert place.count("bucket_probe") == 1


def test_an_unexpected_error_leaves_no_transaction_open(writing: BatchWriter, place: Place) -> None:
    insert = insert_statement(Transformation, "checksum", "result")
    odd = Operation(lambda c: c.run(insert, checksum="\ud800", result=""), put("a", 1).lock_keys)
    with pytest.raises(UnicodeEncodeError):
        writing.write([odd])
    ((idle,),) = place.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'"
    )
    assert idle == 0
    writing.write([put("a", 1)])
    assert stored(place) == known(a=1)


def test_the_locks_of_a_stopped_server_are_released(
    writing: BatchWriter, place: Place, health: Health
) -> None:
    result = Statement(
        select(Transformation.result).where(Transformation.checksum == bindparam("checksum"))
    )
    inside, going_on = threading.Event(), threading.Event()

    def stop(connection: Connection) -> None:
        if connection.one(result, checksum=checksum("a")) is not None:
            # what it has read is there, so its transaction has begun
            inside.set()
            assert going_on.wait(30)
        connection.run(insert, checksum=checksum("b"), result=checksum("theirs"))

    insert = insert_statement(Transformation, "checksum", "result")
    writing.write([put("a", 0)])
    stopped = Operation(stop, put("a", 0).lock_keys)
    thread = threading.Thread(target=writing.write, args=([stopped],))
    thread.start()
    assert inside.wait(30)
    address = PostgresUrl.of(place.target)
    other = PipelineConnection(address, timeout=30)
    task = put("a", 1)
    BatchWriter(other, address, 20, durable=True, health=health).write([task])
    assert task.error is None
    going_on.set()
    thread.join(30)
    other.close()
    assert isinstance(stopped.error, UnavailableError)
    assert stored(place) == known(a=1)


def die_at_commit(place: Place) -> None:
    place.change(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON transformation "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
    )


def test_a_connection_that_is_lost_in_the_commit_leaves_the_outcome_unknown(
    writing: BatchWriter, place: Place, health: Health
) -> None:
    die_at_commit(place)
    tasks = [put("a", 1), put("b", 2)]
    writing.write(tasks)
    for each in tasks:
        assert isinstance(each.error, UnavailableError)
        assert "not known" in str(each.error)
    assert health.degraded_reason is not None
    place.change("DROP TRIGGER die ON transformation")
    writing.write(tasks)
    assert [each.error for each in tasks] == [None, None]
    assert stored(place) == known(a=1, b=2)
    assert health.degraded_reason is None


def test_an_unreachable_server_fails_the_whole_batch(health: Health) -> None:
    address = PostgresUrl.of("postgresql://me@127.0.0.1:1/db")
    writing = BatchWriter(
        PipelineConnection(address, 1), address, WAIT, durable=True, health=health
    )
    tasks = [put("a", 1), put("b", 2)]
    outage = writing.write(tasks)
    assert outage is not None
    assert {each.error for each in tasks} == {outage}
    assert "nothing was stored" in str(outage)
    assert health.degraded_reason == str(outage)


def test_an_outage_during_individual_retries_fails_the_rest(health: Health) -> None:
    with own_server() as postgres:
        place = Place(postgres.url)
        place.open().close()
        place.change(f"ALTER TABLE transformation ADD CHECK (checksum <> '{checksum('bad')}')")
        address = PostgresUrl.of(postgres.url)
        session = PipelineConnection(address, timeout=30)
        attempts: list[None] = []

        def stop(_connection: Connection) -> None:
            attempts.append(None)
            if len(attempts) == 2:
                postgres.stop()

        tasks = [put("bad", 1), Operation(stop, ("stop",)), put("a", 1), put("b", 2)]
        outage = BatchWriter(session, address, WAIT, durable=True, health=health).write(tasks)
        session.close()
        assert outage is not None
        assert [task.error is outage for task in tasks] == [False, True, True, True]


@pytest.mark.parametrize(("durable", "level"), [(True, "on"), (False, "off")])
def test_durability_sets_synchronous_commit(
    session: PipelineConnection, place: Place, health: Health, durable: bool, level: str
) -> None:
    place.change(
        "CREATE TABLE seen (level text)",
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$",
        "CREATE TRIGGER look AFTER INSERT ON transformation FOR EACH ROW EXECUTE FUNCTION look()",
    )
    session.command("SET synchronous_commit = local")
    address = PostgresUrl.of(place.target)
    BatchWriter(session, address, WAIT, durable=durable, health=health).write([put("a", 1)])
    assert place.rows("SELECT level FROM seen") == [(level,)]
    # what was set for the transaction has ended with it
    assert session.command("SHOW synchronous_commit") == [("local",)]


def test_conflict_free_groups_keep_the_order_of_each_key() -> None:
    def keyed(*keys: str) -> Operation[None]:
        return Operation(lambda _: None, keys)

    a, b, ab, a2, c = keyed("a"), keyed("b"), keyed("a", "b"), keyed("a"), keyed("c")
    assert conflict_free_groups([a, b, ab, a2, c]) == [[a, b, c], [ab], [a2]]


@pytest.mark.stress
def test_a_commit_that_a_standby_has_not_confirmed_is_not_acknowledged(health: Health) -> None:
    with own_server() as postgres:
        place = Place(postgres.url)
        place.open().close()
        address = PostgresUrl.of(postgres.url)
        session = PipelineConnection(address, timeout=30)
        writing = BatchWriter(session, address, WAIT, durable=True, health=health)
        with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as raw:
            raw.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            raw.execute("SELECT pg_reload_conf()")
            tasks = [put("a", 1)]
            writer = threading.Thread(target=writing.write, args=(tasks,))
            writer.start()
            waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = %s"
            deadline = time.monotonic() + 30
            while not raw.execute(waiting, ["SyncRep"]).fetchall():
                assert time.monotonic() < deadline
                if not writer.is_alive():
                    # the server had not taken up its new configuration yet
                    tasks = [put(time.monotonic(), 1)]
                    writer = threading.Thread(target=writing.write, args=(tasks,))
                    writer.start()
                time.sleep(0.02)
            writer.join(30)
        session.close()
    assert isinstance(tasks[0].error, UnavailableError)
    assert "not known" in str(tasks[0].error)
