"""`compute_buffer_info`: the properties of a buffer, and only those that are certain."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from value_strategies import JSON_VALUES

from seamless.checksum.buffer_facts import compute_buffer_info
from seamless.checksum.buffer_info import (
    convert_from_buffer_info,
    validate_buffer_info,
    verify_buffer_info,
)
from seamless.checksum.celltypes import celltypes, codec_of
from seamless.checksum.serialize import serialize_sync
from seamless.errors import ConversionError


def properties(content: bytes, celltype: str | None = None) -> dict[str, Any]:
    return compute_buffer_info(content, celltype).as_dict()


def test_the_checksum_is_that_of_the_bytes() -> None:
    assert compute_buffer_info(b"a\n").checksum == hashlib.sha256(b"a\n").hexdigest()


def test_an_array_has_a_type_and_a_shape() -> None:
    content = serialize_sync(np.zeros((2, 3)), "binary")
    assert properties(content) == {
        "length": len(content),
        "is_utf8": False,
        "is_json": False,
        "is_numpy": True,
        "dtype": "float64",
        "shape": [2, 3],
        "is_seamless_mixed": False,
    }


def test_a_byte_string_array_has_its_dtype() -> None:
    assert properties(serialize_sync(np.array(b"hello"), "mixed"))["dtype"] == "S5"


def test_a_damaged_array_is_not_an_array() -> None:
    content = serialize_sync(np.zeros(3), "binary")
    assert properties(content[:-1])["is_numpy"] is False


def test_a_container_is_neither_text_nor_array() -> None:
    found = properties(serialize_sync({"a": np.zeros(3)}, "mixed"))
    assert (found["is_seamless_mixed"], found["is_utf8"], found["is_numpy"]) == (True, False, False)


def test_a_damaged_container_is_not_a_container() -> None:
    content = serialize_sync({"a": np.zeros(3)}, "mixed")
    assert properties(content[:-1])["is_seamless_mixed"] is False


@pytest.mark.parametrize(
    ("content", "json_type"),
    [
        (b"{}\n", "dict"),
        (b"[1]\n", "list"),
        (b'"a"\n', "str"),
        (b"1\n", "int"),
        (b"1.5\n", "float"),
        (b"true\n", "bool"),
        (b"null\n", None),
    ],
)
def test_json_has_the_type_of_its_value(content: bytes, json_type: str | None) -> None:
    assert properties(content).get("json_type") == json_type


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"[1, 2]", True),
        (b"[1.5, 2.5]", True),
        (b"[1, true]", None),
        (b"[]", None),
        (b"1", False),
    ],
)
def test_a_list_of_numbers_of_one_kind_is_a_numeric_array(
    content: bytes, answer: bool | None
) -> None:
    assert properties(content).get("is_json_numeric_array") is answer


def test_text_that_may_be_a_number_has_unknown_properties() -> None:
    assert "is_json_numeric_scalar" not in properties(b'"12"\n')


def test_text_that_only_mixed_reads_as_json_has_unknown_properties() -> None:
    assert "is_json" not in properties(b"NaN\n")


def test_text_that_no_cell_type_reads_as_json_is_not_json() -> None:
    assert properties(b"hello\n")["is_json"] is False


@pytest.mark.parametrize("celltype", ["text", "bytes", "python", "yaml"])
def test_json_is_not_parsed_for_cell_types_that_are_rarely_json(celltype: str) -> None:
    assert properties(b"1\n", celltype) == {
        "length": 2,
        "is_utf8": True,
        "is_numpy": False,
        "is_seamless_mixed": False,
    }


@settings(deadline=None)
@given(st.binary() | JSON_VALUES.map(lambda value: serialize_sync(value, "plain")))
def test_a_proved_cell_type_can_be_read(content: bytes) -> None:
    info = compute_buffer_info(content)
    for celltype in set(celltypes) - {"checksum"}:
        if verify_buffer_info(info, celltype):
            codec_of(celltype).from_bytes(content)


@settings(deadline=None)
@given(JSON_VALUES)
def test_the_properties_of_a_valid_buffer_do_not_exclude_its_cell_type(value: object) -> None:
    for celltype in ("plain", "mixed"):
        info = compute_buffer_info(serialize_sync(value, celltype), celltype)
        validate_buffer_info(info, celltype)


@settings(deadline=None)
@given(JSON_VALUES, st.sampled_from(celltypes))
def test_a_checksum_predicted_to_stay_is_that_of_a_valid_target_buffer(
    value: object, target: str
) -> None:
    content = serialize_sync(value, "plain")
    with contextlib.suppress(ConversionError):
        if convert_from_buffer_info(compute_buffer_info(content), "plain", target) is True:
            codec_of(target).from_bytes(content)


@settings(deadline=None)
@given(JSON_VALUES)
def test_the_properties_can_be_stored_as_json(value: object) -> None:
    found = properties(serialize_sync(value, "mixed"))
    assert json.loads(json.dumps(found)) == found
