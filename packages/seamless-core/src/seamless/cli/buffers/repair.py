"""`Repair`: sets damaged buffers aside and restores them from other places.

A process that is killed leaves the buffer damaged as before, or set aside; the next repair goes on
from there. What is set aside may be a good buffer, if a writer replaced the damaged file in that
moment: it is renamed back.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from seamless.checksum.calculate_checksum import calculate_chunks_checksum
from seamless.cli.buffers.folder import DAMAGED_SUFFIX
from seamless.cli.interrupts import defer_sigint
from seamless.compression_utils import open_chunks, strip_compression_suffix
from seamless.errors import CompressedDataError
from seamless.stores.base import FOUND
from seamless.stores.directory import BufferDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seamless.stores.base import BufferStore

__all__ = ["Repair"]

# paths are text, as those of the scan
# ruff: noqa: PTH104, PTH108


class Repair:
    """Sets aside and restores buffers of one directory.

    Parameters
    ----------
    folder
        The buffer directory.
    places
        Where a buffer may be, in order.
    """

    def __init__(self, folder: str, places: Sequence[BufferStore]) -> None:
        self._directory = BufferDirectory(Path(folder))
        self._places = places

    def set_aside(self, path: str, damaged: os.stat_result) -> bool:
        """Rename a damaged file; return whether it was still the file that was found damaged."""
        aside = path + DAMAGED_SUFFIX
        with defer_sigint():
            try:
                os.rename(path, aside)
            except FileNotFoundError:
                return False
            if _version(os.lstat(aside)) == _version(damaged):
                return True
            os.rename(aside, path)
        return False

    def restore(self, path: str, digest: str) -> tuple[bool, str]:
        """Restore the buffer of a file that is set aside; return whether it is there, and a text.

        `path` is that of the file before or after it was set aside.

        Raises
        ------
        OSError
            When the directory can't be changed.
        """
        original = path.removesuffix(DAMAGED_SUFFIX)
        aside = original + DAMAGED_SUFFIX
        tried = []
        if self._directory.read(digest).outcome == FOUND:
            os.unlink(aside)
            return True, "deleted: the directory has another copy"
        if not os.path.lexists(original) and _has_digest(aside, original, digest):
            os.rename(aside, original)
            return True, "restored: it is not damaged"
        for place in self._places:
            result = place.read(digest)
            if result.content is not None:
                self._directory.write(digest, result.content)
                os.unlink(aside)
                return True, f"restored from {place.name}"
            tried.append(f"{place.name}: {result.outcome}")
        return (
            False,
            f"set aside, and not restored: {'; '.join(tried) or 'no other place is known'}",
        )


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _has_digest(aside: str, original: str, digest: str) -> bool:
    """Return whether a file that is set aside has the right content after all."""
    suffix = strip_compression_suffix(original)[1]
    with io.FileIO(aside) as stream:
        try:
            return calculate_chunks_checksum(open_chunks(stream, suffix)) == digest
        except CompressedDataError:
            return False
