"""Decompression of `.gz` and `.zst`: the whole content or an error."""

from __future__ import annotations

import gzip
import io
import random
from typing import TYPE_CHECKING

import pytest
import zstandard
from command_runs import frame_with_window, sha256
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless.checksum.calculate_checksum import calculate_chunks_checksum
from seamless.compression_utils import (
    COMPRESSION_SUFFIXES,
    CompressedDataError,
    WindowTooLargeError,
    decompress_bytes,
    open_chunks,
    strip_compression_suffix,
)
from seamless.errors import SeamlessError

if TYPE_CHECKING:
    from collections.abc import Callable

SKIPPABLE_FRAME = b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
TEXT = b"Those who cannot remember the past are condemned to recompute it.\n" * 40


def zstd(content: bytes, *, with_checksum: bool = True, with_size: bool = True) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(
        write_checksum=with_checksum, write_content_size=with_size
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(content)


def zstd_streamed(content: bytes) -> bytes:
    """Return a frame of many blocks, as a pipe produces it."""
    writer = zstandard.ZstdCompressor().compressobj()
    parts = [
        writer.compress(content[n : n + 100]) + writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for n in range(0, len(content), 100)
    ]
    return b"".join(parts) + writer.flush()


PACKERS: dict[str, list[Callable[[bytes], bytes]]] = {
    ".gz": [gzip.compress, lambda content: gzip.compress(content, 0)],
    ".zst": [
        zstd,
        zstd_streamed,
        lambda content: zstd(content, with_checksum=False),
        lambda content: zstd(content, with_size=False),
        lambda content: SKIPPABLE_FRAME + zstd(content),
    ],
}

contents = st.one_of(
    st.binary(max_size=2000),
    st.builds(
        lambda byte, count: byte * count, st.binary(min_size=1, max_size=1), st.just(400_000)
    ),
    st.builds(lambda seed: random.Random(seed).randbytes(300_000), st.integers(0, 9)),
)


class SlowFile(io.RawIOBase):
    """A file whose reads return chunks of given sizes, repeatedly."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._rest = io.BytesIO(content)
        self._sizes = sizes
        self._turn = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the only argument type in use
        size = self._sizes[self._turn % len(self._sizes)]
        self._turn += 1
        data = self._rest.read(min(size, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


@st.composite
def packed(draw: st.DrawFn) -> tuple[str, bytes, bytes]:
    """Return suffix, compressed bytes of one to three members, plain content."""
    suffix = draw(st.sampled_from(COMPRESSION_SUFFIXES))
    parts = draw(st.lists(contents, min_size=1, max_size=3))
    data = b"".join(draw(st.sampled_from(PACKERS[suffix]))(part) for part in parts)
    return suffix, data, b"".join(parts)


@settings(deadline=None)
@given(packed(), st.lists(st.integers(1, 70_000), min_size=1, max_size=5))
def test_the_checksum_is_that_of_the_plain_bytes(
    case: tuple[str, bytes, bytes], sizes: list[int]
) -> None:
    suffix, data, content = case
    if len(data) > 10_000:
        sizes = [size + 5000 for size in sizes]
    chunks = open_chunks(SlowFile(data, sizes), suffix)
    assert calculate_chunks_checksum(chunks) == sha256(content)


@settings(deadline=None)
@given(packed())
def test_all_members_are_decompressed(case: tuple[str, bytes, bytes]) -> None:
    suffix, data, content = case
    assert decompress_bytes(data, suffix) == content


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 100), min_size=1))
def test_a_file_without_suffix_is_plain(content: bytes, sizes: list[int]) -> None:
    assert calculate_chunks_checksum(open_chunks(SlowFile(content, sizes), None)) == sha256(content)


@pytest.mark.parametrize("suffix", COMPRESSION_SUFFIXES)
@pytest.mark.parametrize("number", range(2))
def test_truncated_data_are_an_error(suffix: str, number: int) -> None:
    data = PACKERS[suffix][number](TEXT)
    for size in range(1, len(data)):
        with pytest.raises(CompressedDataError):
            decompress_bytes(data[:size], suffix)


def test_a_truncated_second_frame_is_an_error() -> None:
    first, second = zstd(b"one"), zstd(b"two")
    for size in range(1, len(second)):
        with pytest.raises(CompressedDataError, match="truncated"):
            decompress_bytes(first + second[:size], ".zst")


@pytest.mark.parametrize("suffix", COMPRESSION_SUFFIXES)
@settings(deadline=None)
@given(data=st.data())
def test_a_flipped_bit_gives_the_content_or_an_error(suffix: str, data: st.DataObject) -> None:
    damaged = bytearray(PACKERS[suffix][0](TEXT))
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        content = decompress_bytes(bytes(damaged), suffix)
    except CompressedDataError:
        return
    assert content == TEXT


@pytest.mark.parametrize("suffix", COMPRESSION_SUFFIXES)
@settings(deadline=None)
@given(content=st.binary(min_size=1))
def test_other_bytes_are_an_error_or_empty(suffix: str, content: bytes) -> None:
    if (
        not content.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))
        and content[1:4] != b"\x2a\x4d\x18"
    ):
        with pytest.raises(CompressedDataError):
            decompress_bytes(content, suffix)


@pytest.mark.parametrize("suffix", COMPRESSION_SUFFIXES)
def test_an_empty_file_is_empty_content(suffix: str) -> None:
    assert decompress_bytes(b"", suffix) == b""


def test_bytes_that_are_not_a_frame_end_the_data() -> None:
    for foreign in (b"junk", b"junk" * 1000, zstd(TEXT)[4:8]):
        assert decompress_bytes(zstd(TEXT) + foreign + zstd(b"no more"), ".zst") == TEXT


@pytest.mark.parametrize("first", [0x4F, 0x50, 0x5F, 0x60])
def test_sixteen_magic_numbers_are_skipped(first: int) -> None:
    frame = bytes([first]) + SKIPPABLE_FRAME[1:]
    expected = TEXT * 2 if 0x50 <= first <= 0x5F else TEXT
    assert decompress_bytes(zstd(TEXT) + frame + zstd(TEXT), ".zst") == expected


def test_zeros_may_follow_gzip_members() -> None:
    assert decompress_bytes(gzip.compress(TEXT) + bytes(1000), ".gz") == TEXT


def test_nothing_else_may_follow_gzip_members() -> None:
    with pytest.raises(CompressedDataError):
        decompress_bytes(gzip.compress(TEXT) + b"x", ".gz")


def test_other_bytes_after_a_frame_end_the_data() -> None:
    assert decompress_bytes(zstd(TEXT) + b"tail", ".zst") == TEXT


def test_an_unknown_suffix_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"\.xz"):
        decompress_bytes(b"", ".xz")


def test_damage_is_a_seamless_error_and_an_os_error() -> None:
    assert issubclass(CompressedDataError, SeamlessError)
    assert issubclass(CompressedDataError, OSError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.gz", ("a", ".gz")),
        ("a.zst", ("a", ".zst")),
        ("a.gz.zst", ("a.gz", ".zst")),
        (".gz", ("", ".gz")),
        ("folder.gz/a", ("folder.gz/a", None)),
        ("a.GZ", ("a.GZ", None)),
        ("gz", ("gz", None)),
        ("", ("", None)),
    ],
)
def test_one_suffix_is_removed(name: str, expected: tuple[str, str | None]) -> None:
    assert strip_compression_suffix(name) == expected


@pytest.mark.parametrize("log", [10, 27, 28, 29, 30, 31])
def test_every_window_that_zstd_can_have_is_read(log: int) -> None:
    assert decompress_bytes(frame_with_window(log, b"content"), ".zst") == b"content"


def test_a_larger_window_is_refused() -> None:
    with pytest.raises(CompressedDataError, match="too much memory"):
        decompress_bytes(frame_with_window(32, b"content"), ".zst")


@pytest.mark.parametrize(("memory", "allowed"), [(1 << 29, True), ((1 << 29) - 1, False)])
def test_memory_can_be_limited(memory: int, allowed: bool) -> None:
    data = io.BytesIO(zstd(b"first") + frame_with_window(29, b"content"))
    chunks = open_chunks(data, ".zst", memory)  # type: ignore[arg-type]  # used as a raw file
    if allowed:
        assert b"".join(chunks) == b"firstcontent"
        return
    with pytest.raises(WindowTooLargeError, match=f"needs {1 << 29} bytes .* than {memory} "):
        b"".join(chunks)
