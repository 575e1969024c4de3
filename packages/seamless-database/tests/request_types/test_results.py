"""Results, execution records and irreproducible results, also in rows of published servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import record
from database_targets import DatabaseUnderTest

from seamless_database.errors import ConflictError, RequestError, UnknownKeyError

if TYPE_CHECKING:
    from seamless_database.storage.backend import Backend

from request_samples import ONE, TF, TWO, get, put, put_record

Peer = Callable[..., None]


@pytest.fixture
def peer(database: Backend, place: DatabaseUnderTest) -> Peer:
    """Insert a row as a published server may have done, or a copy of its file."""
    return place.insert


# transformations


def test_the_same_result_again_adds_nothing(database: Backend, place: DatabaseUnderTest) -> None:
    for _ in range(3):
        put(database, "transformation", checksum=TF, value=ONE)
    assert place.count("rev_transformation") == 1


def test_another_result_removes_the_reverse_row_and_the_record(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put_record(database)
    put(database, "transformation", checksum=TF, value=TWO)
    assert get(database, "transformation", checksum=TF) == TWO
    assert get(database, "rev_transformations", checksum=ONE) is None
    assert get(database, "rev_transformations", checksum=TWO) == [TF]
    assert get(database, "metadata", checksum=TF) is None
    assert place.count("rev_transformation") == 1
    assert place.count("meta_data") == 0


def test_the_record_of_a_new_result_is_stored(database: Backend) -> None:
    put_record(database)
    put(database, "transformation", checksum=TF, value=TWO)
    body = put_record(database, TWO)
    assert get(database, "metadata", checksum=TF) == body


def test_the_same_result_again_keeps_the_record(database: Backend) -> None:
    body = put_record(database)
    put(database, "transformation", checksum=TF, value=ONE)
    assert get(database, "metadata", checksum=TF) == body


def test_reverse_rows_of_a_published_server_are_not_read(database: Backend, peer: Peer) -> None:
    put(database, "transformation", checksum=TF, value=TWO)
    peer("rev_transformation", None, ONE, TF)
    peer("rev_transformation", None, TWO, TF)
    assert get(database, "rev_transformations", checksum=ONE) is None
    assert get(database, "rev_transformations", checksum=TWO) == [TF]


def test_a_published_transformation_without_reverse_row_is_found(
    database: Backend, peer: Peer
) -> None:
    peer("transformation", TF, ONE)
    assert get(database, "rev_transformations", checksum=ONE) == [TF]


def test_another_result_removes_published_reverse_rows(
    database: Backend, peer: Peer, place: DatabaseUnderTest
) -> None:
    put(database, "transformation", checksum=TF, value=ONE)
    for result in (ONE, ONE, TWO):
        peer("rev_transformation", None, result, TF)
    put(database, "transformation", checksum=TF, value=TWO)
    assert place.count("rev_transformation") == 1


# execution records


def test_a_record_creates_result_and_reverse_row(
    database: Backend, place: DatabaseUnderTest
) -> None:
    body = put_record(database)
    assert get(database, "metadata", checksum=TF) == body
    assert get(database, "transformation", checksum=TF) == ONE
    assert place.count("rev_transformation") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": None},
        {"schema_version": "1"},
        {"schema_version": 1.0},
        {"schema_version": True},
        {"tf_checksum": ONE},
        {"tf_checksum": TF.upper()},
        {"result_checksum": None},
    ],
)
def test_a_record_of_another_transformation_is_rejected(
    database: Backend, changes: dict[str, Any], place: DatabaseUnderTest
) -> None:
    with pytest.raises(RequestError, match=next(iter(changes))):
        put_record(database, **changes)
    assert place.count("transformation") == 0


def test_the_checksum_fields_of_a_record_are_names(
    database: Backend, place: DatabaseUnderTest
) -> None:
    wrong: list[object] = ["node", [""], [1], {}]
    for fields in wrong:
        with pytest.raises(RequestError, match="checksum_fields"):
            put_record(database, checksum_fields=fields)
    assert place.count("transformation") == 0


def test_a_rejected_record_stores_no_result(database: Backend, place: DatabaseUnderTest) -> None:
    put(database, "irreproducible", checksum=TF, result=TWO)
    with pytest.raises(ConflictError, match="already has irreproducible records"):
        put_record(database)
    assert place.count("transformation") == 0


def test_a_published_record_of_a_former_result_is_a_miss(database: Backend, peer: Peer) -> None:
    put(database, "transformation", checksum=TF, value=TWO)
    peer("meta_data", TF, ONE, json.dumps(record(TF, ONE)))
    assert get(database, "metadata", checksum=TF) is None


def test_a_published_record_of_a_former_result_is_replaced(
    database: Backend, peer: Peer, place: DatabaseUnderTest
) -> None:
    put(database, "transformation", checksum=TF, value=TWO)
    peer("meta_data", TF, ONE, json.dumps(record(TF, ONE)))
    body = put_record(database, TWO)
    assert get(database, "metadata", checksum=TF) == body
    assert place.count("meta_data") == 1


def test_the_text_of_a_record_is_minified_ascii_in_the_order_received(
    database: Backend, place: DatabaseUnderTest
) -> None:
    body = {"tf_checksum": TF, "result_checksum": ONE, "schema_version": 1, "é": [1, 2.0, 1e300]}
    put(database, "metadata", checksum=TF, result=ONE, value=body)
    ((text,),) = place.rows("SELECT metadata FROM meta_data")
    assert text == (
        f'{{"tf_checksum":"{TF}","result_checksum":"{ONE}","schema_version":1,'
        '"\\u00e9":[1,2.0,1e+300]}'
    )


def test_a_published_record_is_compared_by_its_values(database: Backend, peer: Peer) -> None:
    text = json.dumps(record(TF, ONE, wall_time_seconds="TIME"), indent=1)
    peer("transformation", TF, ONE)
    peer("meta_data", TF, ONE, text.replace('"TIME"', "0.500000000000000000001"))
    put_record(database, wall_time_seconds=0.5)
    for other in (1, 0.5000001, "0.5"):
        with pytest.raises(ConflictError):
            put_record(database, wall_time_seconds=other)


def test_one_of_many_concurrent_records_is_stored(database: Backend) -> None:
    def attempt(number: int) -> bool:
        try:
            put_record(database, wall_time_seconds=number)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(40)))
    assert won.count(True) == 1
    assert get(database, "metadata", checksum=TF)["wall_time_seconds"] == won.index(True)


# irreproducible results


def test_put_irreproducible_moves_result_and_record(
    database: Backend, place: DatabaseUnderTest
) -> None:
    body = put_record(database)
    put(database, "irreproducible", checksum=TF, result=ONE)
    assert get(database, "irreproducible", checksum=TF) == [
        {"checksum": TF, "result": ONE, "metadata": body}
    ]
    for table in ("transformation", "rev_transformation", "meta_data"):
        assert place.count(table) == 0


def test_put_irreproducible_is_idempotent(database: Backend, place: DatabaseUnderTest) -> None:
    body = put_record(database)
    for _ in range(2):
        put(database, "irreproducible", checksum=TF, result=ONE)
    assert place.count("irreproducible_transformation") == 1
    (row,) = get(database, "irreproducible", checksum=TF)
    assert row["metadata"] == body


def test_a_later_put_irreproducible_adds_the_record(
    database: Backend, peer: Peer, place: DatabaseUnderTest
) -> None:
    put(database, "irreproducible", checksum=TF, result=ONE)
    put(database, "transformation", checksum=TF, value=ONE)
    body = record(TF, ONE)
    peer("meta_data", TF, ONE, json.dumps(body))
    for _ in range(2):
        put(database, "irreproducible", checksum=TF, result=ONE)
        (row,) = get(database, "irreproducible", checksum=TF)
        assert row["metadata"] == body
    assert place.count("irreproducible_transformation") == 1
    assert place.count("meta_data") == 0


def test_a_later_put_irreproducible_keeps_the_record(database: Backend, peer: Peer) -> None:
    first = put_record(database, wall_time_seconds=1)
    put(database, "irreproducible", checksum=TF, result=ONE)
    put(database, "transformation", checksum=TF, value=ONE)
    peer("meta_data", TF, ONE, json.dumps(record(TF, ONE, wall_time_seconds=2)))
    put(database, "irreproducible", checksum=TF, result=ONE)
    (row,) = get(database, "irreproducible", checksum=TF)
    assert row["metadata"] == first


def test_irreproducible_results_are_returned_in_their_order(database: Backend) -> None:
    for result in (TWO, ONE):
        put(database, "irreproducible", checksum=TF, result=result)
    rows = get(database, "irreproducible", checksum=TF)
    assert [row["result"] for row in rows] == [TWO, ONE]
    (row,) = get(database, "irreproducible", checksum=TF, result=ONE)
    assert row["result"] == ONE


def test_put_irreproducible_of_another_result_changes_nothing(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put_record(database)
    with pytest.raises(UnknownKeyError):
        put(database, "irreproducible", checksum=TF, result=TWO)
    assert place.count("irreproducible_transformation") == 0
    assert place.count("meta_data") == 1


def test_duplicate_published_irreproducible_rows_are_returned_once(
    database: Backend, peer: Peer
) -> None:
    body = record(TF, ONE)
    for text in ('""', json.dumps(body), '""'):
        peer("irreproducible_transformation", None, ONE, TF, text)
    assert get(database, "irreproducible", checksum=TF) == [
        {"checksum": TF, "result": ONE, "metadata": body}
    ]


def test_a_record_of_a_former_result_does_not_move_with_another(
    database: Backend, peer: Peer, place: DatabaseUnderTest
) -> None:
    put(database, "transformation", checksum=TF, value=TWO)
    peer("meta_data", TF, ONE, json.dumps(record(TF, ONE)))
    put(database, "irreproducible", checksum=TF, result=TWO)
    (row,) = get(database, "irreproducible", checksum=TF)
    assert row["metadata"] == ""
    assert place.count("meta_data") == 0
