"""Mend some rows of one kind of problem, in one short transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from seamless_database.admin.dialects import address_of
from seamless_database.admin.judging import without_odd_numbers
from seamless_database.admin.places import transaction
from seamless_database.admin.problems import Mend, Problem
from seamless_database.models import (
    BufferInfo,
    IrreproducibleTransformation,
    RevTransformation,
    Transformation,
)
from seamless_database.records.irreproducible import NO_RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection


def mend(connection: Connection, problem: Problem, rows: list[Any]) -> None:
    """Mend the rows at these addresses, all or none."""
    with transaction(connection):
        _MENDERS[problem.mend](connection, problem, rows)


def _delete(connection: Connection, problem: Problem, rows: list[Any]) -> None:
    connection.execute(delete(problem.model).where(address_of(problem.model).in_(rows)))


def _forget_record(connection: Connection, problem: Problem, rows: list[Any]) -> None:
    chosen = address_of(problem.model).in_(rows)
    connection.execute(update(IrreproducibleTransformation).where(chosen).values(record=NO_RECORD))


def _numbers_to_null(connection: Connection, problem: Problem, rows: list[Any]) -> None:
    chosen = address_of(problem.model).in_(rows)
    statement = select(BufferInfo.checksum, BufferInfo.buffer_info).where(chosen)
    for checksum, text in connection.execute(statement).all():
        connection.execute(
            update(BufferInfo)
            .where(BufferInfo.checksum == checksum)
            .values(buffer_info=without_odd_numbers(text))
        )


def _add_reverse_row(connection: Connection, problem: Problem, rows: list[Any]) -> None:
    statement = select(Transformation.result, Transformation.checksum).where(
        address_of(problem.model).in_(rows)
    )
    connection.execute(insert(RevTransformation).from_select(["result", "checksum"], statement))


_MENDERS: Mapping[Mend, Callable[[Connection, Problem, list[Any]], None]] = {
    Mend.ADD_REVERSE_ROW: _add_reverse_row,
    Mend.DELETE: _delete,
    Mend.FORGET_RECORD: _forget_record,
    Mend.NUMBERS_TO_NULL: _numbers_to_null,
}
