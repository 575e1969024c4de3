"""What a database holds when a server starts on it, in one line, so that a mistyped name shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.errors import UnavailableError
from seamless_database.storage.row_estimates import MAX_COUNTED_ROWS, estimate_rows
from seamless_database.storage.sqlite.database import Database

if TYPE_CHECKING:
    from seamless_database.storage.backend import Backend


def contents(database: Backend) -> str:
    """Describe an open database: that it is new, or how many rows it has."""
    if database.is_new:
        if isinstance(database, Database):
            return "(new file)"
        return "(new tables)" if database.writable else "(no tables yet)"
    try:
        rows = estimate_rows(database).values()
    except UnavailableError as error:
        return f"(rows not counted: {error})"
    total = sum(rows)
    about = "about " if any(count > MAX_COUNTED_ROWS for count in rows) else ""
    return f"({about}{total:,} row{'' if total == 1 else 's'})"
