"""SHA-256 of bytes, texts, dicts, files and streams."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from command_runs import sha256
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless.checksum.calculate_checksum import (
    CHUNK_SIZE,
    calculate_checksum,
    calculate_chunks_checksum,
    calculate_dict_checksum,
    calculate_file_checksum,
)

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_no_bytes_have_the_well_known_checksum() -> None:
    assert calculate_checksum(b"") == EMPTY


@settings(deadline=None)
@given(st.text())
def test_the_checksum_of_a_text_is_that_of_its_utf8_encoding(text: str) -> None:
    assert calculate_checksum(text) == sha256(text.encode())


@pytest.mark.parametrize("value", [bytearray(b"a"), memoryview(b"a"), None, 5, [b"a"]])
def test_anything_but_bytes_and_text_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        calculate_checksum(value)


def test_a_dict_checksum_is_that_of_its_plain_buffer() -> None:
    assert calculate_dict_checksum({"b": 1, "a": [2]}) == sha256(
        b'{\n  "a": [\n    2\n  ],\n  "b": 1\n}\n'
    )


def test_a_dict_checksum_does_not_depend_on_the_order_of_keys() -> None:
    assert calculate_dict_checksum({"a": 1, "b": 2}) == calculate_dict_checksum({"b": 2, "a": 1})


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1])
def test_a_file_is_read_to_its_end(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)
    assert calculate_file_checksum(tmp_path / "f") == sha256(content)


def test_a_file_name_may_be_text_bytes_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x")
    names: list[str | bytes | os.PathLike[str]] = [path, str(path), os.fsencode(path)]
    assert {calculate_file_checksum(name) for name in names} == {sha256(b"x")}


def test_a_compressed_file_is_not_decompressed(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(b"not even gzip")
    assert calculate_file_checksum(tmp_path / "f.gz") == sha256(b"not even gzip")


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr"])
def test_an_output_stream_has_no_checksum(name: str) -> None:
    assert calculate_file_checksum(name) is None


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        calculate_file_checksum(tmp_path / "missing")


def test_a_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        calculate_file_checksum(tmp_path)


@settings(deadline=None)
@given(st.lists(st.binary()))
def test_the_checksum_of_chunks_is_that_of_their_concatenation(chunks: list[bytes]) -> None:
    assert calculate_chunks_checksum(chunks) == sha256(b"".join(chunks))
