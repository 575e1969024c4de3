"""`Repair`: sets damaged buffers aside and restores them from other places.

A process that is killed leaves the buffer damaged as before, or set aside; the next repair goes on
from there. What is set aside may be a good buffer, if a writer replaced the damaged file in that
moment: it is renamed back.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from seamless.cli.buffers.folder import DAMAGED_SUFFIX
from seamless.cli.buffers.renaming import has_digest, rename_back
from seamless.cli.interrupts import defer_sigint
from seamless.stores.base import FOUND
from seamless.stores.directory import BufferDirectory
from seamless.util.atomic_file import temporary_name

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
                if _version(os.lstat(aside)) == _version(damaged):
                    return True
                rename_back(aside, path)  # else `restore` compares it with the newer file
            except FileNotFoundError:
                return False  # another process has deleted it, or has set it aside as well
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
        if self._is_there(digest) and self._discard(original, digest):
            return True, "deleted: the directory has another copy"
        if has_digest(aside, digest) and rename_back(aside, original):
            return True, "restored: it is not damaged"
        for place in self._places:
            result = place.read(digest)
            if result.content is not None:
                self._directory.write(digest, result.content)
                if self._discard(original, digest):
                    return True, f"restored from {place.name}"
                return self.restore(path, digest)
            tried.append(f"{place.name}: {result.outcome}")
        return (
            False,
            f"set aside, and not restored: {'; '.join(tried) or 'no other place is known'}",
        )

    def _is_there(self, digest: str) -> bool:
        return self._directory.read(digest).outcome == FOUND

    def _discard(self, original: str, digest: str) -> bool:
        """Delete what is set aside, unless the directory has lost the good copy by now.

        Another process that repairs the directory may have just set that aside.
        """
        aside = original + DAMAGED_SUFFIX
        last = temporary_name(original)  # which no other process uses
        with contextlib.suppress(FileNotFoundError), defer_sigint():
            os.rename(aside, last)
            if not self._is_there(digest):
                rename_back(last, aside)
                return False
            os.unlink(last)
        return True


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
