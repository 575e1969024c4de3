"""Where `export` and `merge` write to: a file that does not exist, or a PostgreSQL without rows.

Either is filled at one go, or not at all. A dry run fills a temporary file instead.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.access.database import reading
from seamless_database.admin.access.output import building, new_file
from seamless_database.admin.access.sqlite import connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from seamless_database.admin.access.database import DatabaseTarget


@contextmanager
def new_database(where: DatabaseTarget, *, dry_run: bool) -> Iterator[DatabaseTarget]:
    """Give what to write to; after a dry run, nothing is kept."""
    if isinstance(where, Path):
        with new_file(where, dry_run=dry_run) as file:
            yield file
        return
    from seamless_database.admin.access.postgresql import check_no_rows

    check_no_rows(where)
    if dry_run:
        with new_file(Path("any.db"), dry_run=True) as file:
            yield file
    else:
        yield where


def filling(new: DatabaseTarget) -> AbstractContextManager[Connection]:
    """Open it, with its tables, to be filled."""
    if isinstance(new, Path):
        return building(new)
    from seamless_database.admin.access import postgresql

    return postgresql.filling(new)


def filled(new: DatabaseTarget) -> AbstractContextManager[Connection]:
    """Open what was filled, to look at it."""
    return connected(new, "ro") if isinstance(new, Path) else reading(new)
