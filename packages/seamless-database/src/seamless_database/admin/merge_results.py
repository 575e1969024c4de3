"""Fold one file into another that is being built: the heart of merging.

What a file says about a transformation is a present result, contested results, or both. Two
files agree if they have the same present result, or if one has nothing to say. Otherwise, if the
results differ or one file has contested what the other still believes, there is no present result
any more, and all become contested. A file that has a present result *beside* contested ones knew
of both, and keeps them. So the order of the files does not matter, nor how often one is merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, insert, select

from seamless_database.admin.access.rows import (
    as_mapping,
    in_batches,
    stream,
    table_of,
)
from seamless_database.admin.merge_tables import fold_tables
from seamless_database.admin.pairs import Pair, add_irreproducible, same, some_record
from seamless_database.models import IrreproducibleTransformation as Contested
from seamless_database.models import MetaData, Transformation

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.merge_report import MergeReport
    from seamless_database.admin.progress import ProgressBars

_IS_CURRENT = and_(
    Transformation.checksum == MetaData.checksum, Transformation.result == MetaData.result
)


def merge_into(
    source: Connection,
    found: TableInventory,
    target: Connection,
    report: MergeReport,
    doing: ProgressBars,
) -> None:
    """Add everything that the source knows."""
    if found.has(Transformation):
        statement = select(Transformation.checksum, Transformation.result)
        rows = stream(source, statement.order_by(Transformation.checksum))
        for batch in doing.each(in_batches(rows), "Results"):
            _fold_results(source, found, target, report, dict(batch))
    if found.has(Contested):
        columns = (Contested.checksum, Contested.result, Contested.record)
        rows = stream(source, select(*columns).order_by(Contested.checksum, Contested.id))
        for batch in doing.each(in_batches(rows), "Contested results"):
            _fold_contested(source, found, target, report, [Pair(*row) for row in batch])
    fold_tables(source, found, target, report, doing)


def _fold_results(
    source: Connection,
    found: TableInventory,
    target: Connection,
    report: MergeReport,
    theirs: dict[str, str],
) -> None:
    keys = list(theirs)
    ours = _results(target, keys)
    our_records = _records(target, list(ours))
    their_records = _records(source, keys) if found.has(MetaData) else {}
    contested = set(
        target.scalars(select(Contested.checksum).where(Contested.checksum.in_(keys)).distinct())
    )
    new, records, pairs, gone = [], [], [], []
    for checksum, result in theirs.items():
        pair = Pair(checksum, result, their_records.get(checksum))
        former = ours.get(checksum)
        if former is None and checksum in contested:
            report.add("contested_elsewhere", checksum, result)
            pairs.append(pair)
        elif former not in (None, result):
            report.add("conflicting_results", checksum, former, result)
            pairs += [Pair(checksum, former, our_records.get(checksum)), pair]
            gone.append(checksum)
        else:
            if former is None:
                new.append({"checksum": checksum, "result": result})
            if pair.record is not None:
                stored = our_records.get(checksum)
                if stored is None:
                    records.append(pair.row())
                elif not same(stored, pair.record):
                    report.add("conflicting_records", checksum, result)
    _remove(target, gone)
    add_irreproducible(target, pairs, report)
    for table, rows in ((Transformation, new), (MetaData, records)):
        if rows:
            target.execute(insert(table_of(table)), rows)


def _fold_contested(
    source: Connection,
    found: TableInventory,
    target: Connection,
    report: MergeReport,
    pairs: list[Pair],
) -> None:
    keys = list({pair.checksum for pair in pairs})
    believed = _results(target, keys)
    known = _results(source, keys) if found.has(Transformation) else {}
    dropped = {key: result for key, result in believed.items() if key not in known}
    records = _records(target, list(dropped))
    for checksum, result in dropped.items():
        report.add("contested_elsewhere", checksum, result)
    _remove(target, list(dropped))
    add_irreproducible(
        target,
        [Pair(key, result, records.get(key)) for key, result in dropped.items()] + pairs,
        report,
    )


def _results(connection: Connection, keys: list[str]) -> dict[str, str]:
    columns = select(Transformation.checksum, Transformation.result)
    return as_mapping(connection, columns.where(Transformation.checksum.in_(keys)))


def _records(connection: Connection, keys: list[str]) -> dict[str, str]:
    if not keys:
        return {}
    statement = select(MetaData.checksum, MetaData.record).join(Transformation, _IS_CURRENT)
    rows = connection.execute(statement.where(MetaData.checksum.in_(keys)))
    return {checksum: record for checksum, record in rows if some_record(record) is not None}


def _remove(target: Connection, keys: list[str]) -> None:
    for column in (Transformation.checksum, MetaData.checksum):
        if keys:
            target.execute(delete(column.class_).where(column.in_(keys)))
