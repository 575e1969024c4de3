"""Copy what can be read of a truncated or damaged file into a new one.

A row is copied if the indexes confirm its checksums. A result whose index pages are lost is
confirmed just as well by its reverse row or its record, which are in other pages. The copy is then
repaired as by `check --repair`, which removes what has the wrong form.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import func, select

from seamless_database.admin.access.bulk import insert_missing, pieces
from seamless_database.admin.access.damaged_file import connected_to_damaged
from seamless_database.admin.access.output import building, new_file
from seamless_database.admin.access.sqlite import connected, plain, raw
from seamless_database.admin.access.tables import survey
from seamless_database.admin.damaged_table import DamagedTable, Row, TableReading
from seamless_database.admin.errors import DamagedError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.admin.repairs import repair_all
from seamless_database.models import TABLES, Transformation
from seamless_database.storage.sqlite.connection import advice_for_damage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from sqlalchemy import Connection, Table

    from seamless_database.admin.progress import ProgressBars

#: how many complaints SQLite may have before it stops looking
COMPLAINTS = 20
_HEADING = "*** in database main ***"
#: bytes that a row takes at least: every row has a checksum
_SMALLEST_ROW = 64
_UNCONFIRMED = "CREATE TEMPORARY TABLE unconfirmed (checksum, result)"
_ADD_UNCONFIRMED = "INSERT INTO unconfirmed VALUES (?, ?)"
#: as sets: many transformations may have the same result, so a look-up of each is too slow
_CONFIRM = """
INSERT OR IGNORE INTO transformation (checksum, result)
SELECT checksum, result FROM unconfirmed
INTERSECT
SELECT * FROM (
    SELECT checksum, result FROM rev_transformation
    UNION ALL SELECT checksum, result FROM meta_data
)
"""


def salvaged(
    path: Path,
    target: Path,
    doing: ProgressBars,
    *,
    unconfirmed: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Copy the rows that can be read and are confirmed, or all that can be read; report both."""
    with new_file(target, dry_run=dry_run) as new, connected_to_damaged(path) as source:
        damage = complaints(source, doing)
        tables = _tables(source, path)
        with building(new) as copy:
            copy.exec_driver_sql(_UNCONFIRMED)
            for damaged in tables.values():
                _copy(damaged, copy, doing, unconfirmed=unconfirmed)
            _confirm(tables.get(Transformation.__tablename__), copy)
        readings = [damaged.reading for damaged in tables.values()]
        with connected(new, "rw") as copy:
            repairs = repair_all(copy, survey(copy, new), doing)
            counts = {
                table.name: copy.scalar(select(func.count()).select_from(table))
                for table in TABLES.values()
            }
    missing = sorted(set(TABLES) - set(tables))
    lost = any(one.unconfirmed or one.contradicted or one.first_unreadable_row for one in readings)
    return {
        "file": str(path),
        "target": str(target),
        "dry_run": dry_run,
        "complete": not (damage or missing or lost or repairs),
        "missing_tables": missing,
        "advice": "" if unconfirmed else _advice(readings),
        "read": [asdict(one) for one in readings],
        "repaired": [{"problem": name, "rows": count} for name, count in repairs.items()],
        "tables": [{"table": name, "rows": count} for name, count in counts.items()],
    }


def salvageable(path: Path, doing: ProgressBars) -> dict[str, Any]:
    """Report what `salvaged` would copy."""
    with tempfile.TemporaryDirectory(prefix="seamless-database-admin-") as folder:
        found = salvaged(path, Path(folder) / "new.db", doing)
    return {
        "advice": f"{advice_for_damage(path)}; {found['advice']}".removesuffix("; "),
        "missing_tables": found["missing_tables"],
        "readable_tables": found["read"],
    }


def complaints(connection: Connection, doing: ProgressBars) -> list[str]:
    """Have SQLite look at all pages of a file; gives what it complains about."""
    with doing.one("Integrity"):
        try:
            rows = connection.exec_driver_sql(f"PRAGMA integrity_check({COMPLAINTS})").fetchall()
        except sqlalchemy.exc.DatabaseError as error:
            INTERRUPTION.check()
            return [str(plain(error))]
    found = [line for row in rows for line in str(row[0]).splitlines()]
    # a heading comes before the complaints about pages
    return [line for line in found if line not in ("ok", _HEADING)]


def _tables(source: Connection, path: Path) -> dict[str, DamagedTable]:
    connection = raw(source)
    capacity = _size(connection, path) // _SMALLEST_ROW
    tables = {
        name: DamagedTable(connection, table, capacity)
        for name, table in TABLES.items()
        if _is_there(connection, table)
    }
    if not tables:
        raise DamagedError(path, "none of its tables can be found", "restore a backup")
    return tables


def _size(connection: sqlite3.Connection, path: Path) -> int:
    """Bytes of a file and its journal, or those that it had before it was truncated."""
    with path.open("rb") as opened:
        pages = int.from_bytes(opened.read(32)[28:], "big")
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    journal = path.with_name(f"{path.name}-wal")
    there = path.stat().st_size + (journal.stat().st_size if journal.exists() else 0)
    return max(there, pages * int(page_size))


def _advice(readings: Iterable[TableReading]) -> str:
    rows = sum(one.unconfirmed for one in readings)
    if not rows:
        return ""
    return (
        f"{rows} unconfirmed rows are left out; if the file was only truncated, add --unconfirmed "
        "to copy them, too"
    )


def _is_there(connection: sqlite3.Connection, table: Table) -> bool:
    """Whether the list of tables is intact enough to name a table and all its columns."""
    columns = connection.execute(f'PRAGMA table_info("{table.name}")').fetchall()
    return {column[1] for column in columns} >= set(table.columns.keys())


def _copy(
    damaged: DamagedTable, copy: Connection, doing: ProgressBars, *, unconfirmed: bool
) -> None:
    table = TABLES[damaged.reading.table]
    flagged = ((*row, confirmed or unconfirmed) for row, confirmed in damaged.rows())
    for piece in doing.each(pieces(flagged), f"Reading {table.name}"):
        insert_missing(copy, table, [_renumbered(table, row[:-1]) for row in piece if row[-1]])
        others = [row[:-1] for row in piece if not row[-1]]
        if others and table.name == Transformation.__tablename__:
            copy.exec_driver_sql(_ADD_UNCONFIRMED, others)


def _renumbered(table: Table, row: Row) -> Row:
    """Let SQLite number the rows of a table anew, in the same order: a number may be damaged."""
    return (None, *row[1:]) if "id" in table.columns else row


def _confirm(damaged: DamagedTable | None, copy: Connection) -> None:
    """Copy the results without a readable index page that other tables confirm."""
    confirmed = copy.exec_driver_sql(_CONFIRM).rowcount
    if damaged is not None:
        damaged.reading.readable += confirmed
        damaged.reading.unconfirmed -= confirmed
