"""A copy of a database, before something is changed; its name tells of what and when.

The copy of a file lies beside it, and has its permissions. The copy of a PostgreSQL database is a
file in the current folder.
"""

from __future__ import annotations

import re
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.access.output import create_file
from seamless_database.admin.access.snapshot import write_file
from seamless_database.admin.access.sqlite import back_up, existing, sync

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.access.database import DatabaseTarget
    from seamless_database.admin.progress import ProgressBars
    from seamless_database.storage.postgresql.url import PostgresUrl


def back_up_before(
    connection: Connection,
    where: DatabaseTarget,
    what: str,
    doing: ProgressBars,
    now: datetime | None = None,
) -> Path:
    """Copy a database that is open for changes; returns the copy."""
    time = now or datetime.now(timezone.utc)
    file = existing(where) if isinstance(where, Path) else Path.cwd() / _file_name(where)
    mode = stat.S_IMODE(file.stat().st_mode) if isinstance(where, Path) else 0o666
    copy = _created(file, f"{file.name}.before-{what}-{time:%Y%m%dT%H%M%S}", mode)
    try:
        with doing.one("Backup") as progress:
            if isinstance(where, Path):
                back_up(connection, where, copy, progress)
            else:
                write_file(connection, where, copy, doing)
        sync(copy.parent)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy


def _created(file: Path, stem: str, mode: int) -> Path:
    """Create an empty file beside another one, under a name that nothing has."""
    number = 1
    while True:
        copy = file.with_name(stem if number == 1 else f"{stem}-{number}")
        try:
            create_file(copy, mode)
        except FileExistsError:
            number += 1
        else:
            return copy


def _file_name(address: PostgresUrl) -> str:
    name = address.parameters.get("dbname", "postgresql")
    return re.sub(r"[^\w.-]", "_", name) + ".db"
