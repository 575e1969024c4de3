"""Request types on both back ends, also with rows that published servers have stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from database_targets import DatabaseUnderTest

from seamless_database import request_types
from seamless_database.errors import RequestError
from seamless_database.request_types.buffer_info import MAX_INFO

if TYPE_CHECKING:
    from seamless_database.storage.backend import Backend

from request_samples import ONE, TF, TWO, get, put

NODE = {"bucket_kind": "node", "label": "n"}


Peer = Callable[..., None]


@pytest.fixture
def peer(database: Backend, place: DatabaseUnderTest) -> Peer:
    """Insert a row as a published server may have done, or a copy of its file."""
    return place.insert


# buffer info


def test_buffer_info_is_stored_sorted_and_indented(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put(database, "buffer_info", checksum=ONE, value={"shape": [2], "dtype": "é"})
    ((text,),) = place.rows("SELECT buffer_info FROM buffer_info")
    assert text == '{\n  "dtype": "\\u00e9",\n  "shape": [\n    2\n  ]\n}'


def test_merged_buffer_info_keeps_its_numbers(database: Backend) -> None:
    numbers = {"a": 0.1, "b": -1e300, "c": 10**30, "length": 3}
    put(database, "buffer_info", checksum=ONE, value=numbers)
    put(database, "buffer_info", checksum=ONE, value={"is_utf8": True})
    assert get(database, "buffer_info", checksum=ONE) == {**numbers, "is_utf8": True}


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
    one_row = {"buffer_info", "bucket_probe", "claim", "expression", "metadata", "transformation"}
    assert points == {*one_row, "protocol"}
