"""Salvage a truncated or damaged file: copy the readable rows into a new file.

A row is copied if the indexes confirm its checksums. If the index pages of a result are lost, its
reverse row or its record, which are in other pages, confirm it too. The copy is then repaired as
by `check --repair`, which removes malformed rows.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sqlalchemy

from seamless_database.admin.access.output import new_file, open_for_load, temporary_file
from seamless_database.admin.access.rows import in_chunks, insert_missing
from seamless_database.admin.access.sqlite import connect, open_damaged, raw, sqlite_error
from seamless_database.admin.access.tables import inspect_tables, row_counts
from seamless_database.admin.damaged_table import DamagedTable, Row, TableReading
from seamless_database.admin.errors import DamagedError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.admin.repairs import repair_all
from seamless_database.models import TABLES, Transformation
from seamless_database.storage.sqlite.connection import advice_for_damage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from seamless_database.admin.console import ProgressBars

#: errors after which SQLite's integrity check stops
MAX_ERRORS = 20
_HEADING = "*** in database main ***"
#: least bytes of a row: every row has a checksum
_SMALLEST_ROW = 64
_UNCONFIRMED = "CREATE TEMPORARY TABLE unconfirmed (checksum, result)"
_ADD_UNCONFIRMED = "INSERT INTO unconfirmed VALUES (?, ?)"
#: as sets: many transformations can have the same result, so a look-up of each is too slow
_CONFIRM = """
INSERT OR IGNORE INTO transformation (checksum, result)
SELECT checksum, result FROM unconfirmed
INTERSECT
SELECT * FROM (
    SELECT checksum, result FROM rev_transformation
    UNION ALL SELECT checksum, result FROM meta_data
)
"""


def run_salvage(
    path: Path,
    target: Path,
    progress: ProgressBars,
    *,
    unconfirmed: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Copy the confirmed rows, or all readable rows; reports both numbers."""
    with new_file(target, dry_run=dry_run) as new, open_damaged(path) as source:
        damage = integrity_errors(source, progress)
        tables = _readable_tables(source, path)
        with open_for_load(new) as copy:
            copy.exec_driver_sql(_UNCONFIRMED)
            for damaged in tables.values():
                _copy_rows(damaged, copy, progress, unconfirmed=unconfirmed)
            _copy_confirmed(tables.get(Transformation.__tablename__), copy)
        readings = [damaged.reading for damaged in tables.values()]
        with connect(new, "rw") as copy:
            repairs = repair_all(copy, inspect_tables(copy, new), progress)
            counts = row_counts(copy, new)
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
        "tables": counts,
    }


def report_readable_rows(path: Path, progress: ProgressBars) -> dict[str, Any]:
    """Report what `run_salvage` would copy."""
    with temporary_file() as file:
        findings = run_salvage(path, file, progress)
    return {
        "advice": f"{advice_for_damage(path)}; {findings['advice']}".removesuffix("; "),
        "missing_tables": findings["missing_tables"],
        "readable_tables": findings["read"],
    }


def integrity_errors(connection: Connection, progress: ProgressBars) -> list[str]:
    """Run SQLite's integrity check over all pages of a file; returns its errors."""
    with progress.task("Integrity"):
        try:
            rows = connection.exec_driver_sql(f"PRAGMA integrity_check({MAX_ERRORS})").fetchall()
        except sqlalchemy.exc.DatabaseError as error:
            INTERRUPTION.check()
            return [str(sqlite_error(error))]
    lines = [line for row in rows for line in str(row[0]).splitlines()]
    # SQLite prints the heading before errors of pages
    return [line for line in lines if line not in ("ok", _HEADING)]


def _readable_tables(source: Connection, path: Path) -> dict[str, DamagedTable]:
    connection = raw(source)
    capacity = _original_size(connection, path) // _SMALLEST_ROW
    tables = {
        name: DamagedTable(connection, table, capacity)
        for name, table in TABLES.items()
        if _has_table(connection, table)
    }
    if not tables:
        raise DamagedError(path, "none of its tables can be found", "restore a backup")
    return tables


def _original_size(connection: sqlite3.Connection, path: Path) -> int:
    """Return the bytes of a file and its journal, or those of the file before its truncation."""
    with path.open("rb") as opened:
        pages = int.from_bytes(opened.read(32)[28:], "big")
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    journal = path.with_name(f"{path.name}-wal")
    present = path.stat().st_size + (journal.stat().st_size if journal.exists() else 0)
    return max(present, pages * int(page_size))


def _advice(readings: Iterable[TableReading]) -> str:
    rows = sum(one.unconfirmed for one in readings)
    if not rows:
        return ""
    return (
        f"{rows} unconfirmed rows are left out; if the file was only truncated, add --unconfirmed "
        "to copy them, too"
    )


def _has_table(connection: sqlite3.Connection, table: Table) -> bool:
    """Whether SQLite can read the names of a table and of all its columns."""
    columns = connection.execute(f'PRAGMA table_info("{table.name}")').fetchall()
    return {column[1] for column in columns} >= set(table.columns.keys())


def _copy_rows(
    damaged: DamagedTable, copy: Connection, progress: ProgressBars, *, unconfirmed: bool
) -> None:
    table = TABLES[damaged.reading.table]
    flagged = ((*row, confirmed or unconfirmed) for row, confirmed in damaged.rows())
    for chunk in progress.track(in_chunks(flagged), f"Reading {table.name}"):
        insert_missing(copy, table, [_without_number(table, row[:-1]) for row in chunk if row[-1]])
        others = [row[:-1] for row in chunk if not row[-1]]
        if others and table.name == Transformation.__tablename__:
            copy.exec_driver_sql(_ADD_UNCONFIRMED, others)


def _without_number(table: Table, row: Row) -> Row:
    """Let SQLite assign a new row number, in the same order: the number can be damaged."""
    return (None, *row[1:]) if "id" in table.columns else row


def _copy_confirmed(damaged: DamagedTable | None, copy: Connection) -> None:
    """Copy the unconfirmed results that a reverse row or a record confirms."""
    confirmed = copy.exec_driver_sql(_CONFIRM).rowcount
    if damaged is not None:
        damaged.reading.readable += confirmed
        damaged.reading.unconfirmed -= confirmed
