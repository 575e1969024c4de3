"""Mixed values: every value is read as written."""

from __future__ import annotations

import enum
import json
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from mixed_values import json_values, mixed_values, same

from seamless import Buffer, LossyValueWarning
from seamless.checksum.json_ import json_dumps_bytes
from seamless.util.mixed.format import MAGIC_SEAMLESS_MIXED
from seamless.util.mixed.get_form import get_form


def there_and_back(value: Any, celltype: str = "mixed") -> Any:
    return Buffer(Buffer(value, celltype).content).get_value(celltype)


def writable(value: Any) -> Buffer:
    """Write a value; skip the example if the format refuses it (key order of rows)."""
    try:
        return Buffer(value, "mixed")
    except TypeError as error:
        assume("into one order" not in str(error))
        raise


def sorted_keys(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))


@given(mixed_values)
def test_a_mixed_value_is_read_as_written(value: Any) -> None:
    buffer = writable(value)
    if not buffer.content.startswith((MAGIC_SEAMLESS_MIXED, b"\x93NUMPY")):
        value = sorted_keys(value)  # pure JSON sorts the keys
    assert same(value, Buffer(buffer.content).get_value("mixed"))


@given(mixed_values)
def test_a_mixed_value_that_was_read_is_written_with_the_same_bytes(value: Any) -> None:
    assume(
        not isinstance(value, np.ndarray) or value.ndim > 0
    )  # an array without dimensions becomes a scalar
    buffer = writable(value)
    again = Buffer(Buffer(buffer.content).get_value("mixed"), "mixed")
    if b'"strides"' in buffer.content:
        # the form records strides, which a copy does not keep; from then on it is stable
        buffer, again = again, Buffer(Buffer(again.content).get_value("mixed"), "mixed")
    assert again == buffer


@given(json_values)
def test_a_json_value_is_the_same_as_plain_and_as_mixed(value: Any) -> None:
    try:
        plain = json_dumps_bytes(value)
    except TypeError:
        assume(False)  # only mixed stores integers beyond 64 bits
    assert json.loads(plain) == json.loads(Buffer(value, "mixed").content)


def test_a_value_changed_in_place_gives_its_new_bytes() -> None:
    value = {"a": np.arange(3)}
    before = Buffer(value, "mixed")
    value["a"][0] = 7

    assert Buffer(value, "mixed") != before
    assert there_and_back(value)["a"].tolist() == [7, 1, 2]


def test_arrays_inside_a_container_are_writable_copies() -> None:
    value = there_and_back({"a": np.arange(3)})
    value["a"][0] = 9

    assert value["a"].flags.owndata


def test_a_binary_array_is_a_read_only_view_of_the_buffer() -> None:
    buffer = Buffer(np.arange(1000), "binary")
    array = buffer.get_value("binary")

    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(buffer.content, "u1"))


def test_an_empty_binary_array_is_read_only_like_any_other() -> None:
    assert not there_and_back(np.zeros(0), "binary").flags.writeable


def test_the_padding_of_a_structure_is_stored_as_zero() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "<f8")], align=True)
    dirty = np.full(2 * dtype.itemsize, 0xEE, "u1").view(dtype)
    dirty["a"], dirty["b"] = 1, 2.5
    clean = np.zeros(2, dtype)
    clean["a"], clean["b"] = 1, 2.5

    for celltype in ("binary", "mixed", "bytes"):
        assert Buffer(dirty, celltype) == Buffer(clean, celltype)
    assert Buffer({"x": dirty}, "mixed") == Buffer({"x": clean}, "mixed")


def test_padding_deep_inside_a_structure_is_zero_too() -> None:
    inner = np.dtype([("c", "i1"), ("d", "<i4")], align=True)
    dtype = np.dtype([("x", inner), ("y", "<f8", (2,))], align=True)
    dirty = np.full(dtype.itemsize, 0xEE, "u1").view(dtype)
    clean = np.zeros(1, dtype)
    for name in ("c", "d"):
        clean["x"][name] = dirty["x"][name]
    clean["y"] = dirty["y"]

    assert Buffer(dirty, "binary") == Buffer(clean, "binary")


def test_number_keys_that_would_exchange_their_arrays_are_refused() -> None:
    with pytest.raises(TypeError, match="use text as keys"):
        Buffer({9: np.zeros(2), 10: np.zeros(3)}, "mixed")


