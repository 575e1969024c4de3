"""Versions and limits of `.npy` headers."""

from __future__ import annotations

import io
import struct
import sys
from typing import Any

import numpy as np
import pytest

from seamless import Buffer
from seamless.errors import BufferFormatError
from seamless.util.mixed.format import MAGIC_NUMPY


def versioned(version: int, header: bytes, data: bytes) -> bytes:
    """Return a `.npy` file of this version."""
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    return MAGIC_NUMPY + bytes((version, 0)) + size + header + data


def named(name: str, encoding: str) -> bytes:
    """Return the header of two records with one field of this name."""
    text = f"{{'descr': [('{name}', '<f8')], 'fortran_order': False, 'shape': (2,), }}"
    return text.encode(encoding)


def read(content: bytes) -> np.ndarray[Any, Any]:
    array = Buffer(content).get_value("binary")
    assert isinstance(array, np.ndarray)
    return array


@pytest.mark.parametrize(
    ("version", "encoding"), [(1, "latin1"), (2, "latin1"), (3, "utf8"), (4, "utf8")]
)
def test_a_header_is_read_in_the_encoding_of_its_version(version: int, encoding: str) -> None:
    array = read(versioned(version, named("é", encoding), np.arange(2.0).tobytes()))
    assert array.dtype.names == ("é",)
    assert array["é"].tolist() == [0, 1]


@pytest.mark.parametrize(("name", "version"), [("é", 1), ("é" * 2**16, 2), ("日", 3)])
def test_a_header_is_written_in_the_first_version_that_can_hold_it(name: str, version: int) -> None:
    array = np.ones(2, np.dtype([(name, "<f8")], align=True))
    content = Buffer(array, "binary").content
    assert content[: len(MAGIC_NUMPY) + 2] == MAGIC_NUMPY + bytes((version, 0))
    assert read(content).dtype.names == (name,)


def test_a_buffer_of_version_zero_is_refused() -> None:
    content = versioned(1, named("a", "latin1"), bytes(16))
    with pytest.raises(BufferFormatError, match="has no version"):
        read(content.replace(b"\x01\x00", b"\x00\x00", 1))


@pytest.mark.parametrize("excess", [0, 1])
def test_a_header_may_take_a_mebibyte(excess: int) -> None:
    header = named("a", "latin1").ljust(2**20 + excess)
    content = versioned(2, header, bytes(16))
    if excess:
        with pytest.raises(BufferFormatError, match="inside its header, or damaged"):
            read(content)
    else:
        assert len(read(content)) == 2


def test_the_last_code_point_is_text() -> None:
    header = b"{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }"
    last = versioned(1, header, struct.pack("<I", sys.maxunicode))
    assert read(last).tolist() == [chr(sys.maxunicode)]
    beyond = versioned(1, header, struct.pack("<I", sys.maxunicode + 1))
    with pytest.raises(BufferFormatError, match="invalid code points"):
        read(beyond)


def test_a_header_with_another_entry_is_refused() -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}"
    with pytest.raises(BufferFormatError, match="wrong entries"):
        read(versioned(1, header, bytes(16)))


@pytest.mark.parametrize(("descr", "writable"), [("'|S0'", False), ("[('a', '|S0')]", True)])
def test_items_without_bytes_are_writable_as_items_with_bytes_are(
    descr: str, writable: bool
) -> None:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}".encode()
    assert read(versioned(1, header, b"")).flags.writeable is writable


@pytest.mark.parametrize("fortran", [False, True])
def test_arrays_of_any_header_length_are_written_as_numpy_does(fortran: bool) -> None:
    for width in range(1, 66):
        array = np.zeros(
            (9, 1000), np.dtype([("a" * width, "<i1")], align=True), "F" if fortran else "C"
        )
        written = io.BytesIO()
        np.lib.format.write_array(written, array)
        assert Buffer(array, "binary").content == written.getvalue()


def test_items_of_nested_structures_are_aligned_at_every_depth() -> None:
    # the structure and its only field have equal sizes and offsets, packed or aligned
    inner = "('s', [('a', '|i1'), ('b', '<i4')], (2,))"
    header = f"{{'descr': [{inner}, ('', '|V6')], 'fortran_order': False, 'shape': (2,), }}"
    content = versioned(1, header.encode(), bytes(range(32)))
    array = read(content)
    expected = np.lib.format.read_array(io.BytesIO(content))
    assert array.dtype.isalignedstruct
    assert array["s"].tolist() == expected["s"].tolist()


@pytest.mark.parametrize("excess", [0, 1])
def test_so_many_items_without_bytes_are_read(excess: int) -> None:
    header = f"{{'descr': '|S0', 'fortran_order': False, 'shape': ({2**24 + excess},), }}"
    content = versioned(1, header.encode(), b"")
    if excess:
        with pytest.raises(BufferFormatError, match="items of no bytes"):
            read(content)
    else:
        assert read(content).shape == (2**24,)


@pytest.mark.parametrize("depth", [3000, 100_000])
def test_a_header_that_is_nested_too_deeply_is_refused(depth: int) -> None:
    with pytest.raises(BufferFormatError, match="damaged header"):
        read(versioned(2, b"-" * depth + b"1", b""))
