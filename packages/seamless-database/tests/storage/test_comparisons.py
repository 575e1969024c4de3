"""Comparisons of large records in a thread of their own, on both back ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server
from database_targets import DatabaseUnderTest

from seamless_database import request_types
from seamless_database.errors import (
    ConflictError,
    DatabaseClosedError,
    UnavailableError,
)
from seamless_database.protocol.request import from_python
from seamless_database.request_types.base import UndecidedError
from seamless_database.request_types.metadata import MAX_COMPARED
from seamless_database.storage.comparisons import MAX_UNDECIDED, Comparisons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seamless_database.storage.backend import Backend


TF, ONE, TWO = checksum("transformation"), checksum("one result"), checksum("another result")
GET = {"type": "metadata", "checksum": TF}


def large(**changes: object) -> dict[str, Any]:
    return record(TF, ONE, x={"a": 1.0, "b": [2, "x" * MAX_COMPARED], "c": {"d": 1}}, **changes)


def turned(value: object) -> object:
    """Give the same value with all keys in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(item) for key, item in reversed(value.items())}
    return [turned(item) for item in value] if isinstance(value, list) else value


def put_request(value: object) -> dict[str, object]:
    return {"type": "metadata", "checksum": TF, "result": ONE, "value": value}


def put(database: Backend, value: object) -> None:
    database.put(put_request(value))


def store(database: Backend, value: object) -> None:
    asyncio.run(database.execute_write(request_types.parse_write(from_python(put_request(value)))))


WAYS = pytest.mark.parametrize("do", [put, store])


@WAYS
def test_records_are_equal_in_any_order_of_keys(
    database: Backend, do: Callable[[Backend, object], None]
) -> None:
    put(database, large())
    stored = database.get(GET)
    do(database, turned(large()))
    assert database.get(GET) == stored


@WAYS
@pytest.mark.parametrize(
    "changes",
    [
        {"wall_time_seconds": 0.6},
        {"gpu_memory_peak_bytes": True},
        {"memory_peak_bytes": 12345678.0},
        {"x": 1},
    ],
)
def test_another_value_is_a_conflict(
    database: Backend, do: Callable[[Backend, object], None], changes: dict[str, object]
) -> None:
    put(database, large())
    stored = database.get(GET)
    with pytest.raises(ConflictError, match="already exists with different metadata"):
        do(database, turned({**large(), **changes}))
    assert database.get(GET) == stored


@pytest.mark.parametrize("pair", [(["a"], {"a": 0}), ([1, [2]], [[1], 2]), ([1, 2], [2, 1])])
def test_lists_and_objects_differ(database: Backend, pair: tuple[object, object]) -> None:
    put(database, large(y=pair[0], z=pair[1]))
    with pytest.raises(ConflictError):
        put(database, large(y=pair[1], z=pair[0]))


def test_a_digest_does_not_equal_what_it_was_made_of(database: Backend) -> None:
    from seamless_database.json_codec import _NORMAL_FORM

    inner = [1, 2]
    put(database, large(y=inner, z="x"))
    digest = _NORMAL_FORM.decode(json.dumps(inner))
    for stand_in in (digest, digest[0]):
        with pytest.raises(ConflictError):
            put(database, large(y=stand_in, z="x"))


def test_the_result_of_a_published_record_is_stored(
    database: Backend, place: DatabaseUnderTest
) -> None:
    place.insert("meta_data", TF, ONE, json.dumps(large(), separators=(",", ":")))
    put(database, turned(large()))
    assert database.get({"type": "transformation", "checksum": TF}) == ONE


@contextmanager
def comparing(database: Backend, value: object) -> Iterator[Future[str | None]]:
    """Hold up the comparison of a record, and let it go on in the end."""
    comparisons = database._comparisons
    with ThreadPoolExecutor(1) as pool, comparisons._lock:
        request = request_types.parse_write(from_python(put_request(value)))
        future = pool.submit(asyncio.run, database.execute_write(request))
        deadline = time.monotonic() + TIMEOUT
        while comparisons._room._value == MAX_UNDECIDED:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield future


