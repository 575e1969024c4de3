"""Merge the results of one database into another: conflicts become irreproducible results.

For each transformation, a database has a current result, irreproducible results, or both. Two
databases agree if they have the same current result, or if one has no result. They conflict if
the current results differ, or if one lists as irreproducible what is only current in the other;
then the target has no current result, and all results become irreproducible. A database with a
current result *beside* irreproducible ones has decided that conflict already, so it keeps both.
So neither the order of the databases matters, nor how often one of them is merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from seamless_database.admin.access.rows import (
    as_mapping,
    in_batches,
    stream,
    table_of,
)
from seamless_database.admin.merge_tables import merge_tables
from seamless_database.json_codec import records_equal
from seamless_database.models import IrreproducibleTransformation as Irreproducible
from seamless_database.models import MetaData, Transformation
from seamless_database.request_types.irreproducible import NO_RECORD
from seamless_database.request_types.metadata import IS_CURRENT

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.console import ProgressBars
    from seamless_database.admin.merge_tables import MergeReport


@dataclass(frozen=True)
class ResultRecord:
    """A transformation, one of its results, and the execution record if there is one."""

    checksum: str
    result: str
    record: str | None

    def row(self) -> dict[str, Any]:
        """Return the row for the table of records, or for that of irreproducible results."""
        record = NO_RECORD if self.record is None else self.record
        return {"checksum": self.checksum, "result": self.result, "metadata": record}


def merge_into(
    source: Connection,
    inventory: TableInventory,
    target: Connection,
    report: MergeReport,
    progress: ProgressBars,
) -> None:
    """Merge all rows of the source into the target."""
    if inventory.has(Transformation):
        statement = select(Transformation.checksum, Transformation.result)
        rows = stream(source, statement.order_by(Transformation.checksum))
        for batch in progress.track(in_batches(rows), "Results"):
            _merge_results(source, inventory, target, report, dict(batch))
    if inventory.has(Irreproducible):
        columns = (Irreproducible.checksum, Irreproducible.result, Irreproducible.record)
        rows = stream(source, select(*columns).order_by(Irreproducible.checksum, Irreproducible.id))
        for batch in progress.track(in_batches(rows), "Irreproducible results"):
            results = [ResultRecord(*row) for row in batch]
            _merge_irreproducible(source, inventory, target, report, results)
    merge_tables(source, inventory, target, report, progress)


def _merge_results(
    source: Connection,
    inventory: TableInventory,
    target: Connection,
    report: MergeReport,
    results: dict[str, str],
) -> None:
    keys = list(results)
    current_results = _current_results(target, keys)
    current_records = _current_records(target, list(current_results))
    new_records = _current_records(source, keys) if inventory.has(MetaData) else {}
    is_listed = Irreproducible.checksum.in_(keys)
    irreproducible = set(
        target.scalars(select(Irreproducible.checksum).where(is_listed).distinct())
    )
    new, records, conflicts, removed = [], [], [], []
    for checksum, result in results.items():
        added = ResultRecord(checksum, result, new_records.get(checksum))
        current = current_results.get(checksum)
        if current is None and checksum in irreproducible:
            report.add("irreproducible_elsewhere", checksum, result)
            conflicts.append(added)
        elif current not in (None, result):
            report.add("conflicting_results", checksum, current, result)
            conflicts += [ResultRecord(checksum, current, current_records.get(checksum)), added]
            removed.append(checksum)
        else:
            if current is None:
                new.append({"checksum": checksum, "result": result})
            if added.record is not None:
                stored = current_records.get(checksum)
                if stored is None:
                    records.append(added.row())
                elif not _is_same_record(stored, added.record):
                    report.add("conflicting_records", checksum, result)
    _delete_results(target, removed)
    add_irreproducible(target, conflicts, report)
    for table, rows in ((Transformation, new), (MetaData, records)):
        if rows:
            target.execute(insert(table_of(table)), rows)


def _merge_irreproducible(
    source: Connection,
    inventory: TableInventory,
    target: Connection,
    report: MergeReport,
    results: list[ResultRecord],
) -> None:
    keys = list({result.checksum for result in results})
    of_target = _current_results(target, keys)
    of_source = _current_results(source, keys) if inventory.has(Transformation) else {}
    removed = {key: result for key, result in of_target.items() if key not in of_source}
    records = _current_records(target, list(removed))
    for checksum, result in removed.items():
        report.add("irreproducible_elsewhere", checksum, result)
    _delete_results(target, list(removed))
    conflicts = [ResultRecord(key, result, records.get(key)) for key, result in removed.items()]
    add_irreproducible(target, conflicts + results, report)


def add_irreproducible(
    target: Connection, results: list[ResultRecord], report: MergeReport
) -> None:
    """Insert irreproducible results, each once, and with a record if one of them has one."""
    if not results:
        return
    stored = _stored_records(target, results)
    new: dict[tuple[str, str], ResultRecord] = {}
    for added in results:
        key = (added.checksum, added.result)
        record = _record_or_none(added.record)
        known = stored.get(key) if key in stored else (new[key].record if key in new else None)
        if key not in stored and (key not in new or (known is None and record is not None)):
            new[key] = ResultRecord(*key, record)
        elif record is not None and known is None:
            _set_record(target, added)
            stored[key] = record
        elif record is not None and known is not None and not _is_same_record(known, record):
            report.add("conflicting_records", added.checksum, added.result)
    if new:
        target.execute(insert(table_of(Irreproducible)), [added.row() for added in new.values()])


def _stored_records(
    target: Connection, results: list[ResultRecord]
) -> dict[tuple[str, str], str | None]:
    statement = select(Irreproducible.checksum, Irreproducible.result, Irreproducible.record).where(
        Irreproducible.checksum.in_(list({result.checksum for result in results}))
    )
    return {
        (checksum, result): _record_or_none(record)
        for checksum, result, record in target.execute(statement)
    }


def _set_record(target: Connection, added: ResultRecord) -> None:
    target.execute(
        update(Irreproducible)
        .where(Irreproducible.checksum == added.checksum, Irreproducible.result == added.result)
        .values(record=added.record)
    )


def _record_or_none(text: str | None) -> str | None:
    """Return a stored record; None for the values that stand for no record."""
    return None if text in (None, "", NO_RECORD) else text


def _is_same_record(one: str, other: str) -> bool:
    """Whether two records are equal; a record that cannot be parsed differs from all others."""
    try:
        return records_equal(one, other)
    except (TypeError, ValueError, RecursionError):
        # a TypeError for bytes
        return False


def _current_results(connection: Connection, keys: list[str]) -> dict[str, str]:
    columns = select(Transformation.checksum, Transformation.result)
    return as_mapping(connection, columns.where(Transformation.checksum.in_(keys)))


def _current_records(connection: Connection, keys: list[str]) -> dict[str, str]:
    if not keys:
        return {}
    statement = select(MetaData.checksum, MetaData.record).join(Transformation, IS_CURRENT)
    rows = connection.execute(statement.where(MetaData.checksum.in_(keys)))
    return {checksum: record for checksum, record in rows if _record_or_none(record) is not None}


def _delete_results(target: Connection, keys: list[str]) -> None:
    for column in (Transformation.checksum, MetaData.checksum):
        if keys:
            target.execute(delete(column.class_).where(column.in_(keys)))
