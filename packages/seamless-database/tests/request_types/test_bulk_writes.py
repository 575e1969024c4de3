"""Bulk writes: each entry has the outcome of the single request, whatever the others are."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from database_samples import checksum, record
from database_targets import BACK_ENDS, DatabaseUnderTest, fresh_place

from seamless_database import Database
from seamless_database.errors import (
    DatabaseError,
    DatabaseLockedError,
    ReadOnlyError,
    RequestError,
)
from seamless_database.protocol.request import MAX_ENTRIES, from_python
from seamless_database.request_types import bulk_write, metadata, parse_write
from seamless_database.request_types.transformation import PutTransformation, PutTransformations
from seamless_database.storage.postgresql.advisory_locks import lock_id
from seamless_database.storage.postgresql.database import PostgresDatabase
from seamless_database.storage.postgresql.url import PostgresUrl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from seamless_database.request_types.statements import StatementConnection
    from seamless_database.storage.backend import Backend

#: a bulk write -> the single request of its entries
KINDS = {
    "transformations": "transformation",
    "buffer_infos": "buffer_info",
    "metadatas": "metadata",
}
TABLES = ("transformation", "rev_transformation", "buffer_info", "meta_data")
STORED, UNCHANGED = bulk_write.STORED, bulk_write.UNCHANGED


@pytest.fixture(params=BACK_ENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    with fresh_place(request.param, tmp_path) as place:
        yield place


@pytest.fixture
def database(place: DatabaseUnderTest) -> Iterator[Backend]:
    with place.open() as database:
        yield database


def put(database: Backend, kind: str, value: object) -> dict[str, Any]:
    text = database.put({"type": kind, "value": value})
    assert text is not None
    outcomes: dict[str, Any] = json.loads(text)
    return outcomes


def put_single(database: Backend, kind: str, key: str, entry: object) -> Any:
    """Send an entry alone; returns what its outcome in a bulk write has to be."""
    fields = entry if kind == "metadatas" and isinstance(entry, dict) else {"value": entry}
    try:
        database.put({"type": KINDS[kind], "checksum": key, **fields})
    except DatabaseError as error:
        return {"status": error.status, "error": str(error)}
    return None


def rows(place: DatabaseUnderTest) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows, without the numbers of reverse rows."""
    return {
        table: sorted(
            row[1:] if table == "rev_transformation" else row
            for row in place.rows(f"SELECT * FROM {table}")
        )
        for table in TABLES
    }


def record_entry(key: object, result: object, **fields: object) -> dict[str, Any]:
    return {
        "result": checksum(result),
        "value": record(checksum(key), checksum(result), **fields),
    }


def test_results_are_stored_and_found_both_ways(database: Backend) -> None:
    value = {checksum(n): checksum(-n) for n in range(1, 30)}
    assert put(database, "transformations", value) == dict.fromkeys(value, STORED)
    found = database.get({"type": "transformations", "checksums": [*value]})
    assert json.loads(found or "") == value
    reverse = database.get({"type": "rev_transformations", "checksum": checksum(-7)})
    assert json.loads(reverse or "") == [checksum(7)]


def test_infos_are_merged(database: Backend) -> None:
    first = {checksum(1): {"length": 1}, checksum(2): {"length": 2}}
    assert put(database, "buffer_infos", first) == dict.fromkeys(first, STORED)
    second = {checksum(1): {"is_utf8": True}, checksum(2): {"length": 2}}
    outcomes = put(database, "buffer_infos", second)
    assert outcomes == {checksum(1): STORED, checksum(2): UNCHANGED}
    found = database.get({"type": "buffer_info", "checksum": checksum(1)})
    assert json.loads(found or "") == {"length": 1, "is_utf8": True}


