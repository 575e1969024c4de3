"""Find the rows that have a problem, and repair them in short transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from seamless_database.admin.access.database import transaction
from seamless_database.admin.access.dialects import address_of
from seamless_database.admin.access.rows import stream
from seamless_database.admin.checks import PROBLEMS, IntegrityCheck, RepairAction
from seamless_database.admin.predicates import without_odd_numbers
from seamless_database.admin.row_selection import RowSelection
from seamless_database.json_codec import minified, sorted_and_indented
from seamless_database.models import (
    BucketProbe,
    BufferInfo,
    IrreproducibleTransformation,
    MetaData,
    RevTransformation,
    Transformation,
)
from seamless_database.request_types.irreproducible import NO_RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.progress import ProgressBars
    from seamless_database.models import Base


def repair_all(
    connection: Connection, found: TableInventory, doing: ProgressBars
) -> dict[str, int]:
    """Repair every problem; returns how many rows had each."""
    return {
        problem.name: count
        for problem in doing.each(applicable(found), "Repairing", len(PROBLEMS))
        if (count := _repair(connection, problem, doing))
    }


def applicable(found: TableInventory) -> Iterator[IntegrityCheck]:
    """Give the problems whose tables are there."""
    return (problem for problem in PROBLEMS if found.has(problem.model, *problem.needs))


def found_rows(connection: Connection, problem: IntegrityCheck) -> Iterator[Any]:
    """Give the addresses of the rows that have the problem."""
    predicate = problem.predicate
    for address, *values in stream(connection, problem.rows):
        if predicate is None or predicate(*values):
            yield address


def _repair(connection: Connection, problem: IntegrityCheck, doing: ProgressBars) -> int:
    rows = RowSelection(connection)
    if problem.predicate is None:
        count = rows.fill(problem.rows)
    else:
        count = rows.collect(found_rows(connection, problem))
    if count:
        for chunk in doing.each(rows.chunks(), problem.name):
            with transaction(connection):
                _REPAIRS[problem.repair](connection, problem, chunk)
    rows.close()
    return count


def _delete(connection: Connection, problem: IntegrityCheck, rows: list[Any]) -> None:
    connection.execute(delete(problem.model).where(address_of(problem.model).in_(rows)))


def _forget_record(connection: Connection, problem: IntegrityCheck, rows: list[Any]) -> None:
    chosen = address_of(problem.model).in_(rows)
    connection.execute(update(IrreproducibleTransformation).where(chosen).values(record=NO_RECORD))


def _numbers_to_null(connection: Connection, problem: IntegrityCheck, rows: list[Any]) -> None:
    address = address_of(problem.model)
    column, written = _JSON[problem.model]
    for place, text in connection.execute(select(address, column).where(address.in_(rows))).all():
        new = written(without_odd_numbers(text))
        connection.execute(update(problem.model).where(address == place).values({column: new}))


def _add_reverse_row(connection: Connection, problem: IntegrityCheck, rows: list[Any]) -> None:
    statement = select(Transformation.result, Transformation.checksum).where(
        address_of(problem.model).in_(rows)
    )
    connection.execute(insert(RevTransformation).from_select(["result", "checksum"], statement))


#: the column of a table that holds JSON, and the form in which it is stored
_JSON: Mapping[type[Base], tuple[Any, Callable[[object], str]]] = {
    BucketProbe: (BucketProbe.freshness_tokens, minified),
    BufferInfo: (BufferInfo.buffer_info, sorted_and_indented),
    IrreproducibleTransformation: (IrreproducibleTransformation.record, minified),
    MetaData: (MetaData.record, minified),
}
_REPAIRS: Mapping[RepairAction, Callable[[Connection, IntegrityCheck, list[Any]], None]] = {
    RepairAction.ADD_REVERSE_ROW: _add_reverse_row,
    RepairAction.DELETE: _delete,
    RepairAction.FORGET_RECORD: _forget_record,
    RepairAction.NUMBERS_TO_NULL: _numbers_to_null,
}