def test_number_keys_in_the_order_of_their_text_are_written() -> None:
    assert there_and_back({1: np.arange(2), 2: "x"})["1"].tolist() == [0, 1]


def test_a_unicode_array_inside_a_container_is_refused() -> None:
    with pytest.raises(TypeError, match="<U2"):
        Buffer({"a": np.array(["ab", "cd"])}, "mixed")


def test_a_single_unicode_array_keeps_its_bytes_and_warns_of_the_loss() -> None:
    with pytest.warns(LossyValueWarning, match="only the first item"):
        assert Buffer(np.array(["ab", "cd"]), "binary").content == b'"ab"\n'


def test_unsigned_items_of_a_subarray_are_refused_inside_a_container() -> None:
    record = np.zeros(1, np.dtype([("a", "<u2", (2,))], align=True))
    with pytest.raises(TypeError, match="can't be inside"):
        Buffer([record], "mixed")
    assert same(record, there_and_back(record, "binary"))


def test_a_packed_structure_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match="align=True"):
        Buffer(np.zeros(2, np.dtype([("a", "i1"), ("b", "<i4")])), "binary")


@pytest.mark.parametrize("dtype", ["<c16", "M8[D]", ">i4", "O", "V4"])
def test_arrays_of_types_without_a_form_are_refused_by_name(dtype: str) -> None:
    with pytest.raises(TypeError):
        Buffer({"a": np.zeros(2, dtype)}, "mixed")


def test_field_names_that_are_not_latin_are_read_as_written() -> None:
    record = np.ones(2, np.dtype([("質量", "<f8")], align=True))
    assert there_and_back(record, "binary").dtype.names == ("質量",)


def test_a_structure_of_many_fields_is_read_as_written() -> None:
    dtype = np.dtype([(f"field_{i:05}", "<f8") for i in range(2000)], align=True)
    assert there_and_back(np.ones(1, dtype), "binary").dtype == dtype


def test_a_large_array_in_fortran_order_keeps_its_order_and_values() -> None:
    array = np.asfortranarray(np.arange(60_000, dtype="<i4").reshape(200, 300))
    back = there_and_back(array, "binary")

    assert back.flags.f_contiguous
    assert np.array_equal(back, array)


def test_a_mixed_value_that_refers_to_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises((ValueError, TypeError)):
        Buffer(value, "mixed")


def test_a_deeply_nested_array_is_refused_or_written_without_a_crash() -> None:
    value: Any = np.arange(3)
    for _ in range(100_000):
        value = [value]
    with pytest.raises((ValueError, TypeError)):
        Buffer(value, "mixed")


# -- found by comparing with the published package ----------------------------------------


class Kind(str, enum.Enum):
    """Keys that are text, and whose `str` is another text."""

    ONE = "one"


@pytest.mark.parametrize("value", [np.zeros(2), {"x": b"1"}, [np.zeros(1)]])
def test_a_text_enum_as_key_is_its_text(value: Any) -> None:
    assert Buffer({Kind.ONE: value}, "mixed") == Buffer({"one": value}, "mixed")


@pytest.mark.parametrize("key", [b"text", (1,), np.int64(1)])
def test_a_key_that_json_can_not_write_has_no_form(key: Any) -> None:
    with pytest.raises(TypeError, match="a key of a mixed dict is text or a plain number, not"):
        get_form([{key: np.zeros(2)}])


def test_keys_that_become_one_text_beside_arrays_are_refused() -> None:
    nan = float("nan")
    value = {nan: np.zeros(1), float("nan"): np.zeros(2)}
    assert len(value) == 2
    with pytest.raises(TypeError, match="equal as text"):
        Buffer(value, "mixed")


ONE = np.zeros(1)


@pytest.mark.parametrize(
    ("value", "identical"),
    [
        ([{1: ONE}, {1: ONE}], True),
        ([{1: ONE}, {"1": ONE}], False),
        ([{None: ONE}, {"null": ONE}], False),
        ([[{1: 5}, {"1": 5}], ONE], False),
        ([[{1: 5}, {True: 5}], ONE], True),
        ([{float("nan"): ONE}, {float("nan"): ONE}], False),
    ],
)
def test_rows_have_one_form_if_their_keys_are_equal_as_they_are(
    value: Any, identical: bool
) -> None:
    content = Buffer(value, "mixed").content
    rows = b'"identical": true, "shape": [2]'
    assert (rows in content) is identical


