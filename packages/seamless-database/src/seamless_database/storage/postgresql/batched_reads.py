"""Run many pieces of work with few round trips: look what each wants to read, then fetch it all.

What a request does is written down as calls on a connection, one after the other, and over a
network each call would be a round trip. So a request runs first with nothing known: its calls
are noted and answered as if there were nothing, and whatever it makes of that is forgotten. Then
the answers to all calls, of all requests, are fetched at once, and it runs again with them; again
for calls that only those have led to. What it changes is noted too, and sent later, together.

So a request has to read before it changes anything, as it would not see its own changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from seamless_database.request_types.statements import Connection, Row, Statement

T = TypeVar("T")

#: a statement and the values of its parameters
Call = tuple[Statement, Mapping[str, str]]
_Key = tuple[Statement, tuple[tuple[str, str], ...]]
#: fetches the rows of each call
Fetch = Callable[[Sequence[Call]], Sequence[list[Row]]]


class RecordingConnection:
    """A connection for one piece of work, that only knows what was fetched for it."""

    def __init__(self) -> None:
        self._known: dict[_Key, list[Row]] = {}
        self.missing: list[Call] = []
        self.changes: list[Call] = []

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Give the first row; None if there is none, or it is not known yet."""
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Give every row that is known."""
        if self.changes:
            raise AssertionError("a request must read before it changes anything")
        found = self._known.get((statement, tuple(values.items())))
        if found is None:
            self.missing.append((statement, values))
            return []
        return found

    def run(self, statement: Statement, **values: str) -> None:
        """Note a change."""
        self.changes.append((statement, values))

    def provide(self, rows: Sequence[list[Row]]) -> None:
        """Take the rows of what was wanted; the work can begin anew."""
        for (statement, values), found in zip(self.missing, rows, strict=True):
            self._known[statement, tuple(values.items())] = found
        self.missing, self.changes = [], []


class Operation(Generic[T]):
    """A piece of work, and in the end its outcome: a value with changes, or an error."""

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self._work = work
        self.begin()

    def begin(self) -> None:
        """Begin anew, with nothing known."""
        self._connection = RecordingConnection()
        self.value: T | None = None
        self.error: Exception | None = None

    @property
    def changes(self) -> list[Call]:
        """What it changes; nothing if it has failed."""
        return [] if self.error else self._connection.changes

    @property
    def missing(self) -> list[Call]:
        """What it wants to know before it can be done."""
        return self._connection.missing

    def attempt(self) -> bool:
        """Run it; tells whether it wants to know more."""
        self.error = None
        try:
            self.value = self._work(self._connection)
        except Exception as error:  # noqa: BLE001  # its answer, unless something was not known
            self.error = error
        return bool(self._connection.missing)

    def provide(self, rows: Sequence[list[Row]]) -> None:
        """Take the rows that it wanted to know."""
        self._connection.provide(rows)


def run_batched(pieces: Iterable[Operation[T]], fetch: Fetch) -> None:
    """Run pieces to their end, fetching what all of them want to know at once."""
    left = list(pieces)
    for piece in left:
        # what was known in another transaction says nothing about this one
        piece.begin()
    while left := [piece for piece in left if piece.attempt()]:
        wants = [piece.missing for piece in left]
        rows = iter(fetch([call for calls in wants for call in calls]))
        for piece, calls in zip(left, wants, strict=True):
            piece.provide([next(rows) for _ in calls])
