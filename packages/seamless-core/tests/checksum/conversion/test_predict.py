"""What each known property of a buffer predicts about the outcome of its conversions."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

from seamless.checksum.buffer_info import BufferInfo, convert_from_buffer_info

#: property -> the prediction that follows from it
Changes: TypeAlias = dict[tuple[str, Any], int]
NUMBERS = ("int", "float", "bool")
JSON_TYPES = ("dict", "list", "str", *NUMBERS)
FLAGS = ("is_utf8", "is_json", "is_numpy", "is_seamless_mixed", "is_json_numeric_scalar")
#: one known property at a time
SINGLE: tuple[tuple[str, Any], ...] = (
    *((flag, value) for flag in FLAGS for value in (True, False)),
    *(("json_type", name) for name in JSON_TYPES),
    ("length", 1001),
)
_TO_PLAIN: Changes = {
    ("is_utf8", False): False, ("is_json", True): True, ("is_numpy", True): False,
    ("is_seamless_mixed", True): False,
}  # fmt: skip
_NUMBER_TO_NUMBER: Changes = {("is_json_numeric_scalar", True): True}
_TO_NUMBER: Changes = {**_NUMBER_TO_NUMBER, ("length", 1001): False}
#: pair -> the prediction without any property, and that of the properties that change it
PREDICTIONS: dict[tuple[str, str], tuple[int | None, Changes]] = {
    ("text", "plain"): (-1, {("is_json", True): True}),
    ("text", "str"): (-1, {}),
    ("str", "text"): (-1, {}),
    ("plain", "text"): (-1, {("json_type", name): True for name in ("dict", "list", *NUMBERS)}),
    ("plain", "binary"): (
        None, {("json_type", "dict"): False, **{("json_type", name): -1 for name in NUMBERS}}
    ),
    ("binary", "plain"): (None, {("is_json", False): False}),
    ("binary", "bytes"): (-1, {}),
    ("mixed", "bytes"): (-1, {("is_numpy", False): True}),
    ("mixed", "plain"): (None, _TO_PLAIN),
    ("bytes", "plain"): (None, _TO_PLAIN),
    ("mixed", "binary"): (
        None,
        {("is_json", True): False, ("is_numpy", True): True, ("is_seamless_mixed", True): False},
    ),
    ("bytes", "text"): (None, {("is_utf8", True): True, ("is_utf8", False): False}),
    ("bytes", "binary"): (-1, {("is_numpy", True): True}),
    ("bytes", "mixed"): (-1, {("is_numpy", True): True, ("is_seamless_mixed", True): True}),
    ("checksum", "plain"): (None, {}),
    **{
        (source, number): (None, _TO_NUMBER)
        for source in ("binary", "mixed", "plain", "str")
        for number in NUMBERS
    },
    **{
        (number, other): (-1, _NUMBER_TO_NUMBER)
        for number in NUMBERS
        for other in NUMBERS
        if number != other
    },
}  # fmt: skip


def prediction(source: str, target: str, properties: dict[str, Any]) -> object:
    return convert_from_buffer_info(BufferInfo("ab" * 32, properties), source, target)


@pytest.mark.parametrize(("source", "target"), PREDICTIONS)
def test_a_property_predicts_the_outcome(source: str, target: str) -> None:
    unknown, known = PREDICTIONS[source, target]
    assert prediction(source, target, {}) is unknown
    for name, value in SINGLE:
        expected = known.get((name, value), unknown)
        try:
            assert prediction(source, target, {name: value}) is expected, (name, value)
        except ValueError:
            # the property contradicts the source
            assert (name, value) not in known


@pytest.mark.parametrize("json_type", JSON_TYPES)
def test_only_containers_are_known_to_stay_a_list_or_dict_of_checksums(json_type: str) -> None:
    is_container = json_type in ("dict", "list")
    properties = {"is_json": True, "json_type": json_type}
    assert prediction("checksum", "plain", properties) is (True if is_container else None)
    for contradiction in ({"is_utf8": False}, {"is_numpy": True}, {"is_seamless_mixed": True}):
        assert prediction("checksum", "plain", {**properties, **contradiction}) is None
