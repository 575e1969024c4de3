"""Execute the integrity checks: find the rows that fail one, and repair them.

`checks.py` decides which rows are wrong and what their repair is; this module reads and changes
the rows. One pass over a table selects the rows, and a temporary table keeps their addresses, so
that memory stays bounded. Then each batch of rows is changed in a short transaction of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Integer, Table, delete, func, insert, select, update
from sqlalchemy import MetaData as Schema

from seamless_database.admin.access.database import transaction
from seamless_database.admin.access.dialects import RowAddress, address_of
from seamless_database.admin.access.rows import in_batches, numbered_batches, stream
from seamless_database.admin.checks import (
    CHECKS,
    IntegrityCheck,
    RepairAction,
)
from seamless_database.json_codec import minified, parse_stored, sorted_and_indented
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
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Select

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.console import ProgressBars
    from seamless_database.models import Base

_SELECTED = Table(
    "seamless_selected",
    Schema(),
    Column("position", Integer, primary_key=True),
    Column("address", RowAddress),
    prefixes=["TEMPORARY"],
)


class RowSelection:
    """The addresses of rows of one table; at most one selection for each connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        _SELECTED.create(connection, checkfirst=False)

    def fill(self, addresses: Select[Any]) -> int:
        """Select the rows whose addresses a query returns, and count them."""
        self._connection.execute(insert(_SELECTED).from_select(["address"], addresses))
        return self._count()

    def collect(self, addresses: Iterable[Any]) -> int:
        """Select rows by their addresses, and count them."""
        for batch in in_batches(addresses):
            values = [{"address": address} for address in batch]
            self._connection.execute(insert(_SELECTED), values)
        return self._count()

    def batches(self) -> Iterator[list[Any]]:
        """Return the addresses in batches."""
        return numbered_batches(self._connection, _SELECTED.c.position, _SELECTED.c.address)

    def close(self) -> None:
        """Drop the temporary table."""
        _SELECTED.drop(self._connection)

    def _count(self) -> int:
        return int(self._connection.scalar(select(func.count()).select_from(_SELECTED)) or 0)


def repair_all(
    connection: Connection, inventory: TableInventory, progress: ProgressBars
) -> dict[str, int]:
    """Repair the rows that fail a check; returns the number of rows for each check."""
    return {
        check.name: count
        for check in progress.track(applicable_checks(inventory), "Repairing", len(CHECKS))
        if (count := _repair(connection, check, progress))
    }


def applicable_checks(inventory: TableInventory) -> Iterator[IntegrityCheck]:
    """Yield the checks whose tables are present."""
    return (check for check in CHECKS if inventory.has(check.model, *check.needs))


def failing_rows(connection: Connection, check: IntegrityCheck) -> Iterator[Any]:
    """Yield the addresses of the rows that fail a check."""
    predicate = check.predicate
    for address, *values in stream(connection, check.rows):
        if predicate is None or predicate(*values):
            yield address


def _repair(connection: Connection, check: IntegrityCheck, progress: ProgressBars) -> int:
    rows = RowSelection(connection)
    if check.predicate is None:
        count = rows.fill(check.rows)
    else:
        count = rows.collect(failing_rows(connection, check))
    if count:
        for batch in progress.track(rows.batches(), check.name):
            with transaction(connection):
                _REPAIRS[check.repair](connection, check, batch)
    rows.close()
    return count


def _delete(connection: Connection, check: IntegrityCheck, rows: list[Any]) -> None:
    connection.execute(delete(check.model).where(address_of(check.model).in_(rows)))


def _remove_record(connection: Connection, check: IntegrityCheck, rows: list[Any]) -> None:
    chosen = address_of(check.model).in_(rows)
    connection.execute(update(IrreproducibleTransformation).where(chosen).values(record=NO_RECORD))


def _numbers_to_null(connection: Connection, check: IntegrityCheck, rows: list[Any]) -> None:
    address = address_of(check.model)
    column, to_json = _JSON[check.model]
    found = connection.execute(select(address, column).where(address.in_(rows))).all()
    for row, text in found:
        repaired = to_json(parse_stored(text))
        connection.execute(update(check.model).where(address == row).values({column: repaired}))


def _add_reverse_row(connection: Connection, check: IntegrityCheck, rows: list[Any]) -> None:
    statement = select(Transformation.result, Transformation.checksum).where(
        address_of(check.model).in_(rows)
    )
    connection.execute(insert(RevTransformation).from_select(["result", "checksum"], statement))


#: the column of a table that holds JSON, and the function that writes its stored form
_JSON: Mapping[type[Base], tuple[Any, Callable[[object], str]]] = {
    BucketProbe: (BucketProbe.freshness_tokens, minified),
    BufferInfo: (BufferInfo.buffer_info, sorted_and_indented),
    IrreproducibleTransformation: (IrreproducibleTransformation.record, minified),
    MetaData: (MetaData.record, minified),
}
_REPAIRS: Mapping[RepairAction, Callable[[Connection, IntegrityCheck, list[Any]], None]] = {
    RepairAction.ADD_REVERSE_ROW: _add_reverse_row,
    RepairAction.DELETE: _delete,
    RepairAction.REMOVE_RECORD: _remove_record,
    RepairAction.NUMBERS_TO_NULL: _numbers_to_null,
}
