"""Find what is to be forgotten, and forget it, some rows in each transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, not_, or_, select, true

from seamless_database.admin.access.database import transaction
from seamless_database.admin.access.dialects import address_of
from seamless_database.admin.access.rows import as_object, in_batches, stream
from seamless_database.admin.errors import ListError
from seamless_database.admin.row_selection import RowSelection, addresses
from seamless_database.admin.timestamps import time_of
from seamless_database.models import (
    BucketProbe,
    BufferInfo,
    Expression,
    IrreproducibleTransformation,
    MetaData,
    RevTransformation,
    SyntacticToSemantic,
    Transformation,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.orm import InstrumentedAttribute

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.progress import ProgressBars
    from seamless_database.models import Base

#: every column, with an index, in which a listed checksum is looked for
_NAMING: dict[type[Base], tuple[InstrumentedAttribute[str], ...]] = {
    Transformation: (Transformation.checksum, Transformation.result),
    RevTransformation: (RevTransformation.result,),
    MetaData: (MetaData.checksum, MetaData.result),
    IrreproducibleTransformation: (
        IrreproducibleTransformation.checksum,
        IrreproducibleTransformation.result,
    ),
    BufferInfo: (BufferInfo.checksum,),
    Expression: (Expression.input_checksum, Expression.result),
    SyntacticToSemantic: (SyntacticToSemantic.syntactic, SyntacticToSemantic.semantic),
    BucketProbe: (BucketProbe.bucket_checksum,),
}
_IS_CURRENT = and_(
    Transformation.checksum == MetaData.checksum, Transformation.result == MetaData.result
)


@dataclass
class Ages:
    """Judges records by their time, and counts those that tell none."""

    before: datetime
    known: int = 0
    unknown: int = 0

    def is_old(self, text: object) -> bool:
        """Whether the record says that it is older."""
        time = time_of(as_object(text) or {})
        if time is None:
            self.unknown += 1
            return False
        self.known += 1
        return time < self.before


class Pruning:
    """Forgets rows of one file; `removed` counts them by table."""

    def __init__(self, connection: Connection, found: TableInventory, doing: ProgressBars) -> None:
        self._connection = connection
        self._found = found
        self._doing = doing
        self.removed: dict[str, int] = {}

    def forget_old_results(self, ages: Ages) -> None:
        """Forget results whose record is old, and the record with them."""
        if not self._found.has(Transformation, MetaData):
            return
        rows = RowSelection(self._connection)
        records = addresses(MetaData, MetaData.record).join(Transformation, _IS_CURRENT)
        scanned = self._doing.each(stream(self._connection, records), "Reading records")
        rows.collect(address for address, text in scanned if ages.is_old(text))
        for chunk in self._doing.each(rows.chunks(), "Forgetting"):
            chosen = select(MetaData.checksum).where(address_of(MetaData).in_(chunk))
            keys = list(self._connection.scalars(chosen))
            with transaction(self._connection):
                self._forget_results(keys)
        rows.close()

    def forget_results_without_record(self) -> None:
        """Forget results that have no record."""
        if not self._found.has(Transformation):
            return
        rows = RowSelection(self._connection)
        rows.fill(addresses(Transformation).where(self._has_no_record()))
        for chunk in self._doing.each(rows.chunks(), "Forgetting"):
            chosen = select(Transformation.checksum).where(address_of(Transformation).in_(chunk))
            keys = list(self._connection.scalars(chosen))
            with transaction(self._connection):
                self._forget_results(keys)
        rows.close()

    def count_results_without_record(self) -> int:
        """Count the results that have no record."""
        if not self._found.has(Transformation):
            return 0
        count = select(func.count()).select_from(Transformation).where(self._has_no_record())
        return self._connection.scalar(count) or 0

    def _has_no_record(self) -> ColumnElement[bool]:
        """Build the condition that a transformation has no record of its current result."""
        if not self._found.has(MetaData):
            return true()
        return not_(select(MetaData.checksum).where(_IS_CURRENT).exists())

    def forget_contested(self, ages: Ages | None) -> None:
        """Forget contested results: all of them, or those with an old record."""
        model = IrreproducibleTransformation
        if not self._found.has(model):
            return
        rows = RowSelection(self._connection)
        if ages is None:
            rows.fill(addresses(model))
        else:
            scanned = stream(self._connection, addresses(model, model.record))
            rows.collect(address for address, text in scanned if ages.is_old(text))
        for chunk in self._doing.each(rows.chunks(), "Forgetting"):
            with transaction(self._connection):
                self._delete(model, address_of(model).in_(chunk))
        rows.close()

    def forget_checksums(self, checksums: Iterable[str]) -> None:
        """Forget every row that names one of these checksums."""
        for batch in self._doing.each(in_batches(checksums), "Forgetting"):
            with transaction(self._connection):
                self._forget_results(batch)
                for model, columns in _NAMING.items():
                    if self._found.has(model):
                        self._delete(model, or_(*(column.in_(batch) for column in columns)))

    def _forget_results(self, keys: list[str]) -> None:
        """Forget transformations, their reverse rows and their records."""
        if not self._found.has(Transformation):
            return
        results = select(Transformation.result).where(Transformation.checksum.in_(keys))
        if self._found.has(RevTransformation):
            # by result, because there is no index by transformation
            of_these = RevTransformation.result.in_(list(set(self._connection.scalars(results))))
            self._delete(RevTransformation, and_(of_these, RevTransformation.checksum.in_(keys)))
        self._delete(Transformation, Transformation.checksum.in_(keys))
        if self._found.has(MetaData):
            self._delete(MetaData, MetaData.checksum.in_(keys))

    def _delete(self, model: type[Base], condition: ColumnElement[bool]) -> None:
        count = self._connection.execute(delete(model).where(condition)).rowcount
        if count:
            name = model.__tablename__
            self.removed[name] = self.removed.get(name, 0) + count


def listed(lines: Iterable[str], source: str) -> Iterator[str]:
    """Read checksums, one a line; empty lines and what follows a # are left out."""
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not re.fullmatch("[0-9a-fA-F]{64}", text):
            raise ListError(source, number, text)
        yield text.lower()
