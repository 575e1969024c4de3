"""Random values around the sizes at which reading and writing use another algorithm."""

from __future__ import annotations

import gc
import itertools
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_values import same
from value_strategies import JSON_VALUES, TEXTS

from seamless import Buffer
from seamless.checksum.json_ import json_dumps_bytes
from seamless.util.mixed.format import MAGIC_SEAMLESS
from seamless.util.mixed.get_form import get_form

few = settings(max_examples=25, deadline=None)
LENGTHS = st.sampled_from([1, 1999, 2000, 2001, 3999, 4000, 4001])


def long_list(values: list[Any], length: int) -> list[Any]:
    return list(itertools.islice(itertools.cycle(values), length))


def long_dict(values: list[Any], keys: list[str], length: int) -> dict[str, Any]:
    names = itertools.cycle(keys)
    return {f"{next(names)}{i}": value for i, value in enumerate(long_list(values, length))}


# -- more entries than one chunk of JSON -------------------------------------------------------

SOME_VALUES = st.lists(JSON_VALUES, min_size=1, max_size=6)
SOME_KEYS = st.lists(TEXTS, min_size=1, max_size=6)


@few
@given(SOME_VALUES, SOME_KEYS, LENGTHS)
def test_long_json_has_the_bytes_that_one_call_of_its_writer_gives(
    values: list[Any], keys: list[str], length: int
) -> None:
    for value in (long_list(values, length), long_dict(values, keys, length)):
        assert Buffer(value, "plain").content == json_dumps_bytes(value) + b"\n"
        by_python = json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
        assert Buffer(value, "mixed").content == by_python


@few
@given(SOME_VALUES, SOME_KEYS, LENGTHS)
def test_long_json_reads_back(values: list[Any], keys: list[str], length: int) -> None:
    for value in (long_list(values, length), long_dict(values, keys, length)):
        assert Buffer(value, "mixed").get_value("mixed") == value
        assert Buffer(value, "plain").get_value("plain") == value


# -- texts that pause the garbage collector, and texts of several normalised blocks ------------


@few
@given(
    JSON_VALUES,
    st.sampled_from([65_536, 2**20]),
    st.integers(-40, 40),
    st.sampled_from(["x", "é", "\U0001f600", "\x7f", '"', "\n"]),
)
def test_a_value_around_a_length_of_text_is_written_and_read_as_any_other(
    value: Any, length: int, more: int, character: str
) -> None:
    filling = "x" * (length + more) + character
    whole = [filling, value, 1e-7, [1e-5, character], value]

    content = Buffer(whole, "mixed").content
    # assert would print the whole content
    equal = (
        content == json.dumps(whole, indent=2, sort_keys=True).encode() + b"\n",
        Buffer(content).get_value("mixed") == whole,
        Buffer(whole, "plain").get_value("plain") == whole,
    )
    assert equal == (True, True, True)
    assert gc.isenabled()


# -- arrays that are read together, and forms that are replaced by numbers ---------------------

KINDS = st.sampled_from([
    np.arange(3, dtype="<i2"), np.arange(4.0).reshape(2, 2).T, np.array([True]), np.zeros(0),
    np.array(5, "<u8"), np.array([b"ab", b"c"]), np.zeros((2, 0, 3), "<f4"), np.float32(0.5),
    np.zeros(2, np.dtype([("a", "i1"), ("b", "<f8")], align=True)),
])  # fmt: skip
LEAVES = st.lists(KINDS | JSON_VALUES, min_size=1, max_size=4)


def parts_of(content: bytes) -> tuple[str, bytes]:
    """Return the form and the binary data of a container."""
    start = 16 + content[15]
    (size,) = struct.unpack("<I", content[start : start + 4])
    form = content[start + 4 : start + 4 + size].decode()
    rest = content[start + 4 + size + len(MAGIC_SEAMLESS) :]
    text, data = struct.unpack("<QQ", rest[:16])
    assert len(rest) == 16 + text + data
    return form, rest[16 + text :]


@few
@given(LEAVES, SOME_KEYS, st.sampled_from([7, 8, 9, 40, 300]))
def test_many_arrays_are_stored_one_after_the_other_under_their_form(
    leaves: list[Any], keys: list[str], count: int
) -> None:
    arrays = [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]
    value: dict[str, Any] = {
        "list": long_list(leaves, count),
        "dict": long_dict(leaves, keys, count),
    }
    content = Buffer(value, "mixed").content
    again = Buffer(content).get_value("mixed")

    if not arrays:
        assert again == plain_numbers(value)
    else:
        form, data = parts_of(content)
        assert form == json.dumps(get_form(value)[1])
        stored = [value["dict"][key] for key in sorted(value["dict"])] + value["list"]
        assert data == b"".join(leaf.tobytes() for leaf in stored if isinstance(leaf, np.ndarray))
        assert same(plain_numbers(value), again)


def plain_numbers(value: Any) -> Any:
    """Return a value with its NumPy numbers converted to Python numbers; it has no tuples."""
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_numbers(item) for item in value]
    return value.item() if isinstance(value, np.float32) else value


@pytest.mark.parametrize("fields", [1, 40, 60, 3000, 4000])
def test_a_header_of_every_length_reads_back(fields: int) -> None:
    dtype = np.dtype([(f"field{i}", "<i4") for i in range(fields)], align=True)
    array = np.arange(2 * fields, dtype="<i4").view(dtype)

    content = Buffer(array, "binary").content

    assert content[6] == (2 if fields == 4000 else 1)  # the version with a larger length field
    again = Buffer(content).get_value("binary")
    assert again.dtype == dtype
    assert (again == array).all()
