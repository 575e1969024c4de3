from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import text

from seamless_database.errors import ConflictError
from seamless_database.request_types.statements import Row, Statement, StatementConnection
from seamless_database.storage.batch_queue import Operation
from seamless_database.storage.postgresql.batched_reads import Call, run_batched

FIRST, SECOND = Statement(text("first")), Statement(text("second"))


class Source:
    """Answers calls from a table, and remembers what was fetched together."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.trips: list[list[str]] = []

    def fetch(self, calls: Sequence[Call]) -> list[list[Row]]:
        self.trips.append([values["key"] for _, values in calls])
        return [
            [(self.known[values["key"]],)] if values["key"] in self.known else []
            for _, values in calls
        ]


def look_up(key: str, connection: StatementConnection) -> str | None:
    row = connection.one(FIRST, key=key)
    return None if row is None else str(row[0])


def follow(key: str, connection: StatementConnection) -> str | None:
    """Look up the key that the first look-up returns, if there is one."""
    found = look_up(key, connection)
    return None if found is None else look_up(found, connection)


def run(source: Source, *operations: Operation[str | None]) -> list[str | None]:
    run_batched(operations, source.fetch)
    return [operation.value for operation in operations]


def test_the_reads_of_many_operations_are_one_fetch() -> None:
    source = Source(a="1", b="2")
    operations = [Operation(partial(look_up, key)) for key in "abc"]
    assert run(source, *operations) == ["1", "2", None]
    assert source.trips == [["a", "b", "c"]]


def test_a_read_that_depends_on_rows_is_fetched_after_them() -> None:
    source = Source(a="b", b="c")
    operations = [Operation(lambda c: follow("a", c)), Operation(lambda c: look_up("b", c))]
    assert run(source, *operations) == ["c", "c"]
    assert source.trips == [["a", "b"], ["b"]]


def test_a_read_that_follows_a_miss_is_part_of_the_first_fetch() -> None:
    def work(connection: StatementConnection) -> str | None:
        return look_up("a", connection) or look_up("b", connection)

    source = Source(b="2")
    assert run(source, Operation(work)) == ["2"]
    assert source.trips == [["a", "b"]]


def test_an_error_due_to_unknown_rows_is_discarded() -> None:
    def work(connection: StatementConnection) -> str | None:
        if look_up("a", connection) is None:
            raise ConflictError("there is nothing")
        return "fine"

    operation = Operation(work)
    assert run(Source(a="1"), operation) == ["fine"]
    assert operation.error is None
    run(Source(), operation)
    assert isinstance(operation.error, ConflictError)


def test_changes_are_those_of_the_last_run_and_none_after_a_failure() -> None:
    def work(connection: StatementConnection) -> None:
        found = look_up("a", connection)
        connection.run(SECOND, key=found or "guessed")
        if found == "bad":
            raise ConflictError("no")

    operation = Operation(work)
    assert run_batched([operation], Source(a="1").fetch) == [[(SECOND, {"key": "1"})]]
    assert run_batched([operation], Source(a="bad").fetch) == [[]]


def test_rows_are_not_kept_for_the_next_batch() -> None:
    operation: Operation[str | None] = Operation(lambda c: look_up("a", c))
    assert run(Source(a="1"), operation) == ["1"]
    assert run(Source(a="2"), operation) == ["2"]


def test_a_read_after_a_change_is_an_error() -> None:
    def work(connection: StatementConnection) -> None:
        connection.run(SECOND, key="a")
        connection.one(FIRST, key="a")

    operation = Operation(work)
    run_batched([operation], Source().fetch)
    assert isinstance(operation.error, AssertionError)


@pytest.mark.parametrize("count", [0, 3])
def test_operations_without_reads_fetch_nothing(count: int) -> None:
    source = Source()
    run_batched([Operation(lambda c: c.run(SECOND, key="a")) for _ in range(count)], source.fetch)
    assert source.trips == []