def test_records_are_stored_with_their_results(database: Backend) -> None:
    value = {checksum(n): record_entry(n, -n, wall_time_seconds=n) for n in range(1, 4)}
    assert put(database, "metadatas", value) == dict.fromkeys(value, STORED)
    for n in range(1, 4):
        found = database.get({"type": "metadata", "checksum": checksum(n)})
        assert json.loads(found or "") == value[checksum(n)]["value"]
        assert database.get({"type": "transformation", "checksum": checksum(n)}) == checksum(-n)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_again_changes_nothing(
    database: Backend, place: DatabaseUnderTest, kind: str
) -> None:
    values: dict[str, dict[str, Any]] = {
        "transformations": {checksum(1): checksum(2), checksum(3): checksum(4)},
        "buffer_infos": {checksum(1): {"length": 1}, checksum(2): {}},
        "metadatas": {checksum(1): record_entry(1, 2), checksum(3): record_entry(3, 4)},
    }
    value = values[kind]
    assert put(database, kind, value) == dict.fromkeys(value, STORED)
    before = rows(place)
    for _ in range(2):
        assert put(database, kind, value) == dict.fromkeys(value, UNCHANGED)
    assert rows(place) == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_object_stores_nothing(database: Backend, kind: str) -> None:
    assert put(database, kind, {}) == {}


def test_invalid_and_conflicting_entries_do_not_fail_the_others(database: Backend) -> None:
    put(database, "metadatas", {checksum(1): record_entry(1, 2), checksum(3): record_entry(3, 4)})
    database.put({"type": "irreproducible", "checksum": checksum(3), "result": checksum(4)})
    outcomes = put(
        database,
        "metadatas",
        {
            "zz": record_entry(1, 2),
            checksum(1): record_entry(1, 2, wall_time_seconds=5),
            checksum(3): record_entry(3, 4),
            checksum(5): record_entry(5, 6),
            checksum(7): {"result": checksum(8)},
            checksum(9): None,
            checksum(10): record_entry(11, 12),
        },
    )
    assert outcomes.pop(checksum(5)) == STORED
    statuses = {key: found["status"] for key, found in outcomes.items()}
    assert statuses == {"zz": 400, **dict.fromkeys(map(checksum, (1, 3)), 409)} | dict.fromkeys(
        map(checksum, (7, 9, 10)), 400
    )
    errors = [found["error"] for found in outcomes.values()]
    assert errors[0].startswith("the field 'checksum' of a metadata request must be a checksum")
    assert errors[1] == "Execution record already exists with different metadata"
    assert errors[2] == "Transformation already has irreproducible records"
    assert errors[3] == "a metadata request needs the field 'value'"
    assert errors[4].endswith("must be an object with result and value, not None")
    assert errors[5].startswith("the field 'tf_checksum' of an execution record must be")
    assert database.get({"type": "transformation", "checksum": checksum(5)}) == checksum(6)
    assert database.get({"type": "transformation", "checksum": checksum(7)}) is None


def test_keys_that_differ_in_case_name_one_row_and_are_stored_in_order(database: Backend) -> None:
    key = checksum("ab")
    assert key != key.upper()
    outcomes = put(database, "transformations", {key: checksum(1), key.upper(): checksum(2)})
    assert outcomes == {key: STORED, key.upper(): STORED}
    assert database.get({"type": "transformation", "checksum": key}) == checksum(2)
    outcomes = put(database, "transformations", {key.upper(): checksum(2), key: checksum(2)})
    assert outcomes == {key.upper(): UNCHANGED, key: UNCHANGED}
    infos = {key.upper(): {"length": 5}, key: {"is_utf8": True}}
    put(database, "buffer_infos", infos)
    found = database.get({"type": "buffer_info", "checksum": key})
    assert json.loads(found or "") == {"length": 5, "is_utf8": True}


