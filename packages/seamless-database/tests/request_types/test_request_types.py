"""Request types on both back ends, also with rows that published servers have stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record
from database_targets import BACK_ENDS, DatabaseUnderTest, fresh_place

from seamless_database import request_types
from seamless_database.errors import ConflictError, RequestError, UnknownKeyError
from seamless_database.request_types.buffer_info import MAX_INFO

if TYPE_CHECKING:
    from pathlib import Path

    from seamless_database.storage.backend import Backend

TF, ONE, TWO = checksum("transformation"), checksum("one result"), checksum("another result")
NODE = {"bucket_kind": "node", "label": "n"}


@pytest.fixture(params=BACK_ENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    with fresh_place(request.param, tmp_path) as place:
        yield place


@pytest.fixture
def database(place: DatabaseUnderTest) -> Iterator[Backend]:
    with place.open() as database:
        yield database


Peer = Callable[..., None]


@pytest.fixture
def peer(database: Backend, place: DatabaseUnderTest) -> Peer:
    """Insert a row as a published server may have done, or a copy of its file."""
    return place.insert


def get(database: Backend, kind: str, **fields: object) -> Any:
    answer = database.get({"type": kind, **fields})
    return answer and (json.loads(answer) if answer[0] in "[{" else answer)


def put(database: Backend, kind: str, **fields: object) -> None:
    database.put({"type": kind, **fields})


def put_record(database: Backend, result: str = ONE, **changes: object) -> dict[str, Any]:
    body = record(TF, result, **changes)
    put(database, "metadata", checksum=TF, result=result, value=body)
    return body


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
        {"checksum_fields": "node"},
        {"checksum_fields": [""]},
        {"checksum_fields": [1]},
        {"checksum_fields": {}},
    ],
)
def test_a_record_of_another_transformation_is_rejected(
    database: Backend, changes: dict[str, Any], place: DatabaseUnderTest
) -> None:
    with pytest.raises(RequestError, match=next(iter(changes))):
        put_record(database, **changes)
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


# buffer info


def test_buffer_info_is_stored_sorted_and_indented(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put(database, "buffer_info", checksum=ONE, value={"shape": [2], "dtype": "é"})
    ((text,),) = place.rows("SELECT buffer_info FROM buffer_info")
    assert text == '{\n  "dtype": "\\u00e9",\n  "shape": [\n    2\n  ]\n}'


@pytest.mark.parametrize(
    "value", [{"length": -1}, {"length": 1.5}, {"length": True}, {"is_utf8": 1}, {"is_json": []}]
)
def test_invalid_buffer_info_is_rejected_and_named(
    database: Backend, value: dict[str, object]
) -> None:
    with pytest.raises(RequestError, match=next(iter(value))):
        put(database, "buffer_info", checksum=ONE, value={"dtype": "f8", **value})
    assert get(database, "buffer_info", checksum=ONE) is None


@pytest.mark.parametrize("value", [{"length": 0}, {"length": None}, {"is_utf8": None}])
def test_null_and_empty_values_are_stored(database: Backend, value: dict[str, object]) -> None:
    put(database, "buffer_info", checksum=ONE, value=value)
    assert get(database, "buffer_info", checksum=ONE) == value


def test_buffer_info_may_be_as_long_as_its_limit(database: Backend) -> None:
    around = len('{\n  "x": ""\n}')
    put(database, "buffer_info", checksum=ONE, value={"x": "y" * (MAX_INFO - around)})
    assert len(get(database, "buffer_info", checksum=ONE)["x"]) == MAX_INFO - around
    for checksum_of, value in ((TWO, {"x": "y" * (MAX_INFO - around + 1)}), (ONE, {"length": 1})):
        with pytest.raises(RequestError, match=f"too long; the limit is {MAX_INFO} characters"):
            put(database, "buffer_info", checksum=checksum_of, value=value)
    assert get(database, "buffer_info", checksum=TWO) is None
    assert set(get(database, "buffer_info", checksum=ONE)) == {"x"}


def test_published_nan_is_returned_as_null_and_merged(database: Backend, peer: Peer) -> None:
    peer("buffer_info", ONE, '{"x": NaN}')
    assert get(database, "buffer_info", checksum=ONE) == {"x": None}
    put(database, "buffer_info", checksum=ONE, value={"length": 1})
    assert get(database, "buffer_info", checksum=ONE) == {"x": None, "length": 1}


# meanings


def test_one_invalid_item_stores_nothing(database: Backend, place: DatabaseUnderTest) -> None:
    key = {"checksum": ONE, "celltype": "python", "subcelltype": ""}
    with pytest.raises(RequestError):
        put(database, "semantic_to_syntactic", **key, value=[TF, "zz", TWO])
    assert place.count("syntactic_to_semantic") == 0


def test_buffers_are_added_to_the_stored_ones(database: Backend, place: DatabaseUnderTest) -> None:
    key = {"checksum": ONE, "celltype": "python", "subcelltype": ""}
    for value in ([TF, TWO], [TWO, ONE, ONE], [], [TF]):
        put(database, "semantic_to_syntactic", **key, value=value)
    put(database, "semantic_to_syntactic", **{**key, "celltype": "text"}, value=[TF])
    assert sorted(get(database, "semantic_to_syntactic", **key)) == sorted([TF, TWO, ONE])
    assert place.count("syntactic_to_semantic") == 4


def test_a_cell_type_is_part_of_the_meaning(database: Backend) -> None:
    key = {"checksum": ONE, "celltype": "python", "subcelltype": ""}
    put(database, "semantic_to_syntactic", **key, value=[TF, TF])
    assert get(database, "semantic_to_syntactic", **key) == [TF]
    assert get(database, "semantic_to_syntactic", **{**key, "subcelltype": "x"}) is None
    assert get(database, "syntactic_to_semantic", **{**key, "checksum": TF}) == [ONE]


# expressions

EXPRESSION = {"checksum": TF, "path": ["a", 0], "celltype": "mixed", "target_celltype": "plain"}


def test_an_expression_is_replaced(database: Backend, place: DatabaseUnderTest) -> None:
    for result in (ONE, TWO, TWO):
        put(database, "expression", **EXPRESSION, value=result)
    assert get(database, "expression", **EXPRESSION) == TWO
    assert get(database, "rev_expression", checksum=ONE) is None
    assert get(database, "rev_expression", checksum=TWO) == [{**EXPRESSION, "result": TWO}]
    assert place.count("expression") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"path": ["x" * 96]},
        {"celltype": "plain"},
        {"celltype": "binary"},
        {"celltype": "text", "path": []},
        {"celltype": "c" * 20, "path": []},
        {"target_celltype": "c" * 20},
    ],
)
def test_an_expression_at_the_limit_is_stored(
    database: Backend, changes: dict[str, object]
) -> None:
    put(database, "expression", **{**EXPRESSION, **changes}, value=ONE)
    assert get(database, "rev_expression", checksum=ONE) == [
        {**EXPRESSION, **changes, "result": ONE}
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"path": ["x" * 97]},
        {"celltype": "c" * 21},
        {"target_celltype": "c" * 21},
        {"celltype": "text"},
        {"path": "a"},
        {"path": {"a": 1}},
        {"path": [1e400]},
    ],
)
def test_an_invalid_expression_is_rejected(
    database: Backend, changes: dict[str, object], place: DatabaseUnderTest
) -> None:
    with pytest.raises(RequestError):
        put(database, "expression", **{**EXPRESSION, **changes}, value=ONE)
    assert place.count("expression") == 0


def test_a_published_path_that_is_not_a_list_is_returned(database: Backend, peer: Peer) -> None:
    peer("expression", TF, '{"a": 1}', "mixed", "plain", None, None, ONE)
    (row,) = get(database, "rev_expression", checksum=ONE)
    assert row["path"] == {"a": 1}


# bucket probes


def test_a_probe_replaces_the_former_one(database: Backend, place: DatabaseUnderTest) -> None:
    for moment, bucket in (("noon", ONE), ("midnight", TWO)):
        tokens = {"boot": moment, "big": 2**70}
        put(
            database,
            "bucket_probe",
            **NODE,
            bucket_checksum=bucket,
            captured_at=moment,
            freshness_tokens=tokens,
        )
    assert get(database, "bucket_probe", **NODE) == {
        **NODE,
        "bucket_checksum": TWO,
        "captured_at": "midnight",
        "freshness_tokens": {"boot": "midnight", "big": 2**70},
    }
    assert place.count("bucket_probe") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket_kind": "Node"},
        {"label": ""},
        {"captured_at": ""},
        {"bucket_checksum": None},
        {"freshness_tokens": "[]"},
    ],
)
def test_an_invalid_probe_is_rejected_and_named(
    database: Backend, changes: dict[str, object]
) -> None:
    probe = {**NODE, "bucket_checksum": ONE, "captured_at": "t", "freshness_tokens": {}}
    with pytest.raises(RequestError, match=next(iter(changes))):
        put(database, "bucket_probe", **{**probe, **changes})


# limits


def test_a_list_of_too_many_checksums_is_rejected(database: Backend) -> None:
    meaning = {"checksum": TF, "celltype": "python", "subcelltype": ""}
    with pytest.raises(RequestError, match=r"'value' .* at most 10000 checksums") as caught:
        put(database, "semantic_to_syntactic", **meaning, value=[ONE] * 10_001)
    assert caught.value.field == "value"


def test_buffer_info_beyond_the_limit_is_rejected_and_not_changed(database: Backend) -> None:
    half = {"a": "x" * 600_000}
    put(database, "buffer_info", checksum=ONE, value=half)
    with pytest.raises(RequestError, match="too long"):
        put(database, "buffer_info", checksum=ONE, value={"b": "x" * 600_000})
    assert get(database, "buffer_info", checksum=ONE) == half


# what an event loop may run


def test_only_point_look_ups_run_on_an_event_loop() -> None:
    points = {kind for kind, request in request_types.READS.items() if request.is_point_lookup}
    one_row = {"buffer_info", "bucket_probe", "expression", "metadata", "transformation"}
    assert points == {*one_row, "protocol"}
