"""The cell types: which values each accepts, how it stores them, and what it refuses."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed_values import text

from seamless import Buffer, Checksum, LossyValueWarning
from seamless.checksum.celltypes import (
    PLAIN_ALIASES,
    BufferType,
    CellType,
    TextType,
    celltypes,
    codec_of,
    storage_celltype,
)
from seamless.checksum.conversion.upstream_sets import UPSTREAM_CELLTYPES

DIGEST = "ab" * 32


def content(value: Any, celltype: str) -> bytes:
    return Buffer(value, celltype).content


def read(data: bytes, celltype: str) -> Any:
    return Buffer(data).get_value(celltype)


# -- the table ----------------------------------------------------------------------------


def test_the_names_are_a_list_that_begins_with_the_upstream_cell_types() -> None:
    assert isinstance(celltypes, list)
    assert set(celltypes[:13]) == UPSTREAM_CELLTYPES


@pytest.mark.parametrize("celltype", celltypes)
def test_every_name_has_a_codec(celltype: str) -> None:
    codec = codec_of(celltype)
    assert callable(codec.to_bytes)
    assert callable(codec.from_bytes)


@pytest.mark.parametrize("alias", PLAIN_ALIASES)
def test_an_alias_is_stored_and_read_as_plain(alias: str) -> None:
    value = {"b": DIGEST, "a": [DIGEST]}
    buffer = Buffer(value, alias)

    assert storage_celltype(alias) == "plain"
    assert buffer == Buffer(value, "plain")
    assert buffer.get_value(alias) == value


@pytest.mark.parametrize("name", ["", "Plain", "json", "deep"])
def test_an_unknown_name_is_a_type_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(TypeError, match="deepfolder"):
        Buffer({}, name)
    with pytest.raises(TypeError, match="deepfolder"):
        read(b"{}", name)


@pytest.mark.parametrize("celltype", celltypes)
def test_a_checksum_object_is_not_a_value_of_any_cell_type(celltype: str) -> None:
    with pytest.raises(TypeError, match="resolve it first"):
        Buffer(Checksum(DIGEST), celltype)


# -- scalars ------------------------------------------------------------------------------


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_int_reads_what_it_writes(value: int) -> None:
    assert read(content(value, "int"), "int") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_exactly_what_it_writes(value: float) -> None:
    back = read(content(value, "float"), "float")
    assert (back, np.signbit(back)) == (value, np.signbit(value))


@given(text)
def test_a_str_reads_exactly_what_it_writes(value: str) -> None:
    assert read(content(value, "str"), "str") == value


@pytest.mark.parametrize(
    ("value", "celltype", "stored"),
    [
        ("12", "int", b"12\n"),
        (2.9, "int", b"2\n"),
        (b"1.5", "float", b"1.5\n"),
        (float("nan"), "float", b"null\n"),
        ("False", "bool", b"true\n"),
        ([], "bool", b"false\n"),
        (True, "str", b"true\n"),
        (None, "str", b'"None"\n'),
    ],
)
def test_scalars_are_converted_as_by_python(value: Any, celltype: str, stored: bytes) -> None:
    assert content(value, celltype) == stored


@pytest.mark.parametrize(("value", "celltype"), [("x", "int"), ("", "float"), ("1e5", "int")])
def test_a_text_that_is_not_a_number_is_a_value_error(value: str, celltype: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        Buffer(value, celltype)


# -- bytes and checksum -------------------------------------------------------------------


@given(st.binary())
def test_bytes_are_stored_as_they_are(value: bytes) -> None:
    assert content(value, "bytes") == value
    assert content(value, "binary") == value


def test_reading_as_bytes_gives_the_buffer_itself() -> None:
    buffer = Buffer(b"abc")
    assert buffer.get_value("bytes") is buffer


def test_an_array_as_bytes_is_its_memory_in_c_order() -> None:
    array = np.arange(6, dtype="<i2").reshape(2, 3).T
    assert content(array, "bytes") == array.tobytes()


@pytest.mark.parametrize("axes", ["C", "F"])
def test_a_masked_array_as_bytes_has_the_fill_value_where_it_is_masked(axes: Any) -> None:
    mask = np.array([[False, True], [False, False]])
    array: Any = np.ma.array([[1, 2], [3, 4]], mask=mask, dtype="<i8", order=axes)
    with pytest.warns(LossyValueWarning, match="the mask of a value of type MaskedArray"):
        assert content(array, "bytes") == array.tobytes() != array.data.tobytes()


def test_the_types_for_type_checkers_name_every_cell_type() -> None:
    assert set(get_args(CellType)) == set(celltypes)
    assert set(get_args(BufferType)) == {*celltypes, *PLAIN_ALIASES}
    for celltype in get_args(TextType):
        assert type(Buffer("1", celltype).get_value(celltype)) is str


def test_pointers_are_never_stored_as_bytes() -> None:
    with pytest.raises(TypeError, match="pointers"):
        Buffer(np.array([2**70, "x"], object), "bytes")


@pytest.mark.parametrize("value", [DIGEST, [DIGEST], {"a": DIGEST, "b": [DIGEST]}, [], {}])
def test_the_checksum_cell_reads_what_it_writes(value: Any) -> None:
    assert read(content(value, "checksum"), "checksum") == value


@pytest.mark.parametrize("data", [b"5", b'"zz"', b"null", b'["short"]', b"\xff", b"", b"zz" * 32])
def test_content_without_checksums_is_a_type_error(data: bytes) -> None:
    with pytest.raises(TypeError, match="no checksum"):
        read(data, "checksum")
