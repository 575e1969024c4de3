"""SHA-256 checksums of bytes, files and streams, in constant memory.

This module has no heavy imports, because the command `seamless-checksum` starts with it.
"""

from __future__ import annotations

import os
from hashlib import sha256

TYPE_CHECKING = False  # known to type checkers; importing typing costs more than the rest here
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol

    class Readable(Protocol):
        """A binary file that `read_chunks` can read; an unbuffered file saves a copy."""

        def readinto(self, buffer: bytearray, /) -> int | None:
            """Read into the buffer; return the number of bytes, 0 at the end of the file."""


__all__ = [
    "CHUNK_SIZE",
    "calculate_checksum",
    "calculate_chunks_checksum",
    "calculate_dict_checksum",
    "calculate_file_checksum",
    "read_chunks",
]

#: bytes; fits in the second-level cache, and is large enough that hashing releases the GIL
CHUNK_SIZE = 1 << 18

#: can't be read, so they have no checksum
_OUTPUT_STREAMS = frozenset({"/dev/stdout", "/dev/stderr"})


def calculate_checksum(content: bytes | str) -> str:
    """Return the hex digest of bytes, or of the UTF-8 encoding of a text."""
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        raise TypeError(
            f"a checksum is calculated of bytes or str, not of {type(content).__name__}: "
            "convert the content with bytes(...) first"
        )
    return sha256(content).hexdigest()


def calculate_dict_checksum(d: dict[str, Any]) -> str:
    """Return the hex digest of the `plain` buffer of a dict (or any other JSON value)."""
    from seamless.checksum.json_ import json_dumps_bytes

    return sha256(json_dumps_bytes(d) + b"\n").hexdigest()


def calculate_file_checksum(filename: str | bytes | os.PathLike[str]) -> str | None:
    """Return the hex digest of the bytes of a file; None for `/dev/stdout` and `/dev/stderr`.

    A compressed file is not decompressed: see `seamless.compression_utils`.

    Raises
    ------
    OSError
        When the file is missing, a directory or unreadable.
    """
    if os.fsdecode(filename) in _OUTPUT_STREAMS:
        return None
    with open(filename, "rb", buffering=0) as stream:
        return calculate_chunks_checksum(read_chunks(stream))


def calculate_chunks_checksum(chunks: Iterable[bytes | memoryview]) -> str:
    """Return the hex digest of the concatenated chunks."""
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def read_chunks(stream: Readable) -> Iterator[memoryview]:
    """Read a stream to its end; each chunk is a view that is valid until the next one is read."""
    buffer = bytearray(CHUNK_SIZE)
    view = memoryview(buffer)
    while count := stream.readinto(buffer):
        yield view[:count]
