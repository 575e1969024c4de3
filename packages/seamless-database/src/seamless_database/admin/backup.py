"""A copy of a database, before something is changed; its name tells of what and when.

That of a file lies beside it. That of a PostgreSQL database is a file in the current folder.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database.admin.opening import back_up, existing
from seamless_database.admin.snapshot import write_file

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.places import Place
    from seamless_database.admin.progress import Steps
    from seamless_database.postgresql.address import Address


def back_up_before(
    connection: Connection, where: Place, what: str, doing: Steps, now: datetime | None = None
) -> Path:
    """Copy a database that is open for changes; returns the copy."""
    time = now or datetime.now(timezone.utc)
    file = existing(where) if isinstance(where, Path) else Path.cwd() / _file_name(where)
    stem = f"{file.name}.before-{what}-{time:%Y%m%dT%H%M%S}"
    copy, number = file.with_name(stem), 1
    while copy.exists():
        number += 1
        copy = file.with_name(f"{stem}-{number}")
    try:
        with doing.one("Backup") as progress:
            if isinstance(where, Path):
                back_up(file, copy, progress)
            else:
                write_file(connection, where, copy, doing)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy


def _file_name(address: Address) -> str:
    name = address.parameters.get("dbname", "postgresql")
    return re.sub(r"[^\w.-]", "_", name) + ".db"
