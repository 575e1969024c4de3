"""Read a file in WAL mode where SQLite can not make the shared memory that this mode needs.

That is so on a read-only medium, and in a folder in which we may not write, when a server has
been killed, or its file was copied while it ran: the journal is there, the shared memory is not.
Where there is no shared memory nobody has the file open, on this machine; so it may be read
without locks, as long as it looks the same before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Stamp = tuple[int, int, int, int]
#: beside a file that is in use, or was left in the middle of a change: not at rest
_IN_USE = ("-shm", "-journal")


@dataclass(frozen=True, slots=True)
class FileState:
    """How a file and its journal looked while nobody had them open."""

    file: Stamp
    journal: Stamp | None

    @property
    def way(self) -> Literal["resting", "immutable"]:
        """How to open it: SQLite insists on a journal, unless the file cannot change."""
        return "immutable" if self.journal is None else "resting"


def look(path: Path) -> FileState | None:
    """Look at a file, without opening it, which would end its locks; None if it is in use."""
    stamp = _stamp(path)
    if stamp is None or _in_use(path):
        return None
    return FileState(stamp, _stamp(_beside(path, "-wal")))


def is_unchanged(path: Path, rest: FileState) -> bool:
    """Tell whether nothing has happened to a file since it was looked at."""
    return look(path) == rest


def _in_use(path: Path) -> bool:
    return any(_beside(path, suffix).exists() for suffix in _IN_USE)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
