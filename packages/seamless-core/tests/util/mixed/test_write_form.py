"""The form in a container is the text of `get_form`, also if arrays share parts of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from mixed_values import mixed_values, same

from seamless import Buffer
from seamless.util.mixed.format import MAGIC_SEAMLESS_MIXED
from seamless.util.mixed.get_form import get_form


def form_text(content: bytes) -> str:
    """Return the form inside a container; see `seamless.util.mixed.format`."""
    start = len(MAGIC_SEAMLESS_MIXED) + 1 + content[len(MAGIC_SEAMLESS_MIXED)]
    size = int.from_bytes(content[start : start + 4], "little")
    return content[start + 4 : start + 4 + size].decode()


def check(value: Any) -> None:
    assert form_text(Buffer(value, "mixed").content) == json.dumps(get_form(value)[1])


@given(mixed_values, mixed_values)
def test_the_form_in_a_container_is_that_of_the_value(left: Any, right: Any) -> None:
    value = {"left": left, "array": np.arange(3), "again": np.arange(3), "right": [right]}
    try:
        check(value)
    except TypeError as error:
        assume("into one order" not in str(error))
        raise


@pytest.mark.parametrize("count", [1, 2, 300])
def test_arrays_of_one_kind_have_the_same_form_each(count: int) -> None:
    check({f"k{i}": np.arange(4) for i in range(count)})
    check([{"a": np.arange(4), "n": i} for i in range(count)])
    check([np.arange(4) for i in range(count)])


def test_arrays_of_many_kinds_have_their_own_forms() -> None:
    value = {f"k{i}": np.zeros((i % 30, 2), dtype) for i, dtype in enumerate(["u1", "<f8"] * 50)}
    check({**value, "strided": np.arange(20)[::3], "fortran": np.ones((2, 3), order="F")})


@pytest.mark.parametrize("key", ["\x000.0", "\x000.1", "\x000.", "\x00", '\x000.0"', "0.0"])
def test_keys_like_form_ids_are_written_unchanged(key: str) -> None:
    inner = {key: np.arange(3), "b": key, "\x001.0": np.zeros(2)}
    value = {"a": np.arange(3), key: inner, "rows": [inner, inner]}
    check(value)
    assert same(value, Buffer(Buffer(value, "mixed").content).get_value("mixed"))


def test_fields_named_like_form_ids_are_written_unchanged() -> None:
    record = np.ones(2, np.dtype([("\x000.0", "<f8"), ("\x000.1", "<i4")], align=True))
    check({"a": record, "b": record[0], "c": np.arange(3)})


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arrays_of_other_classes_share_the_form_of_plain_ones() -> None:
    array = np.arange(6).reshape(2, 3)
    check([array, np.matrix(array), np.ma.MaskedArray(array)])
    check([b"ab", np.array(b"ab"), np.bytes_(b"ab")])
    check([np.zeros(1, np.dtype([("a", "<i4")], align=True))[0] for _ in range(3)])


def test_a_packed_structure_is_refused_beside_an_aligned_one_of_the_same_layout() -> None:
    fields = [("a", "<i4"), ("b", "<i4")]
    aligned, packed = np.zeros(1, np.dtype(fields, align=True)), np.zeros(1, np.dtype(fields))
    with pytest.raises(TypeError, match="align=True"):
        Buffer({"a": aligned, "b": packed}, "mixed")


def test_the_same_holds_for_a_structure_inside_an_aligned_one() -> None:
    fields = [("a", "<i4"), ("b", "<i4")]
    aligned, packed = (
        np.zeros(1, np.dtype([("x", np.dtype(fields, align=inner))], align=True))
        for inner in (True, False)
    )
    with pytest.raises(TypeError, match="align=True"):
        Buffer({"a": aligned, "b": packed}, "mixed")


def test_rows_of_arrays_in_another_order_of_shapes_share_a_form() -> None:
    short, long = np.arange(2), np.arange(5)
    value = [{"a": short, "b": long}, {"b": long, "a": short}]
    check(value)
    back = Buffer(Buffer(value, "mixed").content).get_value("mixed")
    assert [row["b"].tolist() for row in back] == [long.tolist()] * 2


def test_an_array_without_items_may_have_items_without_bytes() -> None:
    column = np.zeros(0, [("text", "S0"), ("number", "<i4")])["text"]
    again = Buffer(Buffer({"a": column}, "mixed").content).get_value("mixed")["a"]
    assert again.shape == (0,)
