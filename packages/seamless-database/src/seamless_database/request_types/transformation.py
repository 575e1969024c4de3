"""Transformations: transformation → result, and the reverse look-up.

Only the `transformation` table is read, also for the reverse look-up. The reverse table is kept up
to date for published servers, which read it; rows that a published server has left there may be
out of date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from sqlalchemy import bindparam, delete, select, update

from seamless_database.json_codec import spaced
from seamless_database.protocol.field_types import (
    CHECKSUM,
    CHECKSUMS,
    FieldSpecs,
)
from seamless_database.request_types.base import ReadRequest, WriteRequest
from seamless_database.request_types.bulk_write import BulkWrite, entries
from seamless_database.request_types.damage import valid_checksum, valid_checksums
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    encode_key_list,
    in_key_list,
    insert_statement,
)
from seamless_database.tables import META_DATA, REV_TRANSFORMATION, TRANSFORMATION

#: looked up once: SQLAlchemy makes the attributes of a model slow
_RESULT_COLUMN = TRANSFORMATION.c.result
_RESULT = Statement(
    select(TRANSFORMATION.c.result).where(TRANSFORMATION.c.checksum == bindparam("checksum"))
)
_RESULTS = Statement(
    select(TRANSFORMATION.c.checksum, TRANSFORMATION.c.result).where(
        in_key_list(TRANSFORMATION.c.checksum)
    )
)
_BY_RESULT = Statement(
    select(TRANSFORMATION.c.checksum).where(TRANSFORMATION.c.result == bindparam("result"))
)
_INSERT = insert_statement(TRANSFORMATION, "checksum", "result")
_UPDATE = Statement(
    update(TRANSFORMATION)
    .where(TRANSFORMATION.c.checksum == bindparam("key"))
    .values(result=bindparam("new"))
)
_DELETE = Statement(
    delete(TRANSFORMATION).where(TRANSFORMATION.c.checksum == bindparam("checksum"))
)
_INSERT_REVERSE = insert_statement(REV_TRANSFORMATION, "result", "checksum")
_DELETE_REVERSE = Statement(
    delete(REV_TRANSFORMATION).where(
        REV_TRANSFORMATION.c.result == bindparam("result"),
        REV_TRANSFORMATION.c.checksum == bindparam("checksum"),
    )
)
_DELETE_RECORD = Statement(delete(META_DATA).where(META_DATA.c.checksum == bindparam("checksum")))


class Current(NamedTuple):
    """The row of a transformation: whether there is one, and its result unless that is damaged."""

    is_stored: bool
    result: str | None


@dataclass(frozen=True, slots=True)
class GetTransformation(ReadRequest):
    """Read the result of a transformation."""

    checksum: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM}
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str | None:
        """Return the bare checksum of the result."""
        row = connection.one(_RESULT, checksum=self.checksum)
        if row is None:
            return None
        return _valid(row[0], self.checksum)


@dataclass(frozen=True, slots=True)
class GetTransformations(ReadRequest):
    """Read the results of many transformations."""

    checksums: tuple[str, ...]
    field_types: ClassVar[FieldSpecs] = {"checksums": CHECKSUMS}

    def run(self, connection: StatementConnection) -> str:
        """Return a JSON object: the result of each transformation that has one, by its checksum."""
        rows = connection.all(_RESULTS, keys=encode_key_list(self.checksums))
        return spaced({key: result for key, result in rows if _valid(result, key)})


@dataclass(frozen=True, slots=True)
class GetRevTransformations(ReadRequest):
    """Read the transformations with a result."""

    result: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM}

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON list of the transformations whose current result it is."""
        rows = connection.all(_BY_RESULT, result=self.result)
        found = valid_checksums([key for (key,) in rows], TRANSFORMATION.c.checksum, self.result)
        return spaced(found) if found else None


@dataclass(frozen=True, slots=True)
class PutTransformation(WriteRequest):
    """Store the result of a transformation."""

    checksum: str
    result: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "value": CHECKSUM}

    def lock_keys(self) -> tuple[str, ...]:
        """Name the transformation."""
        return (transformation_key(self.checksum),)

    def run(self, connection: StatementConnection) -> None:
        """Store the result; one that it replaces loses its reverse row and its record."""
        former = current(connection, self.checksum)
        if former.result == self.result:
            return
        if former.result is None:
            add_result(connection, self.checksum, self.result, former)
            return
        connection.run(_UPDATE, key=self.checksum, new=self.result)
        # also of the new result: a published server may have left such a row
        for result in (former.result, self.result):
            connection.run(_DELETE_REVERSE, result=result, checksum=self.checksum)
        connection.run(_INSERT_REVERSE, result=self.result, checksum=self.checksum)
        connection.run(_DELETE_RECORD, checksum=self.checksum)


class PutTransformations(BulkWrite):
    """Store the results of many transformations, by their checksums."""

    single = PutTransformation
    single_type = "transformation"
    field_types = entries(PutTransformation)


def transformation_key(checksum: str) -> str:
    """Return the lock key of a transformation: its result, record and irreproducible results."""
    return f"transformation {checksum}"


def current(connection: StatementConnection, checksum: str) -> Current:
    """Look up the row of a transformation."""
    row = connection.one(_RESULT, checksum=checksum)
    return Current(False, None) if row is None else Current(True, _valid(row[0], checksum))


def add_result(
    connection: StatementConnection, checksum: str, result: str, former: Current
) -> None:
    """Store the result of a transformation that has none, or a damaged one."""
    if former.is_stored:
        connection.run(_UPDATE, key=checksum, new=result)
    else:
        connection.run(_INSERT, checksum=checksum, result=result)
    connection.run(_INSERT_REVERSE, result=result, checksum=checksum)


def remove_result(connection: StatementConnection, checksum: str, result: str) -> None:
    """Delete a result, its reverse rows, and its record."""
    connection.run(_DELETE, checksum=checksum)
    connection.run(_DELETE_REVERSE, result=result, checksum=checksum)
    connection.run(_DELETE_RECORD, checksum=checksum)


def _valid(result: object, checksum: str) -> str | None:
    return valid_checksum(result, _RESULT_COLUMN, checksum)
