"""Copy tables in the order of their key: resume points of an interrupted copy, and verification.

Each chunk of rows is committed. After an interruption, the target has the first rows in that
order, so the next run resumes after the last of them. At the end, fingerprints show whether both
databases hold the same rows: each row is hashed as a line of JSON.

The order is the same in every database: SQLite compares text by bytes, and so does PostgreSQL
with the collation "C". Python compares by code points, which is the same order as that of UTF-8.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal, select, tuple_

from seamless_database.admin.access.dialects import in_byte_order, is_sqlite
from seamless_database.admin.access.rows import in_chunks, insert_missing, stream, table_label
from seamless_database.admin.access.target import display_name
from seamless_database.admin.copy_target import committed_transaction
from seamless_database.admin.errors import OtherRowsError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from sqlalchemy import Connection, Select, Table

    from seamless_database.admin.access.rows import Row
    from seamless_database.admin.access.target import DatabaseTarget
    from seamless_database.admin.console import ProgressBars

Key = tuple[Any, ...]

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True)
class OpenDatabase:
    """An open database, the source or the target of a copy."""

    database: DatabaseTarget
    connection: Connection
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class ResumePoint:
    """How many rows of a table the target has, and the key up to which it has all rows."""

    rows: int = 0
    after: Key | None = None


class DifferentRowError(Exception):
    """A row of the target is not in the source, or has other values there."""

    def __init__(self, key: Key, reason: str) -> None:
        super().__init__(f"{' '.join(str(part)[:80] for part in key)} {reason}")


def find_resume_points(
    source: OpenDatabase, target: OpenDatabase, progress: ProgressBars
) -> dict[str, ResumePoint]:
    """Compare all rows of the target with the source; raises `OtherRowsError` if one differs."""
    points: dict[str, ResumePoint] = {}
    for table in target.tables:
        label = f"Comparing {table_label(table)}"
        with closing(_rows(source, table)) as rows, closing(_rows(target, table)) as copied:
            try:
                points[table.name] = find_resume_point(table, rows, progress.track(copied, label))
            except DifferentRowError as error:
                name = display_name(target.database)
                raise OtherRowsError(name, table.name, str(error)) from error
    return points


def _rows(opened: OpenDatabase, table: Table) -> Generator[Any]:
    """Yield the rows of a table; none if a file of an older version lacks the table."""
    if table in opened.tables:
        yield from stream(opened.connection, in_key_order(table))


def find_resume_point(table: Table, source: Iterable[Row], target: Iterable[Row]) -> ResumePoint:
    """Compare the rows of a target with those of its source, both in key order.

    Raises `DifferentRowError` for the first row of the target that the source does not have.
    """
    key_of = _key_function(table)
    source_rows: Iterator[Row] = iter(source)
    count, after, gap = 0, None, False
    for copied in target:
        key = key_of(copied)
        for row in source_rows:
            if key_of(row) >= key:
                break
            gap = True
        else:
            raise DifferentRowError(key, "is not in the source")
        if key_of(row) != key:
            raise DifferentRowError(key, "is not in the source")
        if tuple(row) != tuple(copied):
            raise DifferentRowError(key, "differs")
        count += 1
        if not gap:
            after = key
    return ResumePoint(count, after)


def in_key_order(table: Table, after: Key | None = None) -> Select[Any]:
    """Select all columns of the rows in key order; with `after`, only rows with a larger key."""
    keys = [in_byte_order(column) for column in table.primary_key.columns]
    statement = select(*table.columns).order_by(*keys)
    if after is None:
        return statement
    last = (literal(value, key.type) for key, value in zip(keys, after, strict=True))
    return statement.where(tuple_(*keys) > tuple_(*last))


def _key_function(table: Table) -> Callable[[Row], Key]:
    """Return the function that takes the key from a row of all columns."""
    indexes = [list(table.columns).index(column) for column in table.primary_key.columns]
    return lambda row: tuple(row[index] for index in indexes)


def copy_table(
    source: Connection,
    target: Connection,
    table: Table,
    resume: ResumePoint,
    progress: ProgressBars,
) -> None:
    """Insert the rows that the target lacks, one transaction for each chunk."""
    for chunk in _chunks(source, in_key_order(table, resume.after), progress, table, "Copying"):
        with committed_transaction(target):
            insert_missing(target, table, chunk)
            _advance_sequence(target, table)


def _chunks(
    connection: Connection,
    statement: Select[Any],
    progress: ProgressBars,
    table: Table,
    verb: str,
) -> Iterator[list[Row]]:
    """Read the rows of a statement, and count them in a progress bar."""
    total = connection.scalar(select(func.count()).select_from(statement.order_by(None).subquery()))
    chunks = in_chunks(stream(connection, statement))
    return progress.track(chunks, f"{verb} {table_label(table)}", total, len)


def _advance_sequence(target: Connection, table: Table) -> None:
    """Make PostgreSQL number new rows after the copied ones."""
    if is_sqlite(target) or "id" not in table.columns:
        return
    from seamless_database.admin.access.postgresql import advance_sequences

    advance_sequences(target)


@dataclass(frozen=True)
class Fingerprint:
    """The number of rows of a table, and the SHA-256 of the rows."""

    rows: int
    sha256: str


def fingerprints(
    connection: Connection, tables: Iterable[Table], progress: ProgressBars
) -> dict[str, Fingerprint]:
    """Read all rows of some tables."""
    return {table.name: _fingerprint(connection, table, progress) for table in tables}


def _fingerprint(connection: Connection, table: Table, progress: ProgressBars) -> Fingerprint:
    digest, count = hashlib.sha256(), 0
    for chunk in _chunks(connection, in_key_order(table), progress, table, "Verifying"):
        digest.update(_lines(chunk))
        count += len(chunk)
    return Fingerprint(count, digest.hexdigest())


def _lines(rows: list[Row]) -> bytes:
    return "".join([f"{_encode(row)}\n" for row in rows]).encode()
