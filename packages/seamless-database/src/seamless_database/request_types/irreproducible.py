"""Irreproducible results: moved out of the cache, together with their execution record.

The move is one transaction and idempotent: a client whose response was lost sends it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import bindparam, select, update

from seamless_database.errors import UnknownKeyError
from seamless_database.json_codec import spaced
from seamless_database.protocol.field_types import (
    CHECKSUM,
    OPTIONAL_CHECKSUM,
    FieldSpecs,
)
from seamless_database.request_types.base import ReadRequest, WriteRequest
from seamless_database.request_types.claim import END_CLAIM
from seamless_database.request_types.damage import valid_checksum, valid_object
from seamless_database.request_types.metadata import record_of
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    insert_statement,
)
from seamless_database.request_types.transformation import (
    current,
    remove_result,
    transformation_key,
)
from seamless_database.tables import IRREPRODUCIBLE

#: the JSON text for a result that had no record
NO_RECORD = '""'

_ROWS = Statement(
    select(IRREPRODUCIBLE.c.result, IRREPRODUCIBLE.c.metadata)
    .where(IRREPRODUCIBLE.c.checksum == bindparam("checksum"))
    .order_by(IRREPRODUCIBLE.c.id)
)
_ROWS_OF_PAIR = Statement(
    select(IRREPRODUCIBLE.c.result, IRREPRODUCIBLE.c.metadata)
    .where(
        IRREPRODUCIBLE.c.checksum == bindparam("checksum"),
        IRREPRODUCIBLE.c.result == bindparam("of"),
    )
    .order_by(IRREPRODUCIBLE.c.id)
)
_INSERT = insert_statement(IRREPRODUCIBLE, "result", "checksum", "metadata")
_UPDATE = Statement(
    update(IRREPRODUCIBLE)
    .where(
        IRREPRODUCIBLE.c.checksum == bindparam("key"), IRREPRODUCIBLE.c.result == bindparam("of")
    )
    .values(metadata=bindparam("new"))
)


@dataclass(frozen=True, slots=True)
class GetIrreproducible(ReadRequest):
    """Read the irreproducible results of a transformation."""

    checksum: str
    result: str | None
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "result": OPTIONAL_CHECKSUM}

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON list of objects, each result once."""
        records = _records(connection, self.checksum, self.result)
        if not records:
            return None
        # the texts of the records are inserted unchanged, whatever numbers they hold
        rows = (
            f'{{"checksum": {spaced(self.checksum)}, "result": {spaced(result)}, '
            f'"metadata": {record}}}'
            for result, record in records.items()
        )
        return f"[{', '.join(rows)}]"


@dataclass(frozen=True, slots=True)
class PutIrreproducible(WriteRequest):
    """Mark a result of a transformation as irreproducible."""

    checksum: str
    result: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "result": CHECKSUM}

    def lock_keys(self) -> tuple[str, ...]:
        """Name the transformation."""
        return (transformation_key(self.checksum),)

    def run(self, connection: StatementConnection) -> None:
        """Move the result and its record; a result that was never stored is added as well."""
        stored = current(connection, self.checksum)
        if stored.result not in (None, self.result):
            raise UnknownKeyError("Transformation does not have the irreproducible result")
        record = record_of(connection, self.checksum, self.result) if stored.is_stored else None
        known = _records(connection, self.checksum, self.result)
        # who claimed the transformation before may have computed this result
        connection.run(END_CLAIM, checksum=self.checksum)
        if stored.is_stored:
            remove_result(connection, self.checksum, self.result)
        if self.result not in known:
            connection.run(
                _INSERT,
                result=self.result,
                checksum=self.checksum,
                metadata=NO_RECORD if record is None else record,
            )
        elif record is not None and known[self.result] == NO_RECORD:
            connection.run(_UPDATE, key=self.checksum, of=self.result, new=record)


def _records(connection: StatementConnection, checksum: str, of: str | None) -> dict[str, str]:
    """Look up all irreproducible results, or one, each once, with its record or `NO_RECORD`."""
    records: dict[str, str] = {}
    if of is None:
        rows = connection.all(_ROWS, checksum=checksum)
    else:
        rows = connection.all(_ROWS_OF_PAIR, checksum=checksum, of=of)
    for stored, record in rows:
        result = valid_checksum(stored, IRREPRODUCIBLE.c.result, checksum)
        # published servers may store equal rows; the first one with a record counts
        if result is not None and records.get(result, NO_RECORD) == NO_RECORD:
            records[result] = _record(record, checksum)
    return records


def _record(stored: object, checksum: str) -> str:
    if stored in ("", NO_RECORD):
        return NO_RECORD
    return valid_object(stored, IRREPRODUCIBLE.c.metadata, checksum) or NO_RECORD
