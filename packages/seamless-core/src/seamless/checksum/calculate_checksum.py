"""SHA-256 of bytes, of a file, of a stream: in chunks, in constant memory.

Kept free of heavy imports: the command `seamless-checksum` starts with this module.
"""

from __future__ import annotations

import os
from hashlib import sha256

TYPE_CHECKING = False  # known to type checkers; importing typing costs more than the rest here
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol

    class Readable(Protocol):
        """What `read_chunks` asks of a file: an unbuffered one saves a copy."""

        def readinto(self, buffer: bytearray, /) -> int | None:
            """Fill the buffer; returns how many bytes came, 0 at the end."""


__all__ = [
    "CHUNK_SIZE",
    "calculate_checksum",
    "calculate_chunks_checksum",
    "calculate_dict_checksum",
    "calculate_digest",
    "calculate_file_checksum",
    "read_chunks",
]

#: Fits in the second-level cache beside the code; the digest runs without Python's lock.
CHUNK_SIZE = 1 << 18

#: Written to, never read from: there is nothing there whose checksum could be taken.
_OUTPUT_STREAMS = frozenset({"/dev/stdout", "/dev/stderr"})


def calculate_checksum(content: bytes | str) -> str:
    """Hex digest of bytes; a text stands for its UTF-8 encoding."""
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        raise TypeError(
            f"checksums are taken of bytes or str, not of {type(content).__name__}: "
            "convert the content with bytes(...) first"
        )
    return sha256(content).hexdigest()


def calculate_digest(content: bytes) -> bytes:
    """Digest of bytes, as 32 bytes."""
    return sha256(content).digest()


def calculate_dict_checksum(d: dict[str, Any]) -> str:
    """Hex digest of the `plain` buffer of a dict (or any other JSON value)."""
    from seamless.checksum.json_ import json_dumps_bytes

    return sha256(json_dumps_bytes(d) + b"\n").hexdigest()


def calculate_file_checksum(filename: str | bytes | os.PathLike[str]) -> str | None:
    """Hex digest of a file as it lies there; None for `/dev/stdout` and `/dev/stderr`.

    A compressed file is not decompressed here: see `seamless.compression_utils`.

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
    """Hex digest of the concatenation of `chunks`."""
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def read_chunks(stream: Readable) -> Iterator[memoryview]:
    """Read to the end; each chunk is a view that holds until the next one is asked for."""
    buffer = bytearray(CHUNK_SIZE)
    view = memoryview(buffer)
    while count := stream.readinto(buffer):
        yield view[:count]
