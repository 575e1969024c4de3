"""Copy the provenance closure of a checksum: all rows on which it depends.

The closure follows a checksum to what it was made from: the transformations with that result, the
inputs of the expressions with that result, the buffers with that semantic checksum, and the rows
about each of these. It does not follow what was made *from* the checksum. The inputs of a
transformation are inside its buffer, which is not in the database: the closure ends there, unless
buffers can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Column, Integer, MetaData, Table, Text, select

from seamless_database.admin.access.dialects import insert_new
from seamless_database.admin.access.rows import (
    as_object,
    in_batches,
    numbered_batches,
    stream,
    table_of,
)
from seamless_database.admin.buffers import input_checksums, is_checksum
from seamless_database.errors import UnknownKeyError
from seamless_database.models import (
    BucketProbe,
    BufferInfo,
    Claim,
    Expression,
    IrreproducibleTransformation,
    SyntacticToSemantic,
    Transformation,
)
from seamless_database.models import MetaData as ExecutionRecord
from seamless_database.request_types.metadata import IS_CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.orm import InstrumentedAttribute

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.buffers import ReadBuffer
    from seamless_database.models import Base

Row = dict[str, Any]

_REACHED = Table(
    "seamless_reached",
    MetaData(),
    Column("position", Integer, primary_key=True),
    Column("checksum", Text, unique=True),
    prefixes=["TEMPORARY"],
)


def checksums_in_record(text: object) -> Iterator[str]:
    """Yield the checksums in a record: of its environment, its node, its queue."""
    yield from filter(is_checksum, (as_object(text) or {}).values())


@dataclass(frozen=True)
class Link:
    """The rows with a reached checksum in one column, and the checksums to which they lead."""

    column: InstrumentedAttribute[str]
    leads_to: Callable[[Row], Iterable[str]] = lambda _row: ()

    @property
    def model(self) -> type[Base]:
        """The table of the rows."""
        return cast("type[Base]", self.column.class_)


LINKS = (
    Link(Transformation.checksum, lambda row: [row["result"]]),
    Link(Transformation.result, lambda row: [row["checksum"]]),
    Link(ExecutionRecord.checksum, lambda row: checksums_in_record(row["metadata"])),
    Link(IrreproducibleTransformation.checksum, lambda row: checksums_in_record(row["metadata"])),
    Link(IrreproducibleTransformation.result, lambda row: [row["checksum"]]),
    Link(Expression.result, lambda row: [row["input_checksum"]]),
    Link(SyntacticToSemantic.semantic, lambda row: [row["syntactic"]]),
    Link(SyntacticToSemantic.syntactic, lambda row: [row["semantic"]]),
    Link(BufferInfo.checksum),
    Link(BucketProbe.bucket_checksum),
    Link(Claim.checksum),
)


def copy_closure(
    source: Connection,
    inventory: TableInventory,
    target: Connection,
    checksum: str,
    read_buffer: ReadBuffer | None = None,
) -> None:
    """Copy the rows of the closure; raises `UnknownKeyError` if there are none.

    With a function that reads buffers, the closure follows the inputs of transformations, too.
    """
    _REACHED.create(target, checkfirst=False)
    _add_reached(target, [checksum])
    copied = 0
    # also those that are added meanwhile
    for batch in numbered_batches(target, _REACHED.c.position, _REACHED.c.checksum):
        for link in LINKS:
            if inventory.has(link.model):
                copied += _follow(source, target, link, batch)
        if read_buffer is not None:
            for model in (Transformation, IrreproducibleTransformation):
                made_by = select(model.checksum, model.result).where(model.checksum.in_(batch))
                for key, result in target.execute(made_by).all():
                    content = read_buffer(key) or b""
                    _add_reached(target, input_checksums(content, result, read_buffer))
    if not copied:
        raise UnknownKeyError(f"the database has no rows about the checksum {checksum}")
    _REACHED.drop(target)


def _follow(source: Connection, target: Connection, link: Link, checksums: list[str]) -> int:
    """Copy the rows of a link, and add the checksums to which they lead; counts the rows."""
    table = table_of(link.model)
    statement = select(*table.columns).where(link.column.in_(checksums))
    if link.model is ExecutionRecord:
        # an upstream server can have left a record of a former result
        statement = statement.where(select(Transformation.checksum).where(IS_CURRENT).exists())
    names = [column.name for column in table.columns]
    copied = 0
    for batch in in_batches(stream(source, statement)):
        rows: list[Row] = [dict(zip(names, row, strict=True)) for row in batch]
        target.execute(insert_new(target, table), rows)
        _add_reached(target, (checksum for row in rows for checksum in link.leads_to(row)))
        copied += len(rows)
    return copied


def _add_reached(target: Connection, checksums: Iterable[str]) -> None:
    for batch in in_batches(dict.fromkeys(checksums)):
        target.execute(insert_new(target, _REACHED), [{"checksum": one} for one in batch])