def test_other_writes_are_done_during_a_comparison(database: Backend) -> None:
    put(database, large())
    with comparing(database, turned(large())) as future:
        database.put({"type": "transformation", "checksum": TWO, "value": ONE})
        assert not future.done()
    future.result(TIMEOUT)


def test_a_record_that_is_deleted_during_its_comparison_is_stored(database: Backend) -> None:
    put(database, large())
    offered = turned(large(wall_time_seconds=7))
    with comparing(database, offered) as future:
        database.put({"type": "transformation", "checksum": TF, "value": TWO})
        database.put({"type": "transformation", "checksum": TF, "value": ONE})
    future.result(TIMEOUT)
    assert json.loads(database.get(GET) or "") == offered


def test_a_result_that_becomes_irreproducible_meanwhile_gets_no_record(database: Backend) -> None:
    put(database, large())
    with comparing(database, turned(large())) as future:
        database.put({"type": "irreproducible", "checksum": TF, "result": ONE})
    with pytest.raises(ConflictError, match="irreproducible records"):
        future.result(TIMEOUT)


def test_a_result_that_changes_meanwhile_rejects_the_record(database: Backend) -> None:
    put(database, large())
    with comparing(database, turned(large())) as future:
        database.put({"type": "transformation", "checksum": TF, "value": TWO})
    with pytest.raises(ConflictError, match="does not match"):
        future.result(TIMEOUT)


def test_a_comparison_fails_if_the_database_is_closed(place: DatabaseUnderTest) -> None:
    database = place.open()
    put(database, large())
    with comparing(database, turned(large())) as future:
        database.close()
    with pytest.raises(DatabaseClosedError):
        future.result(TIMEOUT)


def test_close_during_a_comparison_completes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def compare(_stored: str, _offered: str) -> bool:
        begun.set()
        return go_on.wait(TIMEOUT)

    monkeypatch.setattr("seamless_database.request_types.metadata.records_equal", compare)
    place = DatabaseUnderTest(str(tmp_path / "seamless.db"))
    with place.open() as database, ThreadPoolExecutor(1) as pool:
        put(database, large())
        written = pool.submit(put, database, turned(large()))
        assert begun.wait(TIMEOUT)
        database.close()
        assert [file.name for file in tmp_path.iterdir()] == ["seamless.db"]
        go_on.set()
        with pytest.raises(DatabaseClosedError):
            written.result(TIMEOUT)


def test_the_number_of_comparisons_is_bounded() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def settle(_undecided: UndecidedError) -> bool:
        begun.set()
        return go_on.wait(TIMEOUT)

    comparisons = Comparisons(settle)
    undecided = UndecidedError(lambda _connection: None, lambda _row: None)  # type: ignore[arg-type,return-value]
    waiting = [comparisons.submit(undecided) for _ in range(MAX_UNDECIDED)]
    assert begun.wait(TIMEOUT)
    threads = [each for each in threading.enumerate() if "comparison" in each.name]
    # the end of the process does not wait for them
    assert [each.daemon for each in threads] == [True] * MAX_UNDECIDED
    with pytest.raises(UnavailableError, match=f"{MAX_UNDECIDED} large records"):
        comparisons.submit(undecided).result(TIMEOUT)
    go_on.set()
    for future in waiting:
        future.result(TIMEOUT)
    # there is room again
    comparisons.submit(undecided).result(TIMEOUT)


def test_a_server_answers_other_requests_during_a_comparison(tmp_path: Path) -> None:
    # many small objects: the slowest to compare
    many = [{"": number} for number in range(40_000)]
    body = json.dumps(put_request(record(TF, ONE, many=many))).encode()
    other = json.dumps(put_request(turned(record(TF, ONE, many=many)))).encode()
    with Server(tmp_path / "seamless.db", "--receive-timeout", "300") as server:
        assert server.ask("PUT", body).status == 200
        with ThreadPoolExecutor(1) as pool:
            comparison = pool.submit(server.ask, "PUT", other)
            answered = 0
            while not comparison.done():
                assert server.ask("GET", path="/healthcheck").status == 200
                put = server.put("transformation", checksum=checksum(answered), value=ONE)
                assert put.status == 200
                answered += 1
        assert comparison.result().status == 200
    assert answered > 10
