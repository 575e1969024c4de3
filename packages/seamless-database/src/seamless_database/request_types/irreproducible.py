"""Contested results: moved out of the cache, with their record, and kept for the account.

Moving is one transaction, and doing it twice is like doing it once: a client whose answer got
lost asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import bindparam, select, update

from seamless_database.errors import UnknownKeyError
from seamless_database.json_codec import spaced
from seamless_database.models import IrreproducibleTransformation as Contested
from seamless_database.protocol.field_types import (
    CHECKSUM,
    OPTIONAL_CHECKSUM,
    FieldSpecs,
    extract,
)
from seamless_database.request_types.damage import valid_checksum, valid_object
from seamless_database.request_types.metadata import record_of
from seamless_database.request_types.statements import (
    Connection,
    Statement,
    insert_statement,
)
from seamless_database.request_types.transformation import (
    current,
    remove_result,
    transformation_key,
)

if TYPE_CHECKING:
    from seamless_database.protocol.request import RequestFields

#: the JSON text that stands for "there was no record"
NO_RECORD = '""'

_ROWS = Statement(
    select(Contested.result, Contested.record)
    .where(Contested.checksum == bindparam("checksum"))
    .order_by(Contested.id)
)
_ROWS_OF_PAIR = Statement(
    select(Contested.result, Contested.record)
    .where(Contested.checksum == bindparam("checksum"), Contested.result == bindparam("of"))
    .order_by(Contested.id)
)
_INSERT = insert_statement(Contested, "result", "checksum", "metadata")
_UPDATE = Statement(
    update(Contested)
    .where(Contested.checksum == bindparam("key"), Contested.result == bindparam("of"))
    .values(record=bindparam("new"))
)


@dataclass(frozen=True, slots=True)
class GetIrreproducible:
    """Ask for the contested results of a transformation."""

    checksum: str
    result: str | None
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "result": OPTIONAL_CHECKSUM}
    is_point_lookup: ClassVar[bool] = False

    @classmethod
    def from_fields(cls, fields: RequestFields) -> GetIrreproducible:
        """Take `checksum`, of the transformation, and `result`, to ask for that one only."""
        return cls(*extract(cls.field_types, fields))

    def run(self, connection: Connection) -> str | None:
        """Answer a list of objects, each result once."""
        records = _records(connection, self.checksum, self.result)
        if not records:
            return None
        # the records are put in as the texts they are, whatever numbers they hold
        rows = (
            f'{{"checksum": {spaced(self.checksum)}, "result": {spaced(result)}, '
            f'"metadata": {record}}}'
            for result, record in records.items()
        )
        return f"[{', '.join(rows)}]"


@dataclass(frozen=True, slots=True)
class PutIrreproducible:
    """Tell that a result of a transformation can not be reproduced."""

    checksum: str
    result: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "result": CHECKSUM}

    @classmethod
    def from_fields(cls, fields: RequestFields) -> PutIrreproducible:
        """Take `checksum`, of the transformation, and `result`."""
        return cls(*extract(cls.field_types, fields))

    def lock_keys(self) -> tuple[str, ...]:
        """Name the transformation."""
        return (transformation_key(self.checksum),)

    def run(self, connection: Connection) -> None:
        """Move the result, its record with it; a pair that was never stored is noted as well."""
        stored = current(connection, self.checksum)
        if stored.result not in (None, self.result):
            raise UnknownKeyError("Transformation does not have the irreproducible result")
        record = record_of(connection, self.checksum, self.result) if stored.is_stored else None
        noted = _records(connection, self.checksum, self.result)
        if stored.is_stored:
            remove_result(connection, self.checksum, self.result)
        if self.result not in noted:
            connection.run(
                _INSERT,
                result=self.result,
                checksum=self.checksum,
                metadata=NO_RECORD if record is None else record,
            )
        elif record is not None and noted[self.result] == NO_RECORD:
            connection.run(_UPDATE, key=self.checksum, of=self.result, new=record)


def _records(connection: Connection, checksum: str, of: str | None) -> dict[str, str]:
    """Look up all contested results or that one, each once, with its record or `NO_RECORD`."""
    records: dict[str, str] = {}
    if of is None:
        rows = connection.all(_ROWS, checksum=checksum)
    else:
        rows = connection.all(_ROWS_OF_PAIR, checksum=checksum, of=of)
    for stored, record in rows:
        result = valid_checksum(stored, Contested.result, checksum)
        # of equal rows that a published server has left, the first one with a record counts
        if result is not None and records.get(result, NO_RECORD) == NO_RECORD:
            records[result] = _record(record, checksum)
    return records


def _record(stored: object, checksum: str) -> str:
    if stored in ("", NO_RECORD):
        return NO_RECORD
    return valid_object(stored, Contested.record, checksum) or NO_RECORD
