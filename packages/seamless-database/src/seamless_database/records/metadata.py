"""Execution records: one per transformation, written once, of the present result only.

A published server may have left a record of a result that is no longer the present one. Such a
record is not answered, and gives way to one of the present result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import and_, bindparam, delete, select

from seamless_database.errors import ConflictError, RequestError
from seamless_database.field_kinds import CHECKSUM, MAPPING_OR_TEXT, Needs, taken
from seamless_database.json_forms import answerable, minified, same_record
from seamless_database.models import IrreproducibleTransformation, MetaData, Transformation
from seamless_database.records.transformation import (
    add_result,
    current_result,
    transformation_key,
)
from seamless_database.statements import Connection, Statement, inserting

if TYPE_CHECKING:
    from seamless_database.protocol import Fields

#: what is looked at in an execution record, next to whom it belongs to
RECORD = MAPPING_OR_TEXT.narrowed(
    required=["schema_version", "tf_checksum", "result_checksum"],
    properties={
        "schema_version": {"type": "integer"},
        "tf_checksum": {"type": "string", "description": "the `checksum`, in lower case"},
        "result_checksum": {"type": "string", "description": "the `result`, in lower case"},
        "checksum_fields": {
            "type": ["array", "null"],
            "items": {"type": "string", "minLength": 1},
        },
    },
)

_RECORD = Statement(
    select(MetaData.record)
    .join(
        Transformation,
        and_(
            Transformation.checksum == MetaData.checksum,
            Transformation.result == MetaData.result,
        ),
    )
    .where(MetaData.checksum == bindparam("checksum"))
)
_STORED = Statement(
    select(MetaData.result, MetaData.record).where(MetaData.checksum == bindparam("checksum"))
)
_INSERT = inserting(MetaData, "checksum", "result", "metadata")
_DELETE = Statement(delete(MetaData).where(MetaData.checksum == bindparam("checksum")))
_CONTESTED = Statement(
    select(IrreproducibleTransformation.id).where(
        IrreproducibleTransformation.checksum == bindparam("checksum")
    )
)


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """Ask how a transformation was executed."""

    checksum: str
    needs: ClassVar[Needs] = {"checksum": CHECKSUM}
    point: ClassVar[bool] = True

    @classmethod
    def check(cls, fields: Fields) -> GetMetadata:
        """Take `checksum`, of the transformation."""
        return cls(*taken(cls.needs, fields))

    def run(self, connection: Connection) -> str | None:
        """Answer the record as it was stored."""
        record = current_record(connection, self.checksum)
        return None if record is None else answerable(record)


@dataclass(frozen=True, slots=True)
class PutMetadata:
    """Tell how a transformation was executed, and its result."""

    checksum: str
    result: str
    record: str
    needs: ClassVar[Needs] = {"checksum": CHECKSUM, "result": CHECKSUM, "value": RECORD}

    @classmethod
    def check(cls, fields: Fields) -> PutMetadata:
        """Take `checksum`, `result`, and `value`: a record that agrees with both."""
        checksum, result, record = taken(cls.needs, fields)
        _check_identity(record, checksum, result)
        return cls(checksum, result, minified(record))

    def keys(self) -> tuple[str, ...]:
        """Name the transformation."""
        return (transformation_key(self.checksum),)

    def run(self, connection: Connection) -> None:
        """Store the record, and the result if it is new; never change either."""
        if connection.one(_CONTESTED, checksum=self.checksum):
            raise ConflictError("Transformation already has irreproducible records")
        result = current_result(connection, self.checksum)
        if result not in (None, self.result):
            raise ConflictError("Transformation result does not match execution record result")
        of, stored = connection.one(_STORED, checksum=self.checksum) or (None, "")
        if of == self.result and not same_record(stored, self.record):
            raise ConflictError("Execution record already exists with different metadata")
        if result is None:
            add_result(connection, self.checksum, self.result)
        if of not in (None, self.result):
            connection.run(_DELETE, checksum=self.checksum)
        if of != self.result:
            connection.run(
                _INSERT, checksum=self.checksum, result=self.result, metadata=self.record
            )


def current_record(connection: Connection, checksum: str) -> str | None:
    """Look up the record of the present result of a transformation."""
    row = connection.one(_RECORD, checksum=checksum)
    return None if row is None else str(row[0])


def _check_identity(record: dict[str, object], checksum: str, result: str) -> None:
    """Look at who a record belongs to, and at nothing else in it."""
    version = record.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise _wrong("schema_version", "an integer")
    if record.get("tf_checksum") != checksum:
        raise _wrong("tf_checksum", "the 'checksum' of the request, in lower case")
    if record.get("result_checksum") != result:
        raise _wrong("result_checksum", "the 'result' of the request, in lower case")
    names = record.get("checksum_fields")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    ):
        raise _wrong("checksum_fields", "a list of field names")


def _wrong(name: str, wanted: str) -> RequestError:
    return RequestError(f"the field {name!r} of an execution record must be {wanted}", name)
