"""`seamless-buffers compress`: replaces buffers by compressed files."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from typing import TYPE_CHECKING

from seamless.checksum.calculate_checksum import CHUNK_SIZE
from seamless.cli.buffers.folder import (
    Kind,
    batches,
    is_being_written,
    require_buffers,
    scan,
    status_of,
)
from seamless.cli.buffers.new_files import NewFiles
from seamless.cli.command import CommandError, write_line
from seamless.cli.progress import Progress
from seamless.cli.several import Failures
from seamless.errors import ChecksumMismatchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from seamless.cli.buffers.folder import FoundFile

# paths are text, as those of the scan
# ruff: noqa: PTH108

DESCRIPTION = """\
Replace the buffers of a directory by compressed files (.zst) that are smaller.

Readers and the hashserver decompress them. Each new file is decompressed again and
hashed, and is on disk before the old file is deleted; a damaged buffer is named and
stays. Files under 4096 bytes stay too, and those that have another hard link, that were
written within the last two minutes, or that compression does not make smaller by a
tenth. A compressed buffer counts as newly written."""

SUFFIX = ".zst"
#: a block of most file systems: a smaller file takes no less room
MIN_BYTES = 4096
#: compressed bytes for each byte, at most
MAX_RATIO = 0.9
_LEVELS = range(1, 20)


class _NotSmallerError(Exception):
    """Compression does not pay."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("directory", help="the buffer directory")
    parser.add_argument(
        "--level",
        type=int,
        choices=_LEVELS,
        default=3,
        metavar="N",
        help="1 (fast) to 19 (small); 3 by default",
    )


def run(options: argparse.Namespace) -> int:
    """Compress a buffer directory; return the exit status."""
    folder: str = options.directory
    require_buffers(folder)
    failures = Failures()
    with NewFiles() as new_files, Progress(None, "B") as advance:
        compression = _Compression(new_files, failures, options.level)
        for batch in batches(scan(folder, failures.add)):
            compression.add(batch, advance)
    failures.write()
    counts = compression.counts
    write_line(
        f"{folder}: {counts['files']} buffers of {counts['bytes']} bytes compressed to "
        f"{counts['compressed bytes']} bytes"
    )
    return int(len(failures) > 0)


class _Compression:
    """Compresses batches of files."""

    def __init__(self, new_files: NewFiles, failures: Failures, level: int) -> None:
        self._new_files = new_files
        self._failures = failures
        self._level = level
        self.counts: Counter[str] = Counter()

    def add(self, batch: list[FoundFile], advance: Callable[[int], None] | None) -> None:
        """Compress the files of a batch for which it pays."""
        chosen = [(found, size) for found in batch if (size := _worthwhile_size(found))]

        def compress(item: tuple[FoundFile, int]) -> bool:
            done = self._compress(*item)
            if advance is not None:
                advance(item[1])
            return done

        results = self._new_files.map(compress, chosen)
        self._new_files.finish()  # the new entries must be on disk before the old ones go
        for (found, size), done in zip(chosen, results, strict=True):
            if done:
                self.counts["files"] += 1
                self.counts["bytes"] += size
                with contextlib.suppress(FileNotFoundError):
                    self.counts["compressed bytes"] += os.lstat(found.entry.path + SUFFIX).st_size
                    os.unlink(found.entry.path)

    def _compress(self, found: FoundFile, size: int) -> bool:
        """Add the compressed file; return False if the buffer stays as it is."""
        import zstandard

        compressor = zstandard.ZstdCompressor(level=self._level, write_checksum=True)
        path = found.entry.path
        try:
            file = io.FileIO(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._failures.add(error)
            return False
        with file:
            chunks = compressor.read_to_iter(file, size=size, read_size=CHUNK_SIZE)
            try:
                self._new_files.add(path + SUFFIX, _limited(chunks, size), found.digest)
            except _NotSmallerError:
                return False
            except (ChecksumMismatchError, zstandard.ZstdError):
                self._failures.add(
                    CommandError(f"{path!r} is damaged and not compressed: verify --repair it")
                )
                return False
        return True


def _worthwhile_size(found: FoundFile) -> int:
    """Return the size of a buffer that should be compressed, else 0."""
    if found.kind is not Kind.BUFFER or len(found.entry.name) > len(found.digest):
        return 0
    status = status_of(found.entry)
    if status is None or status.st_size < MIN_BYTES or status.st_nlink > 1:
        return 0
    if is_being_written(found.entry.path, found.digest, status.st_mtime):
        return 0
    return status.st_size


def _limited(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the chunks, as long as they are clearly fewer bytes than the file."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_RATIO * size:
            raise _NotSmallerError
        yield chunk
