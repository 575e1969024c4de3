"""Receiving untrusted bytes: hashed while they arrive, with a size limit."""

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

#: Compressed data that expand to more than this, and to more than this many times their size, are
#: hashed first, and kept in memory only if the digest matches.
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
    """Return half of the physical memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def received(chunks: Iterable[bytes | memoryview], limit: int, expected: str | None) -> bytes:
    """Join chunks, and verify the digest of the result, if one is expected.

    Raises
    ------
    TooLargeError
        When there are more bytes than `limit`.
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

    A small input may expand to a very large result. An unusually large result is first hashed, in
    constant memory, and decompressed again only if the digest matches.

    Parameters
    ----------
    source
        The compressed data, from the beginning.
    compressed_size
        Its size in bytes.
    suffix
        `.gz` or `.zst`.
    limit
        Bytes of the result, at most.
    expected
        The digest, in hexadecimal.
    deadline
        The deadline, which each chunk of the result extends.

    Raises
    ------
    TooLargeError
        When there are more bytes than `limit`.
    ChecksumMismatchError
        When the result has another digest.
    CompressedDataError
        When the data are damaged or incomplete.
    TimeoutError
        After the deadline.
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
    """A file with a read deadline: compressed data may expand to nothing for a long time."""

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
    """Verify all chunks; return them joined, or None if they exceed `kept_limit` bytes."""
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
