"""Forms of values, which are part of the bytes of a container."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seamless.util.mixed.get_form import get_form

ROWS = np.zeros((2, 3), "<i2")


@pytest.mark.parametrize(
    ("array", "strides"),
    [
        (ROWS, None),
        (ROWS.T, [2, 6]),
        (ROWS[:, ::2], [6, 4]),
        (ROWS[::2], [12, 2]),
        (np.zeros((1, 3), "<f8", "F"), [8, 8]),
        (np.zeros((), "<f8"), None),
    ],
)
def test_an_array_whose_strides_are_not_those_of_c_order_has_them_in_its_form(
    array: np.ndarray[Any, Any], strides: list[int] | None
) -> None:
    storage, form = get_form(array)
    assert storage == "pure-binary"
    assert (form["contiguous"], form.get("strides")) == (strides is None, strides)
    assert list(form)[:5] == ["type", "items", "identical", "shape", "contiguous"]


@pytest.mark.parametrize(("first", "second"), [(1, True), (True, 1)])
def test_equal_items_have_the_form_of_the_first(first: object, second: object) -> None:
    _, form = get_form([{first: 0}, {second: 0}])
    assert form["identical"]
    assert [type(key) for key in form["items"]["properties"]] == [type(first)]


def test_unsigned_items_of_a_subarray_have_a_signed_form() -> None:
    dtype = np.dtype([("single", "<u2"), ("several", "<u2", (2,))], align=True)
    _, form = get_form(np.zeros(1, dtype))
    fields = form["items"]["properties"]
    assert fields["single"] == {"type": "integer", "bytesize": 2, "unsigned": True}
    assert fields["several"] == {
        "type": "tuple",
        "items": {"type": "integer", "bytesize": 2, "unsigned": False},
        "identical": True,
        "shape": [2],
    }


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, "null"),
        (True, "boolean"),
        (7, "integer"),
        (0.5, "number"),
        ("text", "string"),
        (np.uint8(7), "integer"),
        (np.float32(0.5), "number"),
        (np.str_("text"), "string"),
        ([], {"type": "array", "items": None, "identical": True, "shape": [0]}),
        ({}, {"type": "object"}),
        ({"a": ["b"]}, {"type": "object", "properties": {"a": {
            "type": "array", "items": "string", "identical": True, "shape": [1],
        }}}),
    ],
)  # fmt: skip
def test_json_values_are_pure_plain(value: Any, form: Any) -> None:
    assert get_form(value) == ("pure-plain", form)


def test_an_array_inside_makes_a_container_mixed() -> None:
    for value in ({"a": [ROWS]}, [{"a": ROWS}]):
        storage, form = get_form(value)
        assert storage == "mixed-plain"
        inner = form["properties"]["a"] if isinstance(value, dict) else form["items"]
        assert inner["storage"] == "mixed-plain"
    assert inner["properties"]["a"]["storage"] == "pure-binary"


@pytest.mark.parametrize("value", [np.bool_(True), 1j, object(), np.void(b"ab")])
def test_other_scalars_have_no_form(value: object) -> None:
    with pytest.raises(TypeError, match="a mixed value can't hold"):
        get_form(value)
