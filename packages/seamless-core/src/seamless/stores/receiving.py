"""Taking in bytes that may be hostile: hashed as they come, bounded in number."""

from __future__ import annotations

import io
import os
from hashlib import sha256
from typing import TYPE_CHECKING

from seamless.compression_utils import open_chunks
from seamless.errors import ChecksumMismatchError, SeamlessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import WriteableBuffer

    from seamless.stores.deadline import Deadline

__all__ = ["TooLargeError", "default_max_size", "expanded", "received"]

#: Compressed data that expand to more than this and to this many times their size are
#: hashed before the result is kept in memory.
KEPT_BYTES = 1 << 26
KEPT_RATIO = 20


class TooLargeError(SeamlessError, ValueError):
    """There are more bytes than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"it has more than {self.limit} bytes, the most that is read: "
            "raise SEAMLESS_BUFFER_MAX_SIZE or configure(max_size=...) if it is to be trusted"
        )


def default_max_size() -> int:
    """Return half of the physical memory, in bytes: larger buffers are hardly of use here."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def received(chunks: Iterable[bytes | memoryview], limit: int, expected: str | None) -> bytes:
    """Join chunks, and compare the digest of the result with the expected one, if there is one.

    Raises
    ------
    TooLargeError
        As soon as there are more bytes than `limit`.
    ChecksumMismatchError
        When the result has another digest.
    """
    content = _kept_if_small(chunks, limit, limit, expected)
    assert content is not None
    return content


def expanded(
    source: io.BytesIO | io.FileIO,
    compressed_size: int,
    suffix: str,
    *,
    limit: int,
    expected: str,
    deadline: Deadline,
) -> bytes:
    """Decompress data whose content has the expected digest.

    A small input may stand for a very large result. Beyond what is likely, the result is first
    hashed, in constant memory, and only decompressed again to be kept if the digest is right.

    Parameters
    ----------
    source
        The compressed data, from the beginning.
    compressed_size
        Bytes of them.
    suffix
        `.gz` or `.zst`.
    limit
        Bytes of the result at most.
    expected
        The digest, in hexadecimal.
    deadline
        When to give up; it moves on with the result.

    Raises
    ------
    TooLargeError
        As soon as there are more bytes than `limit`.
    ChecksumMismatchError
        When the result has another digest.
    CompressedDataError
        When the data are damaged or cut short.
    TimeoutError
        When the time is up.
    """

    def chunks() -> Iterator[bytes | memoryview]:
        source.seek(0)
        for chunk in open_chunks(_TimedReader(source, deadline), suffix):
            deadline.extend_for(len(chunk))
            yield chunk

    likely = max(KEPT_BYTES, KEPT_RATIO * compressed_size)
    content = _kept_if_small(chunks(), limit, likely, expected)
    return received(chunks(), limit, expected) if content is None else content


class _TimedReader(io.RawIOBase):
    """A file that is read until the time is up: compressed data may expand to nothing for long."""

    def __init__(self, source: io.BytesIO | io.FileIO, deadline: Deadline) -> None:
        self._source = source
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        self._deadline.check()
        return self._source.readinto(buffer)


def _kept_if_small(
    chunks: Iterable[bytes | memoryview], limit: int, kept_limit: int, expected: str | None
) -> bytes | None:
    """Check all chunks; return them joined, or None if that is more than `kept_limit` bytes."""
    kept, size, digest = io.BytesIO(), 0, sha256()
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLargeError(limit)
        if expected is not None:
            digest.update(chunk)
        if size <= kept_limit:
            kept.write(chunk)
        elif kept.tell():
            kept = io.BytesIO()
    if expected is not None and digest.hexdigest() != expected:
        raise ChecksumMismatchError(expected, digest.hexdigest())
    return kept.getvalue() if size <= kept_limit else None
