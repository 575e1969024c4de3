from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import text

from seamless_database.errors import ConflictError
from seamless_database.request_types.statements import Connection, Row, Statement
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


def look_up(key: str, connection: Connection) -> str | None:
    row = connection.one(FIRST, key=key)
    return None if row is None else str(row[0])


def follow(key: str, connection: Connection) -> str | None:
    """Look up what the first look-up gives; without one, nothing more is asked."""
    found = look_up(key, connection)
    return None if found is None else look_up(found, connection)


def run(source: Source, *pieces: Operation[str | None]) -> list[str | None]:
    run_batched(pieces, source.fetch)
    return [piece.value for piece in pieces]


def test_what_many_want_to_know_is_fetched_at_once() -> None:
    source = Source(a="1", b="2")
    pieces = [Operation(partial(look_up, key)) for key in "abc"]
    assert run(source, *pieces) == ["1", "2", None]
    assert source.trips == [["a", "b", "c"]]


def test_what_follows_from_an_answer_is_fetched_after_it() -> None:
    source = Source(a="b", b="c")
    pieces = [Operation(lambda c: follow("a", c)), Operation(lambda c: look_up("b", c))]
    assert run(source, *pieces) == ["c", "c"]
    assert source.trips == [["a", "b"], ["b"]]


def test_what_would_be_asked_after_a_miss_is_fetched_with_the_first_question() -> None:
    def work(connection: Connection) -> str | None:
        return look_up("a", connection) or look_up("b", connection)

    source = Source(b="2")
    assert run(source, Operation(work)) == ["2"]
    assert source.trips == [["a", "b"]]


def test_an_error_that_follows_from_not_knowing_is_no_answer() -> None:
    def work(connection: Connection) -> str | None:
        if look_up("a", connection) is None:
            raise ConflictError("there is nothing")
        return "fine"

    piece = Operation(work)
    assert run(Source(a="1"), piece) == ["fine"]
    assert piece.error is None
    run(Source(), piece)
    assert isinstance(piece.error, ConflictError)


def test_changes_are_those_of_the_last_run_and_none_of_one_that_fails() -> None:
    def work(connection: Connection) -> None:
        found = look_up("a", connection)
        connection.run(SECOND, key=found or "guessed")
        if found == "bad":
            raise ConflictError("no")

    piece = Operation(work)
    assert run_batched([piece], Source(a="1").fetch) == [[(SECOND, {"key": "1"})]]
    assert run_batched([piece], Source(a="bad").fetch) == [[]]


def test_what_was_known_once_is_asked_again_the_next_time() -> None:
    piece: Operation[str | None] = Operation(lambda c: look_up("a", c))
    assert run(Source(a="1"), piece) == ["1"]
    assert run(Source(a="2"), piece) == ["2"]


def test_who_reads_after_a_change_is_told_of_the_mistake() -> None:
    def work(connection: Connection) -> None:
        connection.run(SECOND, key="a")
        connection.one(FIRST, key="a")

    piece = Operation(work)
    run_batched([piece], Source().fetch)
    assert isinstance(piece.error, AssertionError)


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_is_fetched_if_nothing_is_asked(count: int) -> None:
    source = Source()
    run_batched([Operation(lambda c: c.run(SECOND, key="a")) for _ in range(count)], source.fetch)
    assert source.trips == []
