"""Read-only WAL: reading a file in WAL mode where SQLite cannot create shared memory.

That is the case on a read-only medium, and in a folder without write permission, after a server
was killed or its file was copied while it ran: the WAL is there, the shared memory is not. Without
shared memory no process of this machine has the file open. So the file may be read without locks,
provided that it looks the same before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Stamp = tuple[int, int, int, int]
#: files beside a database that is open, or was left in the middle of a change
_IN_USE = ("-shm", "-journal")


@dataclass(frozen=True, slots=True)
class FileState:
    """Device, inode, size and time of a file that is not open, and of its WAL."""

    file: Stamp
    wal: Stamp | None

    @property
    def open_mode(self) -> Literal["readonly_wal", "immutable"]:
        """How to open the file: SQLite requires a WAL, unless the file is immutable."""
        return "immutable" if self.wal is None else "readonly_wal"


def probe(path: Path) -> FileState | None:
    """Return the state of a file, or None if it is open somewhere.

    The file is not opened: closing it again would release the locks of this process.
    """
    stamp = _stamp(path)
    if stamp is None or any(_beside(path, suffix).exists() for suffix in _IN_USE):
        return None
    return FileState(stamp, _stamp(_beside(path, "-wal")))


def is_unchanged(path: Path, state: FileState) -> bool:
    """Whether a file still has the state that `probe` has returned."""
    return probe(path) == state


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
