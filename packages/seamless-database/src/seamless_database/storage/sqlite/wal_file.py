"""WAL file: how many of its frames are in use.

SQLite writes to the WAL from its beginning again once all of it was copied, and does not shorten
it. So the size of the file says how large the WAL once was. A frame is in use if it has the salts
of the header, which change whenever SQLite begins anew. (https://sqlite.org/walformat.html)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: bytes of the header of the file, and of the header of a frame
_HEADER, _FRAME_HEADER = 32, 24
#: where the salts are in either header, and their bytes
_SALTS, _FRAME_SALTS, _SALTS_SIZE = 16, 8, 8


class WalFile:
    """The WAL of a file that is open in WAL mode; safe from any thread.

    SQLite holds no locks on this file, so closing it here releases none.
    """

    def __init__(self, path: Path, page_size: int) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._frame_size = _FRAME_HEADER + page_size

    def salts(self) -> bytes:
        """Return the salts of the header; empty before the first commit."""
        return os.pread(self._descriptor, _SALTS_SIZE, _SALTS)

    def is_longer(self, size: int, salts: bytes) -> bool:
        """Whether more than `size` bytes are in use."""
        start = self.size_of(max(0, size - _HEADER) // self._frame_size)
        found = os.pread(self._descriptor, _SALTS_SIZE, start + _FRAME_SALTS)
        return len(found) == _SALTS_SIZE and found == salts

    def size_of(self, frames: int) -> int:
        """Return the bytes of so many frames, with the header of the file."""
        return _HEADER + frames * self._frame_size

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
