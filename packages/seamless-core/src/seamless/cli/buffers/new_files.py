"""`NewFiles`: adds files to buffer directories, complete, verified and on disk before they appear.

Each file is written under a temporary name, and hashed by its content. A large file is synced and
renamed at once; small files are written to the disk together, after which the sync of each only
reports whether that has failed. A process that is killed leaves temporary files, which `gc` deletes
later, and never a part of a buffer.
"""

from __future__ import annotations

import contextlib
import io
import os
from concurrent.futures import CancelledError, ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from seamless.checksum.calculate_checksum import calculate_chunks_checksum
from seamless.cli.parallel_hash import core_count
from seamless.compression_utils import open_chunks, strip_compression_suffix
from seamless.errors import ChecksumMismatchError
from seamless.stores.directory import FILE_MODE
from seamless.util.atomic_file import sync_path, temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# paths are text, as those of the scan
# ruff: noqa: PTH105, PTH108, PTH120

__all__ = ["NewFiles"]

#: files from this size on are synced and renamed at once
LARGE_BYTES = 1 << 20
#: more small files than this are written to the disk together, by a sync of all file systems
FEW_FILES = 64

Item = TypeVar("Item")
Result = TypeVar("Result")


class NewFiles:
    """Files that are being written, by several threads.

    As a context, it removes all unfinished files at the end.
    """

    def __init__(self) -> None:
        #: temporary name -> final name of the small files that are not yet synced
        self._waiting: dict[str, str] = {}
        #: folders whose entries have changed
        self.folders: set[str] = set()
        self._stopped = False

    def __enter__(self) -> NewFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for temporary in self._waiting:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def map(self, action: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Call `action` for each item, from several threads; commit the files that it adds."""
        pool = ThreadPoolExecutor(2 * core_count())
        try:
            results = list(pool.map(action, items))
        except BaseException:
            self._stopped = True  # the threads must stop writing
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        self._commit()
        return results

    def add(self, target: str, chunks: Iterable[bytes | memoryview], digest: str) -> None:
        """Write a file, and verify what has been written by its content.

        Parameters
        ----------
        target
            The path. Its suffix says how the content is compressed.
        chunks
            The bytes of the file.
        digest
            The SHA-256 that the content must have.

        Raises
        ------
        OSError
            When the file can't be written.
        ChecksumMismatchError
            When the content has another digest.
        CompressedDataError
            When it can't be decompressed.
        """
        temporary = temporary_name(target)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        suffix = strip_compression_suffix(target)[1]
        try:
            with io.FileIO(os.open(temporary, flags, FILE_MODE), "r+") as file:
                found, size = self._write(file, chunks)
                if suffix is not None:
                    found = self._content_digest(file, suffix)
                if found != digest:
                    raise ChecksumMismatchError(digest, found)
                os.fchmod(file.fileno(), FILE_MODE)
                if size >= LARGE_BYTES:
                    os.fsync(file.fileno())
            if size >= LARGE_BYTES:
                self._rename(temporary, target)
            else:
                self._waiting[temporary] = target
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _write(self, file: io.FileIO, chunks: Iterable[bytes | memoryview]) -> tuple[str, int]:
        """Write all chunks; return the digest of these bytes, and their number."""
        digest, size = sha256(), 0
        for chunk in self._until_stopped(chunks):
            _write_all(file, chunk)
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    def _content_digest(self, file: io.FileIO, suffix: str) -> str:
        """Return the digest of the content of a compressed file, which is read again."""
        file.seek(0)
        return calculate_chunks_checksum(self._until_stopped(open_chunks(file, suffix)))

    def _until_stopped(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        for chunk in chunks:
            if self._stopped:
                raise CancelledError
            yield chunk

    def _commit(self) -> None:
        """Rename the small files when they are on disk."""
        if len(self._waiting) > FEW_FILES:
            os.sync()  # it is fast, but reports no error, and on macOS does not wait
        for temporary in self._waiting:
            sync_path(temporary)
        for temporary, target in self._waiting.items():
            self._rename(temporary, target)
        self._waiting.clear()

    def _rename(self, temporary: str, target: str) -> None:
        """Give a complete file its name."""
        os.replace(temporary, target)
        self.folders.add(os.path.dirname(target))

    def finish(self) -> None:
        """Sync the entries of all folders that have changed."""
        for folder in self.folders:
            sync_path(folder)
        self.folders.clear()


def _write_all(file: io.FileIO, chunk: bytes | memoryview) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
