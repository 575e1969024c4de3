"""Database files as files: which processes have one open, permissions, copies, new files, sync.

SQLite's locks do not show an idle process that has a file open, but Linux does: in `/proc`, for
the processes of the same user, and for all processes to root. On other systems, no such process
is found, and only SQLite's locks protect a file.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.errors import TargetExistsError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = Path("/proc")
#: suffixes of the files that hold committed or unfinished changes of a database file
JOURNALS = ("-wal", "-journal")
#: suffixes of all files that SQLite keeps beside a database file while it is open
COMPANIONS = (*JOURNALS, "-shm")
#: prefix of temporary folders
TEMPORARY = "seamless-database-admin-"

_Identity = tuple[int, int]


def processes_using(file: Path, *, besides: int | None = None) -> list[str]:
    """Return the names of the processes, besides one, that have a file or its companions open."""
    wanted = {
        identity
        for suffix in ("", *COMPANIONS)
        if (identity := _identity(f"{file}{suffix}")) is not None
    }
    if not wanted or not PROCESSES.is_dir():
        return []
    numbers = sorted(int(entry.name) for entry in PROCESSES.iterdir() if entry.name.isdigit())
    return [
        _process_name(PROCESSES / str(number))
        for number in numbers
        if number != besides
        and any(_identity(path) in wanted for path in _open_files(PROCESSES / str(number)))
    ]


def _open_files(process: Path) -> Iterator[str]:
    try:
        with os.scandir(process / "fd") as entries:
            yield from (entry.path for entry in entries)
    except OSError:
        # the process has ended, or belongs to another user
        return


def _identity(path: str) -> _Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # faster than Path.stat for some ten thousand files
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _process_name(process: Path) -> str:
    try:
        name = (process / "comm").read_text(errors="replace").strip()
    except OSError:
        name = "?"
    return f"process {process.name} ({name})"


def resolve_readable(path: Path) -> Path:
    """Resolve the links to an existing file; raises a `FileError` if it cannot be read."""
    if path.is_dir():
        raise FileError(path, "it is a folder")
    if not path.exists():
        raise FileError(path, "it does not exist")
    if not os.access(path, os.R_OK):
        raise FileError(path, "no permission to read it")
    if not path.is_file():
        raise FileError(path, "it is not a regular file")
    return path.resolve()


def copy_with_journals(file: Path, copy: Path) -> Path | None:
    """Copy a file that no process has open, and its journals; None if the space is too small."""
    names = [name for suffix in ("", *JOURNALS) if (name := Path(f"{file}{suffix}")).exists()]
    if shutil.disk_usage(copy.parent).free <= sum(name.stat().st_size for name in names):
        return None
    with INTERRUPTION.deferred(defer=False):
        for name in names:
            shutil.copyfile(name, f"{copy}{name.name.removeprefix(file.name)}")
    return copy


def check_absent(path: Path) -> None:
    """Raise a `TargetExistsError` or `FileError` unless a file of this name can be created."""
    # SQLite would use the companions of a former file of this name for the new file
    for name in (path, *(Path(f"{path}{suffix}") for suffix in COMPANIONS)):
        if os.path.lexists(name):
            raise TargetExistsError(name)
    if not path.parent.is_dir():
        raise FileError(path, "its folder does not exist")


def create_file(path: Path, mode: int = 0o666) -> None:
    """Create an empty file; raises `FileExistsError` if the name exists, even as a dead link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags, mode))


def publish(file: Path, path: Path) -> None:
    """Rename a complete, synced file; raises `TargetExistsError` instead of replacing a file."""
    try:
        # unlike a rename, a hard link never replaces a file that was created in the meantime
        os.link(file, path)
    except FileExistsError:
        raise TargetExistsError(path) from None
    except OSError:
        # some file systems have no hard links
        check_absent(path)
        file.rename(path)
    else:
        file.unlink()
    sync(path.parent)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk (fsync)."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
