"""`ChecksumSet`: any number of checksums in a temporary file, for look-ups in constant memory.

Checksums are collected by their first byte; a part that grows large goes to a file of its own. The
finished set is one sorted file with an index of the first two bytes, so a look-up reads a few
kilobytes. The temporary files are in the folder of `TMPDIR`, 64 bytes for each checksum in
all, and disappear when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from array import array
from typing import IO, TYPE_CHECKING

from seamless.cli.command import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ChecksumSet", "naming_temporary_folder"]

DIGEST_SIZE = 32
#: bytes of a part that are kept in memory, so 256 times as many in all
PART_BYTES = 1 << 16


class ChecksumSet:
    """An immutable set of digests of 32 bytes, for one thread.

    Raises
    ------
    CommandError
        When the temporary files can't be written.
    """

    def __init__(self, digests: Iterable[bytes]) -> None:
        #: start of the digests with each of the first two bytes, in digests
        self._starts = array("Q", [0])
        with naming_temporary_folder():
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - as long as the set
            try:
                self._fill(digests)
            except BaseException:
                self.close()
                raise

    def _fill(self, digests: Iterable[bytes]) -> None:
        with _Parts() as parts:
            for digest in digests:
                parts.add(digest)
            for first in range(256):
                self._append(parts.sorted_part(first))

    def _append(self, digests: list[bytes]) -> None:
        """Add the sorted digests that begin with the next first byte."""
        counts = [0] * 256
        for digest in digests:
            counts[digest[1]] += 1
        for count in counts:
            self._starts.append(self._starts[-1] + count)
        content = b"".join(digests)
        if self._file.write(content) != len(content):
            raise OSError(28, os.strerror(28))

    def __len__(self) -> int:
        return self._starts[-1]

    def __contains__(self, digest: bytes) -> bool:
        bucket = digest[0] << 8 | digest[1]
        start, end = self._starts[bucket], self._starts[bucket + 1]
        size = (end - start) * DIGEST_SIZE
        # a match across two digests would only keep a buffer that could be deleted
        return size > 0 and digest in os.pread(self._file.fileno(), size, start * DIGEST_SIZE)

    def __enter__(self) -> ChecksumSet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()


class _Parts:
    """Unsorted digests by their first byte."""

    def __init__(self) -> None:
        self._parts = [bytearray() for _ in range(256)]
        self._spilled: dict[int, IO[bytes]] = {}

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._spilled.values():
            file.close()

    def add(self, digest: bytes) -> None:
        """Add a digest, which may be there already."""
        part = self._parts[digest[0]]
        part += digest
        if len(part) >= PART_BYTES:
            self._spill(digest[0])

    def _spill(self, first: int) -> None:
        if first not in self._spilled:
            self._spilled[first] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._spilled[first].write(self._parts[first])
        self._parts[first].clear()

    def sorted_part(self, first: int) -> list[bytes]:
        """Return the digests with a first byte, sorted and each once; they leave the memory."""
        content = bytes(self._parts[first])
        self._parts[first].clear()
        file = self._spilled.pop(first, None)
        if file is not None:
            with file:
                file.seek(0)
                content += file.read()
        starts = range(0, len(content), DIGEST_SIZE)
        return sorted({content[start : start + DIGEST_SIZE] for start in starts})


@contextlib.contextmanager
def naming_temporary_folder() -> Iterator[None]:
    """Let the error of a temporary file say where the file is."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise CommandError(
            f"temporary files in {tempfile.gettempdir()!r} can't be written: {error.strerror}; "
            "TMPDIR names another folder"
        ) from error
