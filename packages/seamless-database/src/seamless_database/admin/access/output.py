"""Write a new file: under a temporary name beside it, and renamed when it is complete.

Nobody ever sees half of it, and nothing that exists is overwritten.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from seamless_database.admin.access.open_files import COMPANIONS
from seamless_database.admin.access.sqlite import connected, pragma, sync
from seamless_database.admin.errors import TargetExistsError
from seamless_database.errors import FileError
from seamless_database.models import TABLES, RevTransformation, Transformation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

#: the index that building a file needs before it is complete
EARLY = frozenset({"irreproducible_transformation_checksum"})


@contextmanager
def new_file(path: Path, *, dry_run: bool) -> Iterator[Path]:
    """Give the name to write to; after a dry run, nothing is kept."""
    check_absent(path)
    beside = None if dry_run else path.parent
    with tempfile.TemporaryDirectory(prefix=".seamless-database-admin-", dir=beside) as folder:
        file = Path(folder) / "new.db"
        yield file
        if not dry_run:
            place(file, path)


def check_absent(path: Path) -> None:
    """Make sure that there is no such file yet, and that there can be one."""
    # SQLite would take what lies beside a former file of this name for a part of the new one
    for name in (path, *(Path(f"{path}{suffix}") for suffix in COMPANIONS)):
        if os.path.lexists(name):
            raise TargetExistsError(name)
    if not path.parent.is_dir():
        raise FileError(path, "its folder does not exist")


@contextmanager
def building(file: Path) -> Iterator[Connection]:
    """Fill the tables of a new file.

    Nothing is journaled: if it fails, the file is thrown away. Most indexes come last, when they
    can be written in their order.
    """
    with connected(file, "rwc") as connection:
        for setting in ("journal_mode=OFF", "synchronous=OFF"):
            pragma(connection, setting)
        connection.exec_driver_sql("BEGIN")
        create_tables(connection)
        yield connection
        create_indexes(connection)
        connection.exec_driver_sql("COMMIT")


def create_tables(connection: Connection) -> None:
    """Create the tables of a file, with those indexes only that filling it needs."""
    for table in TABLES.values():
        connection.exec_driver_sql(str(CreateTable(table, if_not_exists=True)))
        for index in table.indexes:
            if index.name in EARLY:
                connection.exec_driver_sql(str(CreateIndex(index, if_not_exists=True)))


def create_indexes(connection: Connection) -> None:
    """Create the indexes that are not there."""
    for table in TABLES.values():
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.exec_driver_sql(str(CreateIndex(index, if_not_exists=True)))


def add_reverse_rows(connection: Connection) -> None:
    """Add the reverse rows, which follow from the results."""
    pairs = select(Transformation.result, Transformation.checksum).order_by(Transformation.checksum)
    connection.execute(insert(RevTransformation).from_select(["result", "checksum"], pairs))


def create_file(path: Path, mode: int = 0o666) -> None:
    """Create an empty file; raises `FileExistsError` if anything has the name, even a dead link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags, mode))


def place(file: Path, path: Path) -> None:
    """Sync a complete file, and give it its name."""
    sync(file)
    give_name(file, path)


def give_name(file: Path, path: Path) -> None:
    """Rename a file that is on the disk; raises `TargetExistsError` rather than replace another."""
    try:
        # unlike renaming, this never replaces a file that has come meanwhile
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
