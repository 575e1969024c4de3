"""What a result depends on, as far as a database knows.

A checksum is followed to what it came from: the transformations that gave it, the inputs of the
expressions that gave it, the buffers that have it as their meaning; and to what is noted about
each of these. What was made *from* it is left out. The inputs of a transformation are inside its
buffer, which no database holds, so that the trail ends there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Column, Integer, MetaData, Table, Text, and_, select

from seamless_database.admin.access.dialects import insert_new
from seamless_database.admin.access.rows import (
    BATCH,
    as_object,
    in_batches,
    stream,
    table_of,
)
from seamless_database.errors import UnknownKeyError
from seamless_database.models import (
    BucketProbe,
    BufferInfo,
    Expression,
    IrreproducibleTransformation,
    SyntacticToSemantic,
    Transformation,
)
from seamless_database.models import MetaData as ExecutionRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.orm import InstrumentedAttribute

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.models import Base

Row = dict[str, Any]

_CHECKSUM = re.compile("[0-9a-f]{64}")
_REACHED = Table(
    "seamless_reached",
    MetaData(),
    Column("position", Integer, primary_key=True),
    Column("checksum", Text, unique=True),
    prefixes=["TEMPORARY"],
)


def _named_in_record(row: Row) -> Iterator[str]:
    """The checksums that a record names: of its environment, its node, its queue."""
    for value in (as_object(row["metadata"]) or {}).values():
        if isinstance(value, str) and _CHECKSUM.fullmatch(value):
            yield value


@dataclass(frozen=True)
class Link:
    """Rows that belong to a checksum in one of their columns, and where they lead."""

    column: InstrumentedAttribute[str]
    leads_to: Callable[[Row], Iterable[str]] = lambda _row: ()

    @property
    def model(self) -> type[Base]:
        """The table of the rows."""
        return cast("type[Base]", self.column.class_)


LINKS = (
    Link(Transformation.checksum, lambda row: [row["result"]]),
    Link(Transformation.result, lambda row: [row["checksum"]]),
    Link(ExecutionRecord.checksum, _named_in_record),
    Link(IrreproducibleTransformation.checksum, _named_in_record),
    Link(IrreproducibleTransformation.result, lambda row: [row["checksum"]]),
    Link(Expression.result, lambda row: [row["input_checksum"]]),
    Link(SyntacticToSemantic.semantic, lambda row: [row["syntactic"]]),
    Link(SyntacticToSemantic.syntactic, lambda row: [row["semantic"]]),
    Link(BufferInfo.checksum),
    Link(BucketProbe.bucket_checksum),
)


def copy_closure(
    source: Connection, found: TableInventory, target: Connection, checksum: str
) -> None:
    """Copy the rows that a checksum depends on."""
    _REACHED.create(target, checkfirst=False)
    _reach(target, [checksum])
    copied = 0
    for batch in _unfollowed(target):
        for link in LINKS:
            if found.has(link.model):
                copied += _follow(source, target, link, batch)
    if not copied:
        raise UnknownKeyError(f"the database knows nothing of the checksum {checksum}")
    _REACHED.drop(target)


def _unfollowed(target: Connection) -> Iterator[list[str]]:
    last = 0
    while True:
        statement = (
            select(_REACHED.c.position, _REACHED.c.checksum)
            .where(_REACHED.c.position > last)
            .order_by(_REACHED.c.position)
            .limit(BATCH)
        )
        rows = target.execute(statement).all()
        if not rows:
            return
        last = rows[-1][0]
        yield [checksum for _, checksum in rows]


def _follow(source: Connection, target: Connection, link: Link, checksums: list[str]) -> int:
    table = table_of(link.model)
    statement = select(*table.columns).where(link.column.in_(checksums))
    if link.model is ExecutionRecord:
        # a published server may have left a record of a former result
        of_result = and_(
            Transformation.checksum == ExecutionRecord.checksum,
            Transformation.result == ExecutionRecord.result,
        )
        statement = statement.where(select(Transformation.checksum).where(of_result).exists())
    names = [column.name for column in table.columns]
    copied = 0
    for batch in in_batches(stream(source, statement)):
        rows: list[Row] = [dict(zip(names, row, strict=True)) for row in batch]
        target.execute(insert_new(target, table), rows)
        _reach(target, (further for row in rows for further in link.leads_to(row)))
        copied += len(rows)
    return copied


def _reach(target: Connection, checksums: Iterable[str]) -> None:
    for batch in in_batches(dict.fromkeys(checksums)):
        target.execute(insert_new(target, _REACHED), [{"checksum": one} for one in batch])
