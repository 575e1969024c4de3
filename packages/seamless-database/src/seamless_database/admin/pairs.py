"""Contested pairs of a transformation and a result, in a file that is being built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from seamless_database.admin.access.rows import table_of
from seamless_database.json_codec import records_equal
from seamless_database.models import IrreproducibleTransformation as Contested
from seamless_database.request_types.irreproducible import NO_RECORD

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.merge_report import MergeReport


@dataclass(frozen=True)
class Pair:
    """A transformation, a result of it, and the record if there is one."""

    checksum: str
    result: str
    record: str | None

    def row(self) -> dict[str, Any]:
        """Give it as a row of the record table, or of the one of contested results."""
        record = NO_RECORD if self.record is None else self.record
        return {"checksum": self.checksum, "result": self.result, "metadata": record}


def add_irreproducible(target: Connection, pairs: list[Pair], report: MergeReport) -> None:
    """Note pairs as contested, each once, preferably with a record."""
    if not pairs:
        return
    stored = _stored(target, pairs)
    new: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        key = (pair.checksum, pair.result)
        record = some_record(pair.record)
        known = stored.get(key) if key in stored else (new[key].record if key in new else None)
        if key not in stored and (key not in new or (known is None and record is not None)):
            new[key] = Pair(*key, record)
        elif record is not None and known is None:
            _fill_in(target, pair)
            stored[key] = record
        elif record is not None and known is not None and not same(known, record):
            report.add("conflicting_records", pair.checksum, pair.result)
    if new:
        target.execute(insert(table_of(Contested)), [pair.row() for pair in new.values()])


def some_record(text: str | None) -> str | None:
    """Take what is stored as a record; None if that says that there is none."""
    return None if text in (None, "", NO_RECORD) else text


def same(one: str, other: str) -> bool:
    """Whether two records are equal; what is no JSON text is equal to itself only."""
    try:
        return records_equal(one, other)
    except (TypeError, ValueError, RecursionError):
        # bytes are a type error
        return False


def _stored(target: Connection, pairs: list[Pair]) -> dict[tuple[str, str], str | None]:
    statement = select(Contested.checksum, Contested.result, Contested.record).where(
        Contested.checksum.in_(list({pair.checksum for pair in pairs}))
    )
    return {
        (checksum, result): some_record(record)
        for checksum, result, record in target.execute(statement)
    }


def _fill_in(target: Connection, pair: Pair) -> None:
    target.execute(
        update(Contested)
        .where(Contested.checksum == pair.checksum, Contested.result == pair.result)
        .values(record=pair.record)
    )
