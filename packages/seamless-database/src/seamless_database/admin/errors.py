"""Errors of the administration, below the errors of the package.

::

    DatabaseError
    ├── FileError
    │   └── FileInUseError (BlockingIOError)      another process has the file open
    ├── ServerError
    │   └── WritersError (BlockingIOError)        servers write to the database
    └── AdminError                                errors of the administration only
        ├── TargetExistsError (FileExistsError)   the file or the rows to write exist
        ├── DamagedError (OSError)                the file is not an intact SQLite file
        ├── BufferDirectoryError (OSError)        a buffer directory cannot be read
        ├── ListError (ValueError)                a line of a list is not a checksum
        ├── FilesOnlyError (ValueError)           the sub-command is not for PostgreSQL
        ├── SameDatabaseError (ValueError)        the source of a copy is its target
        ├── NoTextError (ValueError)              a text column of the source holds no text
        ├── OtherRowsError (ValueError)           the target of a copy holds other rows
        └── CopyFailedError (OSError)             source and copy differ
"""

from __future__ import annotations

from seamless_database.errors import DatabaseError, FileError, ServerError


class FileInUseError(FileError, BlockingIOError):
    """Another process has the file open, and the command needs it exclusively."""

    def __init__(self, path: object, users: str) -> None:
        super().__init__(path, f"it is in use by {users}; stop that first")


class WritersError(ServerError, BlockingIOError):
    """Servers were writing to the database, so the command could not lock it in time."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(
            name, f"servers are writing to it (waited {seconds:g} s for its lock); try again later"
        )


class AdminError(DatabaseError):
    """Root of the errors of the administration only."""


class TargetExistsError(AdminError, FileExistsError):
    """The file to write exists, or the database to load has rows; `path` is its name."""

    def __init__(self, path: object, what: str = "exists already; remove it") -> None:
        super().__init__(f"{path} {what}, or choose another name")
        self.path = path


class BufferDirectoryError(AdminError, OSError):
    """A buffer directory cannot be read; `path` is its name."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"cannot read the buffer directory {path}: {reason}")
        self.path = path


class DamagedError(AdminError, OSError):
    """The file is damaged, so it must not be changed; `path` is the file."""

    def __init__(self, path: object, reason: str, advice: str) -> None:
        super().__init__(f"the database file {path} is damaged: {reason}; {advice}")
        self.path = path
        self.reason = reason


class ListError(AdminError, ValueError):
    """A line of a list is not a checksum; `line` is its number."""

    def __init__(self, source: str, line: int, text: str) -> None:
        super().__init__(
            f"line {line} of {source} is not a checksum (64 hexadecimal digits): {text[:60]!a}"
        )
        self.line = line


class FilesOnlyError(AdminError, ValueError):
    """The sub-command is for SQLite files; `url` is the PostgreSQL database."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"this is for SQLite files, and {url} is not a file; {reason}")
        self.url = url


class SameDatabaseError(AdminError, ValueError):
    """The source of a copy is its target."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is the source as well as the target; choose another target")


class NoTextError(AdminError, ValueError):
    """A text column of the source holds bytes, a number or NULL; `table` is its table."""

    def __init__(self, table: str, row: str) -> None:
        super().__init__(
            f"the table {table} holds bytes, a number or NULL for a text, in the row {row}; "
            "run seamless-database-admin check --repair on the source, or remove that row"
        )
        self.table = table


class OtherRowsError(AdminError, ValueError):
    """The target of a copy holds a row that the source lacks, or other values; `table` has it."""

    def __init__(self, target: str, table: str, reason: str) -> None:
        super().__init__(
            f"{target} holds other rows than the source: {reason} (table {table}); nothing was "
            "changed; choose a target that is empty, or one with rows of this source only"
        )
        self.table = table


class CopyFailedError(AdminError, OSError):
    """The rows of the target differ from those of the source after the copy."""

    def __init__(self, target: str, tables: str) -> None:
        super().__init__(
            f"the copy is wrong: {target} has other rows than the source in {tables}; another "
            "process may have written to it meanwhile; stop that, and copy again"
        )
