"""All rows of a database, as they are, in a new file: to export them, to keep them, to try."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.access import sqlite
from seamless_database.admin.access.bulk import copy_all
from seamless_database.admin.access.output import building
from seamless_database.admin.access.tables import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from seamless_database.admin.progress import ProgressBars
    from seamless_database.storage.postgresql.url import PostgresUrl


def write_file(source: Connection, address: PostgresUrl, file: Path, doing: ProgressBars) -> None:
    """Write what a PostgreSQL database holds into a new file."""
    with building(file) as copy:
        copy_all(source, survey(source, address), copy, doing)
    sqlite.sync(file)


@contextmanager
def scratch(source: Connection, address: PostgresUrl, doing: ProgressBars) -> Iterator[Connection]:
    """Open a temporary file of it, to be changed without disturbing anybody."""
    with tempfile.TemporaryDirectory(prefix="seamless-database-admin-") as folder:
        copy = Path(folder) / "copy.db"
        write_file(source, address, copy, doing)
        with sqlite.connected(copy, "rw") as connection:
            yield connection
