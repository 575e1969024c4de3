"""`BufferInfo`: its fields, and the conclusions from known properties."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless import Checksum
from seamless.checksum.buffer_info import (
    FIELDS,
    FLAGS,
    BufferInfo,
    convert_from_buffer_info,
    validate_buffer_info,
    verify_buffer_info,
)
from seamless.checksum.celltypes import celltypes
from seamless.errors import ConversionError

HEX = "ab" * 32
OTHER = "cd" * 32


def info(**properties: Any) -> BufferInfo:
    return BufferInfo(HEX, properties)


def test_a_new_record_has_no_properties() -> None:
    assert info().as_dict() == {}


def test_the_checksum_is_not_a_property() -> None:
    assert info().checksum == Checksum(HEX)


def test_as_dict_has_the_order_of_the_fields() -> None:
    record = info(members=3, json_type="int", length=5)
    assert list(record.as_dict()) == ["length", "json_type", "members"]


def test_unknown_fields_of_a_later_version_are_ignored() -> None:
    assert info(length=1, colour="red").as_dict() == {"length": 1}


def test_a_misspelt_field_can_not_be_set() -> None:
    with pytest.raises(AttributeError):
        info().lenght = 5


@pytest.mark.parametrize("length", [1.5, "5"])
def test_a_length_that_is_not_an_integer_is_refused(length: object) -> None:
    with pytest.raises(TypeError, match="length is an int"):
        info(length=length)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        info(length=-1)


@pytest.mark.parametrize("field", FLAGS)
def test_a_flag_must_be_a_bool(field: str) -> None:
    with pytest.raises(TypeError, match=field):
        info(**{field: 1})


@pytest.mark.parametrize("given_as", [HEX, bytes.fromhex(HEX), Checksum(HEX)])
def test_a_stored_result_is_kept_as_hex(given_as: object) -> None:
    assert info(str2text=given_as).as_dict() == {"str2text": HEX}


def test_get_returns_the_default_for_an_unknown_property() -> None:
    assert info(length=2).get("is_json", "perhaps") == "perhaps"


def test_get_returns_a_property_that_is_false() -> None:
    assert info(is_json=False).get("is_json", "perhaps") is False


def test_update_adds_known_properties_and_keeps_the_others() -> None:
    record = info(length=2, is_json=False)
    record.update(info(is_json=True))
    assert record.as_dict() == {"length": 2, "is_json": True}


def test_update_refuses_a_record_of_another_buffer() -> None:
    with pytest.raises(ValueError, match=OTHER):
        info().update(BufferInfo(OTHER, {"length": 1}))


def test_update_refuses_a_bare_dict() -> None:
    with pytest.raises(TypeError, match="dict"):
        info().update({"length": 1})  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_the_same_properties(duplicate: Any) -> None:
    record = info(length=2, shape=(3,), dtype="float64")
    twin = duplicate(record)
    assert (twin.checksum, twin.as_dict()) == (record.checksum, record.as_dict())


def test_properties_are_the_same_after_a_round_trip_through_json() -> None:
    record = info(length=2, is_numpy=True, shape=[3], dtype="float64")
    stored = json.loads(json.dumps(record.as_dict()))
    assert BufferInfo(HEX, stored).as_dict() == record.as_dict()


def test_a_property_can_exclude_a_cell_type() -> None:
    with pytest.raises(ValueError, match=rf"{HEX} is not text.*is_utf8"):
        validate_buffer_info(info(is_utf8=False), "text")


@pytest.mark.parametrize("celltype", celltypes)
def test_unknown_properties_exclude_no_cell_type(celltype: str) -> None:
    validate_buffer_info(info(), celltype)


NUMBERS = {"int", "float", "bool"}
SCALARS = {"str", *NUMBERS}
JSON = {"plain", *SCALARS}


@pytest.mark.parametrize(
    ("properties", "proved", "excluded"),
    [
        ({}, set(), set()),
        ({"is_utf8": True}, {"text"}, set()),
        ({"is_utf8": False}, set(), {"text", "python", "ipython", "yaml", *JSON}),
        ({"is_json": True}, {"mixed", "plain"}, {"binary"}),
        ({"is_json": False}, set(), set()),
        ({"is_numpy": True}, {"binary", "mixed"}, JSON),
        ({"is_numpy": False}, set(), set()),
        ({"is_seamless_mixed": True}, {"mixed"}, {"binary", *JSON}),
        ({"is_seamless_mixed": False}, set(), set()),
        ({"is_json": False, "is_numpy": False}, set(), set()),
        ({"is_json": False, "is_seamless_mixed": False}, set(), set()),
        ({"is_numpy": False, "is_seamless_mixed": False}, set(), set()),
        ({"is_json": False, "is_numpy": False, "is_seamless_mixed": False}, set(), {"mixed"}),
        ({"json_type": "str"}, set(), set()),
        ({"json_type": "dict"}, set(), SCALARS),
        ({"json_type": "list"}, set(), SCALARS),
        ({"is_json": True, "json_type": "str"}, {"mixed", "plain", "str"}, {"binary"}),
        *(
            ({"is_json": True, "json_type": name}, {"mixed", "plain", "str", name}, {"binary"})
            for name in sorted(NUMBERS)
        ),
        ({"is_json_numeric_scalar": True}, set(), set()),
        ({"is_json_numeric_scalar": False}, set(), NUMBERS),
        (
            {"is_json": True, "is_json_numeric_scalar": True},
            {"mixed", "plain", *NUMBERS},
            {"binary"},
        ),
    ],
)
def test_properties_prove_some_cell_types_and_exclude_others(
    properties: dict[str, Any], proved: set[str], excluded: set[str]
) -> None:
    def is_excluded(celltype: str) -> bool:
        try:
            validate_buffer_info(info(**properties), celltype)
        except ValueError:
            return True
        return False

    # any bytes are a buffer of these two
    assert {one for one in celltypes if verify_buffer_info(info(**properties), one)} == {
        "bytes", "checksum", *proved,
    }  # fmt: skip
    assert set(filter(is_excluded, celltypes)) == excluded


def test_contradictory_properties_prove_nothing() -> None:
    assert not verify_buffer_info(info(is_json=True, is_numpy=True), "plain")


@pytest.mark.parametrize("call", [validate_buffer_info, verify_buffer_info])
def test_an_unknown_cell_type_is_refused_by_name(call: Any) -> None:
    with pytest.raises(TypeError, match="jpeg"):
        call(info(), "jpeg")


def test_an_unknown_target_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="jpeg"):
        convert_from_buffer_info(info(), "text", "jpeg")


def test_a_known_result_is_returned() -> None:
    assert convert_from_buffer_info(info(text2str=OTHER), "text", "str") == Checksum(OTHER)


def test_an_unknown_result_has_to_be_computed() -> None:
    assert convert_from_buffer_info(info(), "text", "str") == -1


def test_a_wrong_source_is_a_conversion_error_with_the_pair() -> None:
    with pytest.raises(ConversionError, match="is not text") as caught:
        convert_from_buffer_info(info(is_utf8=False), "text", "bytes")
    assert (caught.value.source, caught.value.target) == ("text", "bytes")


def test_a_conversion_of_several_steps_is_refused() -> None:
    with pytest.raises(ConversionError, match="several steps"):
        convert_from_buffer_info(info(), "mixed", "text")


@pytest.mark.parametrize("celltype", celltypes)
def test_a_buffer_is_one_of_its_own_cell_type(celltype: str) -> None:
    assert convert_from_buffer_info(info(), celltype, celltype) is True


@pytest.mark.parametrize(
    ("properties", "stays"),
    [
        ({"dtype": "float64", "shape": []}, True),
        ({"dtype": "S5", "shape": [1]}, True),
        ({"dtype": "S5", "shape": [0]}, True),
        ({"dtype": "float64"}, True),
        ({"shape": [3]}, True),
        ({"dtype": "S5", "shape": []}, False),
        ({"dtype": "|S5", "shape": []}, False),
        ({"dtype": "S5"}, False),
        ({"shape": []}, False),
        ({}, False),
    ],
)
def test_an_array_stays_as_bytes_unless_it_may_be_one_byte_string(
    properties: dict[str, Any], stays: bool
) -> None:
    assert convert_from_buffer_info(info(**properties), "binary", "bytes") == (
        True if stays else -1
    )
    known = info(**properties, binary2bytes=OTHER)
    assert convert_from_buffer_info(known, "binary", "bytes") == (stays or Checksum(OTHER))


@pytest.mark.parametrize(("length", "answer"), [(1000, None), (1001, False)])
def test_a_buffer_longer_than_any_number_is_not_a_number(length: int, answer: object) -> None:
    assert convert_from_buffer_info(info(length=length), "plain", "int") is answer


ANY_PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        **{flag: st.booleans() for flag in FLAGS},
        "length": st.integers(0, 2000),
        "json_type": st.sampled_from(["dict", "list", "str", "int", "float", "bool"]),
        "dtype": st.sampled_from(["S5", "|S5", "float64", "<U2", ""]),
        "shape": st.lists(st.integers(0, 5), max_size=3),
    },
)


@settings(deadline=None)
@given(ANY_PROPERTIES, st.sampled_from(celltypes), st.sampled_from(celltypes))
def test_only_known_checksums_are_returned(
    properties: dict[str, Any], source: str, target: str
) -> None:
    try:
        answer = convert_from_buffer_info(info(**properties), source, target)
    except ConversionError:
        return
    assert answer in (True, False, None, -1)


@settings(deadline=None)
@given(ANY_PROPERTIES, st.sampled_from(celltypes))
def test_a_proved_cell_type_is_not_excluded(properties: dict[str, Any], celltype: str) -> None:
    if verify_buffer_info(info(**properties), celltype):
        validate_buffer_info(info(**properties), celltype)


def test_every_field_is_described() -> None:
    assert BufferInfo.__doc__ is not None
    missing = [field for field in FIELDS if field not in BufferInfo.__doc__]
    assert not missing
