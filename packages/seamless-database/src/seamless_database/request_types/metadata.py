"""Execution records: one per transformation, for its current result, never changed.

A published server may have left a record of a former result. Such a record is a miss, and the
record of the current result replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import (
    Integer,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
)

from seamless_database.errors import ConflictError, RequestError
from seamless_database.json_codec import may_be_equal_records, minified, records_equal
from seamless_database.protocol.field_types import (
    CHECKSUM,
    MAPPING_OR_TEXT,
    FieldSpecs,
    extract,
)
from seamless_database.request_types.base import ReadRequest, UndecidedError, WriteRequest
from seamless_database.request_types.bulk_write import BulkWrite, entries
from seamless_database.request_types.damage import valid_object
from seamless_database.request_types.statements import (
    Row,
    Statement,
    StatementConnection,
    insert_statement,
)
from seamless_database.request_types.transformation import (
    add_result,
    current,
    transformation_key,
)
from seamless_database.tables import IRREPRODUCIBLE, META_DATA, TRANSFORMATION

if TYPE_CHECKING:
    from seamless_database.protocol.request import RequestFields

#: characters of a stored record up to which the writer thread compares it
MAX_COMPARED = 8 * 1024
#: the checked fields of an execution record
RECORD = MAPPING_OR_TEXT.with_schema(
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

#: the condition that a record is that of the current result of its transformation
IS_CURRENT = and_(
    TRANSFORMATION.c.checksum == META_DATA.c.checksum, TRANSFORMATION.c.result == META_DATA.c.result
)
_RECORD = Statement(
    select(META_DATA.c.metadata)
    .join(TRANSFORMATION, IS_CURRENT)
    .where(META_DATA.c.checksum == bindparam("checksum"))
)
_IS_KEY = META_DATA.c.checksum == bindparam("checksum")
_STORED = Statement(select(META_DATA.c.result, META_DATA.c.metadata).where(_IS_KEY))
_stored_length = func.length(META_DATA.c.metadata)
#: the record only if it is short, or has the length of the offered one and so may equal it
_COMPARABLE = Statement(
    select(
        META_DATA.c.result,
        case(
            (
                or_(
                    _stored_length <= literal_column(str(MAX_COMPARED)),
                    _stored_length == cast(bindparam("length"), Integer),
                ),
                META_DATA.c.metadata,
            )
        ),
    ).where(_IS_KEY)
)
_INSERT = insert_statement(META_DATA, "checksum", "result", "metadata")
_DELETE = Statement(delete(META_DATA).where(META_DATA.c.checksum == bindparam("checksum")))
_IRREPRODUCIBLE = Statement(
    select(IRREPRODUCIBLE.c.id).where(IRREPRODUCIBLE.c.checksum == bindparam("checksum"))
)


@dataclass(frozen=True, slots=True)
class GetMetadata(ReadRequest):
    """Read the execution record of a transformation."""

    checksum: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM}
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str | None:
        """Return the record as it was stored."""
        return current_record(connection, self.checksum)


@dataclass(frozen=True, slots=True)
class PutMetadata(WriteRequest):
    """Store the execution record of a transformation, and its result."""

    checksum: str
    result: str
    record: str
    #: the row of a damaged record, which this record replaces
    damaged: Row | None = None
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "result": CHECKSUM, "value": RECORD}

    @classmethod
    def from_fields(cls, fields: RequestFields) -> PutMetadata:
        """Parse `checksum`, `result`, and `value`: a record that agrees with both."""
        checksum, result, record = extract(cls.field_types, fields)
        _check_identity(record, checksum, result)
        return cls(checksum, result, minified(record))

    def lock_keys(self) -> tuple[str, ...]:
        """Name the transformation."""
        return (transformation_key(self.checksum),)

    def run(self, connection: StatementConnection) -> None:
        """Store the record, and the result if it is new; neither is ever changed."""
        if connection.one(_IRREPRODUCIBLE, checksum=self.checksum):
            raise ConflictError("Transformation already has irreproducible records")
        stored = current(connection, self.checksum)
        if stored.result not in (None, self.result):
            raise ConflictError("Transformation result does not match execution record result")
        row = self._comparable_row(connection)
        is_kept = row is not None and row[0] == self.result and self._is_same(row)
        if stored.result is None:
            add_result(connection, self.checksum, self.result, stored)
        if row is not None and not is_kept:
            connection.run(_DELETE, checksum=self.checksum)
        if not is_kept:
            connection.run(
                _INSERT, checksum=self.checksum, result=self.result, metadata=self.record
            )

    def _comparable_row(self, connection: StatementConnection) -> Row | None:
        if self.damaged is not None:
            return self._stored_row(connection)
        length = str(len(self.record))
        return connection.one(_COMPARABLE, checksum=self.checksum, length=length)

    def _is_same(self, row: Row) -> bool:
        """Whether the stored record equals this one; False if it is damaged, or else an error."""
        stored = row[1]
        if stored == self.record:
            return True
        if row == self.damaged:
            return False
        if stored is None or (isinstance(stored, str) and len(stored) > MAX_COMPARED):
            raise UndecidedError(self._stored_row, self._decide)
        if valid_object(stored, META_DATA.c.metadata, self.checksum) is None:
            return False
        if records_equal(stored, self.record):
            return True
        raise _different()

    def _stored_row(self, connection: StatementConnection) -> Row | None:
        return connection.one(_STORED, checksum=self.checksum)

    def _decide(self, row: Row | None) -> PutMetadata:
        """Compare with a large record, and return the write to run instead.

        Servers store records in one form, so equal records consist of the same characters. Only
        such records are compared any further.
        """
        if row is None or row[0] != self.result:
            return self
        stored = row[1]
        if valid_object(stored, META_DATA.c.metadata, self.checksum) is None:
            return replace(self, damaged=row)
        if may_be_equal_records(stored, self.record) and records_equal(stored, self.record):
            return replace(self, record=stored)
        raise _different()


class PutMetadatas(BulkWrite):
    """Store the execution records and the results of many transformations, by their checksums."""

    single = PutMetadata
    single_type = "metadata"
    field_types = entries(PutMetadata)


def current_record(connection: StatementConnection, checksum: str) -> str | None:
    """Look up the record of the current result of a transformation."""
    row = connection.one(_RECORD, checksum=checksum)
    return None if row is None else valid_object(row[0], META_DATA.c.metadata, checksum)


def record_of(connection: StatementConnection, checksum: str, result: str) -> str | None:
    """Look up the record of a result of a transformation."""
    row = connection.one(_STORED, checksum=checksum)
    if row is None or row[0] != result:
        return None
    return valid_object(row[1], META_DATA.c.metadata, checksum)


def _different() -> ConflictError:
    return ConflictError("Execution record already exists with different metadata")


def _check_identity(record: dict[str, object], checksum: str, result: str) -> None:
    """Check the checked fields of a record."""
    version = record.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise _invalid("schema_version", "an integer")
    if record.get("tf_checksum") != checksum:
        raise _invalid("tf_checksum", "the 'checksum' of the request, in lower case")
    if record.get("result_checksum") != result:
        raise _invalid("result_checksum", "the 'result' of the request, in lower case")
    names = record.get("checksum_fields")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    ):
        raise _invalid("checksum_fields", "a list of field names")


def _invalid(name: str, expected: str) -> RequestError:
    return RequestError(f"the field {name!r} of an execution record must be {expected}", name)
