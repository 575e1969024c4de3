"""What can go wrong in the administration of a file, below the errors of the package.

::

    DatabaseError
    ├── FileError
    │   └── FileInUseError (BlockingIOError)      another process has the file open
    └── AdminError                                what was asked for cannot be done
        ├── TargetExistsError (FileExistsError)   the file to write is there already
        ├── DamagedError (OSError)                the file is no intact SQLite file
        └── ListError (ValueError)                a list of checksums holds something else
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.errors import DatabaseError, FileError

if TYPE_CHECKING:
    from pathlib import Path


class FileInUseError(FileError, BlockingIOError):
    """The file is open in another process, and what was asked for is only safe alone."""

    def __init__(self, path: object, users: str) -> None:
        super().__init__(path, f"it is in use by {users}; stop that first")


class AdminError(DatabaseError):
    """Root of what is particular to the administration of files."""


class TargetExistsError(AdminError, FileExistsError):
    """The file that should be written exists; `path` is that file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already; remove it, or choose another name")
        self.path = path


class DamagedError(AdminError, OSError):
    """The file is damaged, so that it must not be changed; `path` is the file."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"the database file {path} is damaged: {reason}")
        self.path = path


class ListError(AdminError, ValueError):
    """A list of checksums holds something that is none; `line` is the number of its line."""

    def __init__(self, source: str, line: int, text: str) -> None:
        super().__init__(
            f"line {line} of {source} is no checksum (64 hexadecimal digits): {text[:60]!a}"
        )
        self.line = line
