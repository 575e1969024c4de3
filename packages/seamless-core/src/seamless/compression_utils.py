"""Decompresses files with the suffixes `.gz` and `.zst`; a checksum is that of the plain bytes.

All functions stream: their memory does not grow with the file or the compression ratio. A zstd
frame is passed to the decompressor block by block, so that its end is known: the decompressor
alone accepts a truncated file as complete.
"""

from __future__ import annotations

import io

from seamless.checksum.calculate_checksum import CHUNK_SIZE, read_chunks
from seamless.errors import CompressedDataError

TYPE_CHECKING = False  # known to type checkers; importing typing costs more than the rest here
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "COMPRESSION_SUFFIXES",
    "MEMORY",
    "CompressedDataError",
    "WindowTooLargeError",
    "decompress_bytes",
    "open_chunks",
    "strip_compression_suffix",
]

COMPRESSION_SUFFIXES = (".zst", ".gz")
#: largest window of a zstd frame in bytes (`zstd --long=31`): decompressors accept no larger one
MEMORY = 1 << 31

_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"  # after one byte 0x50 to 0x5f
_RLE_BLOCK = 1  # its size field counts the output; the block itself is one byte


class WindowTooLargeError(CompressedDataError):
    """A zstd frame needs more memory than allowed."""

    def __init__(self, window: int, memory: int) -> None:
        super().__init__(
            f"a zstd frame needs {window} bytes of memory to be decompressed, "
            f"and no more than {memory} are allowed"
        )


def strip_compression_suffix(name: str) -> tuple[str, str | None]:
    """Split `data.txt.gz` into `data.txt` and `.gz`; the suffix is None if there is none.

    At most one suffix is removed, and only in lower case: `a.gz.zst` becomes `a.gz`.
    """
    for suffix in COMPRESSION_SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)], suffix
    return name, None


def decompress_bytes(data: bytes, suffix: str) -> bytes:
    """Decompress bytes in the format of a suffix.

    Raises
    ------
    ValueError
        When the suffix is neither `.gz` nor `.zst`.
    CompressedDataError
        When the data are damaged or truncated.
    """
    if suffix not in _READERS:
        raise ValueError(f"unknown compression suffix {suffix!r}: it must be '.gz' or '.zst'")
    return b"".join(_READERS[suffix](io.BytesIO(data), MEMORY))


def open_chunks(
    stream: io.RawIOBase, suffix: str | None, memory: int = MEMORY
) -> Iterator[bytes | memoryview]:
    """Yield the plain content of an unbuffered file; a chunk is valid until the next one is read.

    Decompressing a zstd frame takes at most `memory` bytes.
    """
    if suffix is None:
        return read_chunks(stream)
    return _buffered_chunks(stream, suffix, memory)


def _buffered_chunks(stream: io.RawIOBase, suffix: str, memory: int) -> Iterator[bytes]:
    buffered = io.BufferedReader(stream, CHUNK_SIZE)
    try:
        yield from _READERS[suffix](buffered, memory)
    finally:
        buffered.detach()  # the caller closes the file


def _gzip_chunks(stream: io.BufferedIOBase, _memory: int) -> Iterator[bytes]:
    """Yield the content of all members; only zero padding may follow them."""
    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as plain:
            while chunk := plain.read(CHUNK_SIZE):
                yield chunk
    except EOFError as error:
        raise CompressedDataError("gzip data are truncated: get the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CompressedDataError(f"gzip data are damaged, or not gzip data: {error}") from error


def _zstd_chunks(stream: io.BufferedIOBase, memory: int) -> Iterator[bytes]:
    """Yield the content of all frames; bytes after a frame that are not a frame are ignored."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=MEMORY)
    first = True
    try:
        while magic := stream.read(4):
            if magic == _FRAME_MAGIC:
                yield from _frame_chunks(stream, decompressor.decompressobj(), memory)
            elif magic[1:] == _SKIPPABLE_MAGIC and 0x50 <= magic[0] <= 0x5F:
                _skip(stream, int.from_bytes(_exactly(stream, 4), "little"))
            elif _FRAME_MAGIC.startswith(magic):
                raise _cut_short()
            elif first:
                raise CompressedDataError("not zstd data: the file does not begin with a frame")
            else:
                return
            first = False
    except zstandard.ZstdError as error:
        raise CompressedDataError(f"zstd data are damaged: {error}") from error


def _frame_chunks(stream: io.BufferedIOBase, frame: _Decompressor, memory: int) -> Iterator[bytes]:
    """Yield the content of a frame after its magic number (RFC 8878, section 3.1.1)."""
    import zstandard

    start = _FRAME_MAGIC + _exactly(stream, 1)
    has_checksum = start[4] & 0b100
    start += _exactly(stream, zstandard.frame_header_size(start) - len(start))
    window = zstandard.get_frame_parameters(start).window_size
    if window > memory:
        raise WindowTooLargeError(window, memory)
    last = 0
    while not last:
        header = _exactly(stream, 3)
        word = int.from_bytes(header, "little")
        last, kind, size = word & 1, word >> 1 & 3, word >> 3
        block = _exactly(stream, 1 if kind == _RLE_BLOCK else size)
        yield frame.decompress(start + header + block)
        start = b""
    if has_checksum:
        yield frame.decompress(_exactly(stream, 4))


def _exactly(stream: io.BufferedIOBase, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise _cut_short()
    return data


def _skip(stream: io.BufferedIOBase, size: int) -> None:
    while size:
        size -= len(_exactly(stream, min(size, CHUNK_SIZE)))


def _cut_short() -> CompressedDataError:
    return CompressedDataError("zstd data are truncated: get the file again")


if TYPE_CHECKING:
    from typing import Protocol

    class _Decompressor(Protocol):
        def decompress(self, data: bytes, /) -> bytes: ...


#: suffix -> function that reads a buffered file with a limit of memory
_READERS: dict[str, Callable[[io.BufferedIOBase, int], Iterator[bytes]]] = {
    ".gz": _gzip_chunks,
    ".zst": _zstd_chunks,
}
