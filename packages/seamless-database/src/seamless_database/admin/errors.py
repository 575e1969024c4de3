"""What can go wrong in the administration of a file, below the errors of the package.

::

    DatabaseError
    ├── FileError
    │   └── FileInUseError (BlockingIOError)      another process has the file open
    ├── ServerError
    │   └── WritersError (BlockingIOError)        servers go on writing to the database
    └── AdminError                                what was asked for cannot be done
        ├── TargetExistsError (FileExistsError)   what should be written is there already
        ├── DamagedError (OSError)                the file is no intact SQLite file
        ├── ListError (ValueError)                a list of checksums holds something else
        ├── FilesOnlyError (ValueError)           it is done to files only, not to PostgreSQL
        ├── SameDatabaseError (ValueError)        the source of a copy is its target
        ├── NoTextError (ValueError)              the source of a copy holds no text for one
        ├── OtherRowsError (ValueError)           the target of a copy holds something else
        └── CopyFailedError (OSError)             a copy is not what it should be
"""

from __future__ import annotations

from seamless_database.errors import DatabaseError, FileError, ServerError


class FileInUseError(FileError, BlockingIOError):
    """The file is open in another process, and what was asked for is only safe alone."""

    def __init__(self, path: object, users: str) -> None:
        super().__init__(path, f"it is in use by {users}; stop that first")


class WritersError(ServerError, BlockingIOError):
    """Servers were writing to the database all the time, so that they could not be locked out."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(
            name, f"others are writing to it, and did not end (waited {seconds:g} s); try later"
        )


class AdminError(DatabaseError):
    """Root of what is particular to the administration of files."""


class TargetExistsError(AdminError, FileExistsError):
    """The file that should be written exists, or the database holds rows; `path` names it."""

    def __init__(self, path: object, what: str = "exists already; remove it") -> None:
        super().__init__(f"{path} {what}, or choose another name")
        self.path = path


class DamagedError(AdminError, OSError):
    """The file is damaged, so that it must not be changed; `path` is the file."""

    def __init__(self, path: object, reason: str, advice: str) -> None:
        super().__init__(f"the database file {path} is damaged: {reason}; {advice}")
        self.path = path
        self.reason = reason


class ListError(AdminError, ValueError):
    """A list of checksums holds something that is none; `line` is the number of its line."""

    def __init__(self, source: str, line: int, text: str) -> None:
        super().__init__(
            f"line {line} of {source} is no checksum (64 hexadecimal digits): {text[:60]!a}"
        )
        self.line = line


class FilesOnlyError(AdminError, ValueError):
    """The sub-command is for SQLite files; `url` names the PostgreSQL database."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"this is for SQLite files, and {url} is none; {reason}")
        self.url = url


class SameDatabaseError(AdminError, ValueError):
    """A database should be copied to itself."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is the source as well as the target; choose another target")


class NoTextError(AdminError, ValueError):
    """The source of a copy holds something else where a text should be; `table` has it."""

    def __init__(self, table: str, row: str) -> None:
        super().__init__(
            f"the table {table} holds bytes or a number for a text, in the row {row}; "
            "run seamless-database-admin check --repair on the source, or remove that row"
        )
        self.table = table


class OtherRowsError(AdminError, ValueError):
    """The target of a copy holds a row that the source lacks, or has otherwise; `table` has it."""

    def __init__(self, target: str, table: str, reason: str) -> None:
        super().__init__(
            f"{target} holds other rows than the source: {reason} (table {table}); nothing was "
            "changed; choose a target that is empty, or one with rows of this source only"
        )
        self.table = table


class CopyFailedError(AdminError, OSError):
    """The rows that were read back from the target are not those of the source."""

    def __init__(self, target: str, tables: str) -> None:
        super().__init__(
            f"the copy is wrong: {target} has other rows than the source in {tables}; somebody "
            "may have written to it meanwhile; see that nobody does, and copy again"
        )
