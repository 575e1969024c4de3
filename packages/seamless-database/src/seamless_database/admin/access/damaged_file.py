"""Open a damaged file to read it, without changing it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.access.open_files import processes_using
from seamless_database.admin.access.sqlite import connected, existing, pragma
from seamless_database.admin.interruption import INTERRUPTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from seamless_database.admin.access.sqlite import Mode

#: what belongs to a file beside it, other than shared memory
JOURNALS = ("-wal", "-journal")


@contextmanager
def connected_to_damaged(path: Path) -> Iterator[Connection]:
    """Open a damaged file to read it, in a temporary copy unless another process has it open."""
    file = existing(path)
    with tempfile.TemporaryDirectory(prefix="seamless-database-admin-") as folder:
        copy = (
            None
            if processes_using(file)
            else _copy_with_journals(file, Path(folder) / "snapshot.db")
        )
        mode: Mode = "ro" if copy is None else "rw"
        with connected(copy or file, mode, path, damaged=True) as connection:
            # one snapshot: a lock of another process must not look like damage later
            connection.exec_driver_sql("BEGIN")
            pragma(connection, "schema_version")
            yield connection


def _copy_with_journals(file: Path, copy: Path) -> Path | None:
    """Copy a file that no other process has open, and its journals; None if there is no space."""
    names = [name for suffix in ("", *JOURNALS) if (name := Path(f"{file}{suffix}")).exists()]
    if shutil.disk_usage(copy.parent).free <= sum(name.stat().st_size for name in names):
        return None
    with INTERRUPTION.deferred(defer=False):
        for name in names:
            shutil.copyfile(name, f"{copy}{name.name.removeprefix(file.name)}")
    return copy
