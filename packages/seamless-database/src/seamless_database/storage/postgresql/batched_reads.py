"""Batched reads: run many operations with few round trips, by record and replay (as Haxl does).

An operation reads by one call on its connection after the other, and over a network each call
would be a round trip. So every operation first runs with no rows known: its connection records the
calls, answers them as if there were no rows, and the outcome is discarded. Then one round trip
fetches the rows of all recorded calls, and the operations run again; and once more for calls that
depend on those rows. Changes are recorded too, and the caller sends them later, together.

So an operation has to read before it changes anything: it would not see its own changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from seamless_database.request_types.statements import Row, Statement

if TYPE_CHECKING:
    from seamless_database.storage.batch_queue import Operation

T = TypeVar("T")

#: a statement and the values of its parameters
Call = tuple[Statement, Mapping[str, str]]
_Key = tuple[Statement, tuple[tuple[str, str], ...]]
#: fetches the rows of each call
Fetch = Callable[[Sequence[Call]], Sequence[list[Row]]]


class RecordingConnection:
    """The connection of one operation: answers from known rows, and records the other calls."""

    def __init__(self) -> None:
        self._known: dict[_Key, list[Row]] = {}
        self.missing: dict[_Key, Call] = {}
        self.changes: list[Call] = []

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Return the first known row, or None."""
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Return the known rows; an unknown call is recorded as missing."""
        if self.changes:
            raise AssertionError("a request must read before it changes anything")
        key = statement, tuple(values.items())
        found = self._known.get(key)
        if found is None:
            self.missing[key] = statement, values
            return []
        return found

    def run(self, statement: Statement, **values: str) -> None:
        """Record a change."""
        self.changes.append((statement, values))

    def provide(self, rows: Iterable[list[Row]]) -> None:
        """Add the rows of the missing calls, and forget the changes of the last run."""
        self._known.update(zip(self.missing, rows, strict=True))
        self.missing, self.changes = {}, []


def run_batched(operations: Sequence[Operation[T]], fetch: Fetch) -> list[list[Call]]:
    """Run operations to their end; returns the changes of each, none for one that has failed."""
    connections = [RecordingConnection() for _ in operations]
    pending = list(zip(operations, connections, strict=True))
    while pending:
        for operation, connection in pending:
            operation.run(connection)
        pending = [pair for pair in pending if pair[1].missing]
        if pending:
            calls = [call for _, connection in pending for call in connection.missing.values()]
            rows = iter(fetch(calls))
            for _, connection in pending:
                connection.provide(islice(rows, len(connection.missing)))
    return [
        [] if operation.error else connection.changes
        for operation, connection in zip(operations, connections, strict=True)
    ]