@pytest.mark.parametrize(
    "value",
    [
        [{True: ONE}, {1: ONE}],
        [{1: ONE, 2: ONE}, {1.0: ONE, 2: ONE}],
        [{"a": {1: ONE}}, {"a": {1.0: ONE}}],
    ],
)
def test_rows_with_equal_keys_of_other_texts_are_refused_beside_arrays(value: Any) -> None:
    with pytest.raises(TypeError, match="use text as keys"):
        Buffer(value, "mixed")


@pytest.mark.parametrize("celltype", ["mixed", "binary"])
def test_the_first_item_of_a_unicode_matrix_is_its_first_row(celltype: str) -> None:
    texts = np.array(["ab", "cd"])
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "only the first item|the matrix subclass|The chararray class"
        )
        assert Buffer(texts.view(np.matrix), celltype).content == b'[\n  "ab",\n  "cd"\n]\n'
        assert Buffer(texts.view(np.char.chararray), celltype).content == b'"ab"\n'


RECORDS = np.zeros(2, np.dtype([("a", "i1"), ("b", "<i4")], align=True))


@pytest.mark.parametrize("celltype", ["mixed", "binary"])
@pytest.mark.parametrize("value", [RECORDS, RECORDS[0], RECORDS[:0]])
def test_structures_belong_to_the_caller(value: Any, celltype: str) -> None:
    buffer = Buffer(value, celltype)
    before = buffer.content
    read = buffer.get_value(celltype)
    read["b"] = 5
    assert buffer.content == before
    assert same(np.asarray(value), np.asarray(buffer.get_value(celltype)))


PADDED = np.zeros(100_000, np.dtype([("a", "i1"), ("b", "<f8")], align=True))
LARGE = [
    (np.zeros(2_000_000), "binary", 1),
    (np.zeros((1000, 2000)).T, "binary", 1),
    (np.zeros(4_000_000)[::2], "mixed", 2),
    (b"x" * 16_000_000, "mixed", 2),
    ({"a": np.zeros(2_000_000)}, "mixed", 1),
    ({"a": [b"x" * 16_000_000]}, "mixed", 2),
    (np.tile(PADDED, 10), "mixed", 3),
]


@pytest.mark.parametrize(("value", "celltype", "copies"), LARGE, ids=range(len(LARGE)))
def test_writing_takes_no_more_memory_than_so_many_times_the_result(
    value: Any, celltype: str, copies: int
) -> None:
    Buffer(np.zeros(1), "binary")  # imports must not be measured
    tracemalloc.start()
    try:
        size = len(Buffer(value, celltype))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (copies + 0.1) * size


@pytest.mark.parametrize(
    ("value", "celltype", "copies"),
    [
        (np.zeros(2_000_000), "binary", 0),
        (np.zeros((1000, 2000)).T, "mixed", 0),
        (b"x" * 16_000_000, "mixed", 0),
        ({"a": np.zeros(2_000_000)}, "mixed", 1),
        (np.tile(PADDED, 10), "mixed", 1),
    ],
    ids=range(5),
)
def test_reading_takes_no_more_memory_than_so_many_times_the_buffer(
    value: Any, celltype: str, copies: int
) -> None:
    buffer = Buffer(value, celltype)
    buffer.get_checksum()
    Buffer(np.zeros(1), "binary").get_value("binary")
    tracemalloc.start()
    try:
        read = buffer.get_value(celltype)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read is not None
    assert peak < (copies + 0.1) * len(buffer)


def test_field_names_that_utf8_lacks_are_read_back() -> None:
    record = np.ones(2, np.dtype([("\ud800", "<f8")], align=True))
    assert there_and_back({"a": record})["a"].dtype.names == ("\ud800",)


@pytest.mark.parametrize("celltype", ["mixed", "binary"])
def test_a_type_that_the_caller_renames_is_read_again_as_it_was(celltype: str) -> None:
    content = Buffer(RECORDS, celltype).content
    Buffer(content).get_value(celltype).dtype.names = ("x", "y")
    assert Buffer(content).get_value(celltype).dtype.names == ("a", "b")
