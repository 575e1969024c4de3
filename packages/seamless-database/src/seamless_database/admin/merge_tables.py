"""Merge the tables with one row for each key, by a table of conflict rules; the merge report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, insert, select, tuple_, update

from seamless_database.admin.access.rows import (
    as_object,
    in_batches,
    stream,
    table_label,
    table_of,
)
from seamless_database.admin.timestamps import parse_time
from seamless_database.json_codec import parse_stored, sorted_and_indented
from seamless_database.models import (
    Base,
    BucketProbe,
    BufferInfo,
    Claim,
    Expression,
    SyntacticToSemantic,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.console import ProgressBars

#: conflicts that are reported one by one; the others are counted
MAX_CONFLICTS = 100

Row = dict[str, Any]


@dataclass
class MergeReport:
    """The number of conflicts of each kind, and the first conflicts; its memory is bounded."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            (
                "conflicting_results",
                "irreproducible_elsewhere",
                "conflicting_records",
                "conflicting_expressions",
                "conflicting_buffer_info",
            ),
            0,
        )
    )
    conflicts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, key: str, *values: str) -> None:
        """Add a conflict about a key."""
        self.counts[kind] += 1
        if len(self.conflicts) < MAX_CONFLICTS:
            self.conflicts.append({"kind": kind, "checksum": key, "values": list(values)})

    def findings(self) -> dict[str, Any]:
        """Return the report as findings to print."""
        return {**self.counts, "conflicts": self.conflicts}


#: takes the row of the target and that of the source, and returns the row to keep
Resolve = Callable[[Row, Row, MergeReport], Row]


def merge_tables(
    source: Connection,
    inventory: TableInventory,
    target: Connection,
    report: MergeReport,
    progress: ProgressBars,
) -> None:
    """Merge the rows of these tables into the target."""
    for model, resolve in RULES.items():
        if inventory.has(model):
            table = table_of(model)
            names = [column.name for column in table.columns]
            rows = stream(source, select(*table.columns).order_by(*table.primary_key.columns))
            for batch in progress.track(in_batches(rows), table_label(table)):
                added = [dict(zip(names, row, strict=True)) for row in batch]
                _merge_rows(target, table, added, resolve, report)


def _merge_rows(
    target: Connection, table: Table, added: list[Row], resolve: Resolve, report: MergeReport
) -> None:
    keys = list(table.primary_key.columns)

    def key_of(row: Row) -> tuple[Any, ...]:
        return tuple(row[column.name] for column in keys)

    same_keys = tuple_(*keys).in_([key_of(row) for row in added])
    stored = [dict(row._mapping) for row in target.execute(select(table).where(same_keys))]
    existing = {key_of(row): row for row in stored}
    new = []
    for row in added:
        current = existing.get(key_of(row))
        if current is None:
            new.append(row)
        elif current != row and (resolved := resolve(current, row, report)) != current:
            same_key = and_(*(column == row[column.name] for column in keys))
            target.execute(update(table).where(same_key).values(resolved))
    if new:
        target.execute(insert(table), new)


def _merge_fields(existing: Row, added: Row, report: MergeReport) -> Row:
    """Add the fields that only the new row has; the fields of both keep the existing value."""
    info, more = as_object(existing["buffer_info"]), as_object(added["buffer_info"])
    if more is None or existing["buffer_info"] == added["buffer_info"]:
        return existing
    if info is None:
        return added
    if any(name in info and info[name] != value for name, value in more.items()):
        report.add("conflicting_buffer_info", existing["checksum"])
    # an upstream server can have stored NaN, which the merged text must not contain
    fields = {**parse_stored(added["buffer_info"]), **parse_stored(existing["buffer_info"])}
    return {**existing, "buffer_info": sorted_and_indented(fields)}


def _keep_first_result(existing: Row, added: Row, report: MergeReport) -> Row:
    results = existing["result"], added["result"]
    if results[0] != results[1]:
        report.add("conflicting_expressions", existing["input_checksum"], *results)
    return existing


def _keep_latest(existing: Row, added: Row, _report: MergeReport) -> Row:
    before, after = parse_time(existing["captured_at"]), parse_time(added["captured_at"])
    is_later = before is not None and after is not None and after > before
    return added if is_later else existing


def _keep_existing(existing: Row, _added: Row, _report: MergeReport) -> Row:
    return existing


#: the conflict rule of each table
RULES: dict[type[Base], Resolve] = {
    BufferInfo: _merge_fields,
    Expression: _keep_first_result,
    SyntacticToSemantic: _keep_existing,
    BucketProbe: _keep_latest,
    Claim: _keep_existing,
}