def test_another_result_replaces_the_former_and_its_record(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put(database, "metadatas", {checksum(1): record_entry(1, 2)})
    assert put(database, "transformations", {checksum(1): checksum(3)}) == {checksum(1): STORED}
    assert database.get({"type": "metadata", "checksum": checksum(1)}) is None
    assert rows(place)["rev_transformation"] == [(checksum(3), checksum(1))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [None, 5, "", [], [checksum(1)], checksum(1)])
def test_a_value_that_is_no_object_is_rejected(database: Backend, kind: str, wrong: object) -> None:
    with pytest.raises(RequestError, match=f"'value' of a {kind} request must be an object"):
        database.put({"type": kind, "value": wrong})


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_entries_are_rejected_and_none_is_stored(
    database: Backend, place: DatabaseUnderTest, kind: str
) -> None:
    value: dict[str, object] = {checksum(n): {} for n in range(MAX_ENTRIES + 1)}
    with pytest.raises(RequestError, match=r"an object of at most 1000 entries"):
        database.put({"type": kind, "value": value})
    assert not any(rows(place).values())


def test_the_most_entries_are_stored_in_one_commit(database: Backend) -> None:
    value = {checksum(n): checksum((n, "result")) for n in range(MAX_ENTRIES)}
    assert put(database, "transformations", value) == dict.fromkeys(value, STORED)
    commits = database.commits
    assert commits is not None
    assert (commits.writes.count, commits.writes.total) == (1, MAX_ENTRIES)
    found = database.get({"type": "transformations", "checksums": [*value]})
    assert json.loads(found or "") == value


def test_a_large_record_is_compared_apart_from_the_other_entries(database: Backend) -> None:
    note = "x" * 2 * metadata.MAX_COMPARED
    large = {
        checksum(1): record_entry(1, 2, a=1, note=note),
        checksum(3): record_entry(3, 4, a=1, note=note),
    }
    assert put(database, "metadatas", large) == dict.fromkeys(large, STORED)
    reordered = dict(reversed(large[checksum(1)]["value"].items()))
    outcomes = put(
        database,
        "metadatas",
        {
            checksum(1): {"result": checksum(2), "value": reordered},
            checksum(3): record_entry(3, 4, a=2, note=note),
            checksum(5): record_entry(5, 6),
        },
    )
    assert outcomes.pop(checksum(3)) == {
        "status": 409,
        "error": "Execution record already exists with different metadata",
    }
    assert outcomes == {checksum(1): UNCHANGED, checksum(5): STORED}


def test_a_damaged_result_is_replaced(database: Backend, place: DatabaseUnderTest) -> None:
    place.insert("transformation", checksum(1), "damaged")
    assert put(database, "transformations", {checksum(1): checksum(2)}) == {checksum(1): STORED}
    assert database.get({"type": "transformation", "checksum": checksum(1)}) == checksum(2)


def test_an_event_loop_gets_the_same_outcomes(database: Backend) -> None:
    note = "x" * 2 * metadata.MAX_COMPARED
    value: dict[str, object] = {checksum(1): record_entry(1, 2, note=note), "zz": {}}

    async def write() -> dict[str, Any]:
        body = {"type": "metadatas", "value": value}
        text = await database.execute_write(parse_write(from_python(body)))
        outcomes: dict[str, Any] = json.loads(text or "")
        return outcomes

    assert asyncio.run(write())[checksum(1)] == STORED
    value[checksum(1)] = record_entry(1, 2, note=note[1:] + "y")
    outcomes = asyncio.run(write())
    assert {key: found["status"] for key, found in outcomes.items()} == {
        checksum(1): 409,
        "zz": 400,
    }


def test_a_read_only_database_takes_no_entries(place: DatabaseUnderTest) -> None:
    place.open().close()
    with place.open(writable=False) as database, pytest.raises(ReadOnlyError):
        database.put({"type": "transformations", "value": {}})


def test_a_locked_file_stores_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "seamless.db"
    value = {checksum(1): checksum(2), "x": None}
    with (
        Database(path, writable=True, lock_wait=0.1) as database,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseLockedError):
            put(database, "transformations", value)
        other.execute("ROLLBACK")
        assert put(database, "transformations", value)[checksum(1)] == STORED


def test_an_entry_that_another_server_has_locked_does_not_fail_the_others(tmp_path: Path) -> None:
    keys = [checksum(number) for number in range(5)]
    value = dict.fromkeys(keys, checksum("result"))
    with (
        fresh_place("postgresql", tmp_path) as place,
        PostgresDatabase(PostgresUrl.of(place.target), writable=True, lock_wait=0.3) as database,
        psycopg.connect(place.target.replace("+psycopg", "")) as holder,
    ):
        lock = lock_id(PutTransformation(keys[2], keys[2]).lock_keys()[0])
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
        outcomes = put(database, "transformations", value)
        assert outcomes.pop(keys[2])["status"] == 503
        assert outcomes == dict.fromkeys([*keys[:2], *keys[3:]], STORED)
        with pytest.raises(DatabaseLockedError):
            put(database, "transformations", {keys[2]: keys[0]})
        holder.rollback()
        outcomes = put(database, "transformations", value)
        assert outcomes == {key: STORED if key == keys[2] else UNCHANGED for key in keys}


class Broken(PutTransformation):
    """A write with a fault of the program."""

    def run(self, connection: StatementConnection) -> None:
        raise RuntimeError("a fault")


def test_a_programming_error_is_raised(database: Backend) -> None:
    request = PutTransformations({checksum(1): Broken(checksum(1), checksum(2))})
    with pytest.raises(RuntimeError, match="a fault"):
        asyncio.run(database.execute_write(request))


def random_entries(kind: str, numbers: random.Random) -> Mapping[str, Any]:
    """Make entries of few keys, some of them invalid or in conflict."""
    keys = [checksum(numbers.randrange(12)) for _ in range(numbers.randrange(8))]
    keys = [key.upper() if numbers.random() < 0.2 else key for key in keys]
    if numbers.random() < 0.3:
        keys.append(numbers.choice(["", "x", "\ud800", checksum(1)[1:]]))

    def entry(key: str) -> Any:
        if numbers.random() < 0.15:
            return numbers.choice([None, 5, "x", [], {}, {"result": checksum(1)}])
        if kind == "transformations":
            return checksum(("r", numbers.randrange(3)))
        if kind == "buffer_infos":
            return {numbers.choice("ab"): numbers.randrange(3)}
        result = checksum(("r", numbers.randrange(2)))
        value = record(key.lower(), result, n=numbers.randrange(2))
        return {"result": result, "value": value}

    return {key: entry(key) for key in keys}


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_random_bulk_writes_do_what_single_requests_do(
    back_end: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same entries in the same order, in bulk on one database and alone on another."""
    seed = random.randrange(2**32)
    numbers = random.Random(seed)
    alone = DatabaseUnderTest(str(tmp_path / "alone.db"))
    with (
        fresh_place(back_end, tmp_path) as place,
        place.open() as database,
        alone.open() as single,
    ):
        for _ in range(40):
            kind = numbers.choice([*KINDS])
            value = random_entries(kind, numbers)
            outcomes = put(database, kind, value)
            assert list(outcomes) == list(value), f"seed {seed}"
            for key, entry in value.items():
                wanted = put_single(single, kind, key, entry)
                found = outcomes[key]
                if wanted is None:
                    assert found in (STORED, UNCHANGED), f"seed {seed}"
                elif isinstance(entry, dict) or kind != "metadatas":
                    assert found == wanted, f"seed {seed}"
                else:
                    assert found["status"] == 400, f"seed {seed}"
        assert rows(place) == rows(alone), f"seed {seed}"


def test_concurrent_bulk_and_single_writes_leave_one_reverse_row_each(
    database: Backend, place: DatabaseUnderTest
) -> None:
    keys = [checksum(n) for n in range(20)]

    def write(number: int) -> None:
        result = checksum(("r", number % 3))
        if number % 2:
            put(database, "transformations", dict.fromkeys(keys, result))
        else:
            for key in keys[::5]:
                database.put({"type": "transformation", "checksum": key, "value": result})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(32)))
    found = rows(place)
    assert [(key, result) for result, key in sorted(found["rev_transformation"])] == sorted(
        ((key, result) for key, result in found["transformation"]), key=lambda row: row[::-1]
    )
    assert len(found["transformation"]) == len(keys)
