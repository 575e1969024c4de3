"""Fold the tables in which a key has one row: what to do where two files differ, as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, insert, select, tuple_, update

from seamless_database.admin.access.rows import (
    as_object,
    in_batches,
    stream,
    table_of,
)
from seamless_database.admin.timestamps import read
from seamless_database.json_codec import parse_stored, sorted_and_indented
from seamless_database.models import (
    Base,
    BucketProbe,
    BufferInfo,
    Expression,
    SyntacticToSemantic,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.merge_report import MergeReport
    from seamless_database.admin.progress import ProgressBars

Row = dict[str, Any]
#: takes the row that is there and another one; gives the row that should be
Resolve = Callable[[Row, Row, "MergeReport"], Row]


def fold_tables(
    source: Connection,
    found: TableInventory,
    target: Connection,
    report: MergeReport,
    doing: ProgressBars,
) -> None:
    """Add the rows of these tables."""
    for model, resolve in _RESOLVERS.items():
        if found.has(model):
            table = table_of(model)
            rows = stream(source, select(*table.columns).order_by(*table.primary_key.columns))
            for batch in doing.each(in_batches(rows), table.name.replace("_", " ")):
                names = [column.name for column in table.columns]
                theirs = [dict(zip(names, row, strict=True)) for row in batch]
                _fold_rows(target, table, theirs, resolve, report)


def _fold_rows(
    target: Connection, table: Table, theirs: list[Row], resolve: Resolve, report: MergeReport
) -> None:
    keys = list(table.primary_key.columns)

    def key_of(row: Row) -> tuple[Any, ...]:
        return tuple(row[column.name] for column in keys)

    wanted = [key_of(row) for row in theirs]
    found = target.execute(select(table).where(tuple_(*keys).in_(wanted)))
    stored = [dict(row._mapping) for row in found]
    ours = {key_of(row): row for row in stored}
    new = []
    for row in theirs:
        former = ours.get(key_of(row))
        if former is None:
            new.append(row)
        elif former != row and (better := resolve(former, row, report)) != former:
            same_key = and_(*(column == row[column.name] for column in keys))
            target.execute(update(table).where(same_key).values(better))
    if new:
        target.execute(insert(table), new)


def _with_more_fields(ours: Row, theirs: Row, report: MergeReport) -> Row:
    """Fields that only one file knows, and for the others those that were there first."""
    info, more = as_object(ours["buffer_info"]), as_object(theirs["buffer_info"])
    if more is None or ours["buffer_info"] == theirs["buffer_info"]:
        return ours
    if info is None:
        return theirs
    if any(name in info and info[name] != value for name, value in more.items()):
        report.add("conflicting_buffer_info", ours["checksum"])
    # NaN of a published server has no place in the text that is written now
    known, added = parse_stored(ours["buffer_info"]), parse_stored(theirs["buffer_info"])
    return {**ours, "buffer_info": sorted_and_indented({**added, **known})}


def _first_result(ours: Row, theirs: Row, report: MergeReport) -> Row:
    if ours["result"] != theirs["result"]:
        report.add(
            "conflicting_expressions", ours["input_checksum"], ours["result"], theirs["result"]
        )
    return ours


def _later_probe(ours: Row, theirs: Row, _report: MergeReport) -> Row:
    before, after = read(ours["captured_at"]), read(theirs["captured_at"])
    return theirs if before is not None and after is not None and after > before else ours


def _ours(ours: Row, _theirs: Row, _report: MergeReport) -> Row:
    return ours


_RESOLVERS: dict[type[Base], Resolve] = {
    BufferInfo: _with_more_fields,
    Expression: _first_result,
    SyntacticToSemantic: _ours,
    BucketProbe: _later_probe,
}
