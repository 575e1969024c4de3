"""Copy the rows of one table in the order of their key, and find out what there is already.

Rows are committed by the piece. What an interruption leaves behind are the first rows in that
order, so that a second attempt begins after the last of them.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from seamless_database.admin.access.bulk import insert_missing, pieces
from seamless_database.admin.access.database import shown
from seamless_database.admin.access.dialects import is_sqlite
from seamless_database.admin.access.rows import stream
from seamless_database.admin.copy_target import committed
from seamless_database.admin.errors import OtherRowsError
from seamless_database.admin.resume import (
    DifferentError,
    ResumePoint,
    find_resume_point,
    in_key_order,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection, Table

    from seamless_database.admin.access.database import DatabaseTarget
    from seamless_database.admin.progress import ProgressBars

#: table -> what is there of it
Standings = dict[str, ResumePoint]


@dataclass(frozen=True)
class Side:
    """An open database, the source or the target of a copy."""

    place: DatabaseTarget
    connection: Connection
    tables: tuple[Table, ...]


def find_resume_points(source: Side, target: Side, doing: ProgressBars) -> Standings:
    """Compare what there is with the source; raises `OtherRowsError` if it has anything else."""
    known: Standings = {}
    for table in target.tables:
        what = f"Comparing {_plain(table)}"
        with closing(_rows(source, table)) as ours, closing(_rows(target, table)) as theirs:
            try:
                known[table.name] = find_resume_point(table, ours, doing.each(theirs, what))
            except DifferentError as error:
                raise OtherRowsError(shown(target.place), table.name, str(error)) from error
    return known


def _rows(side: Side, table: Table) -> Generator[Any]:
    """The rows of a table; none if there is no such table, in a file of an older version."""
    if table in side.tables:
        yield from stream(side.connection, in_key_order(table))


def copy_table(
    source: Connection, target: Connection, table: Table, known: ResumePoint, doing: ProgressBars
) -> None:
    """Add the rows that are not there."""
    with doing.one(f"Copying {_plain(table)}") as progress:
        total = source.scalar(select(func.count()).select_from(table)) or 0
        done = 0 if known.after is None else known.rows
        for piece in pieces(stream(source, in_key_order(table, known.after))):
            with committed(target):
                insert_missing(target, table, piece)
                _number(target, table)
            done += len(piece)
            progress(done, total)


def _number(target: Connection, table: Table) -> None:
    """Let the numbers that PostgreSQL gives to new rows follow those that were copied."""
    if is_sqlite(target) or "id" not in table.columns:
        return
    from seamless_database.admin.access.postgresql import advance_ids

    advance_ids(target)


def _plain(table: Table) -> str:
    return table.name.replace("_", " ")
