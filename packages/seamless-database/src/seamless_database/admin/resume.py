"""Go through a table in the order of its key, the same in every database, and side by side.

SQLite compares texts by their bytes. PostgreSQL is told to: its own orders depend on the language
and on the version of a library. Python compares by code points, which in UTF-8 comes to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, literal, select, tuple_

from seamless_database.admin.access.dialects import by_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Select, Table

    from seamless_database.admin.access.bulk import Row

Key = tuple[Any, ...]


class DifferentError(Exception):
    """One side has a row that the other lacks, or has otherwise."""

    def __init__(self, key: Key, reason: str) -> None:
        super().__init__(f"{' '.join(str(part)[:80] for part in key)} {reason}")


@dataclass(frozen=True)
class ResumePoint:
    """What of a table is there already: how many rows, and all of them up to which key."""

    rows: int = 0
    after: Key | None = None


def in_key_order(table: Table, after: Key | None = None) -> Select[Any]:
    """Ask for all columns of the rows, in order; only for those after a key, if one is given."""
    keys = [by_bytes(column) for column in table.primary_key.columns]
    statement = select(*table.columns).order_by(*keys)
    if after is None:
        return statement
    if len(keys) == 1:
        return statement.where(keys[0] > literal(after[0], keys[0].type))
    return statement.where(tuple_(*keys) > tuple_(*(literal(value, Text) for value in after)))


def key_of(table: Table) -> Callable[[Row], Key]:
    """Give what takes the key out of a row of all columns."""
    places = [list(table.columns).index(column) for column in table.primary_key.columns]
    return lambda row: tuple(row[place] for place in places)


def find_resume_point(table: Table, source: Iterable[Row], target: Iterable[Row]) -> ResumePoint:
    """Compare a target with its source, both in order; every row of the target must be in both.

    Raises `DifferentError` for the first that is not.
    """
    key = key_of(table)
    ours: Iterator[Row] = iter(source)
    count, after, gap = 0, None, False
    for theirs in target:
        wanted = key(theirs)
        for row in ours:
            if key(row) >= wanted:
                break
            gap = True
        else:
            raise DifferentError(wanted, "is not in the source")
        if key(row) != wanted:
            raise DifferentError(wanted, "is not in the source")
        if tuple(row) != tuple(theirs):
            raise DifferentError(wanted, "differs")
        count += 1
        if not gap:
            after = wanted
    return ResumePoint(count, after)
