"""Back up a database before a command changes it.

The backup of a file is in the same folder, with the same permissions. The backup of a PostgreSQL
database is a file in the current folder. The name says the command and the time.
"""

from __future__ import annotations

import re
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.access.files import create_file, resolve_readable, sync
from seamless_database.admin.access.output import write_snapshot
from seamless_database.admin.access.sqlite import back_up

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.access.target import DatabaseTarget
    from seamless_database.admin.console import ProgressBars
    from seamless_database.storage.postgresql.url import PostgresUrl


def back_up_before(
    connection: Connection,
    database: DatabaseTarget,
    change: str,
    progress: ProgressBars,
    now: datetime | None = None,
) -> Path:
    """Back up a database that is open exclusively; returns the backup."""
    time = now or datetime.now(timezone.utc)
    if isinstance(database, Path):
        file = resolve_readable(database)
        mode = stat.S_IMODE(file.stat().st_mode)
    else:
        file, mode = Path.cwd() / _file_name(database), 0o666
    backup = _create_file(file, f"{file.name}.before-{change}-{time:%Y%m%dT%H%M%S}", mode)
    try:
        with progress.task("Backup") as report:
            if isinstance(database, Path):
                back_up(connection, database, backup, report)
            else:
                write_snapshot(connection, database, backup, progress)
        sync(backup.parent)
    except BaseException:
        backup.unlink(missing_ok=True)
        raise
    return backup


def _create_file(file: Path, stem: str, mode: int) -> Path:
    """Create an empty file in the folder of another one, with an unused name."""
    number = 1
    while True:
        backup = file.with_name(stem if number == 1 else f"{stem}-{number}")
        try:
            create_file(backup, mode)
        except FileExistsError:
            number += 1
        else:
            return backup


def _file_name(url: PostgresUrl) -> str:
    name = url.parameters.get("dbname", "postgresql")
    return re.sub(r"[^\w.-]", "_", name) + ".db"
