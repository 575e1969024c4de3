from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from sqlalchemy import bindparam, delete, select

from seamless_database.request_types.statements import Statement, insert_statement
from seamless_database.storage.open import open_database
from seamless_database.storage.postgresql import batch_sql
from seamless_database.storage.postgresql.batch_sql import change_commands, fetch_all
from seamless_database.storage.postgresql.connection import PipelineConnection
from seamless_database.storage.postgresql.url import PostgresUrl
from seamless_database.tables import REV_TRANSFORMATION, TRANSFORMATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.storage.postgresql.batched_reads import Call

INSERT = insert_statement(TRANSFORMATION, "checksum", "result")
INSERT_REVERSE = insert_statement(REV_TRANSFORMATION, "result", "checksum")
DELETE = Statement(delete(TRANSFORMATION).where(TRANSFORMATION.c.checksum == bindparam("checksum")))
RESULT = Statement(
    select(TRANSFORMATION.c.result).where(TRANSFORMATION.c.checksum == bindparam("checksum"))
)
BY_RESULT = Statement(
    select(TRANSFORMATION.c.checksum).where(TRANSFORMATION.c.result == bindparam("result"))
)
IN_ORDER = Statement(
    select(REV_TRANSFORMATION.c.checksum)
    .where(REV_TRANSFORMATION.c.result == bindparam("result"))
    .order_by(REV_TRANSFORMATION.c.id)
)


@pytest.fixture
def connection(postgresql: str) -> Iterator[PipelineConnection]:
    open_database(postgresql, writable=True).close()
    connection = PipelineConnection(PostgresUrl.of(postgresql), timeout=30)
    yield connection
    connection.close()


def insert(number: int, result: int = 0) -> Call:
    return INSERT, {"checksum": checksum(number), "result": checksum(result)}


def reverse(number: int) -> Call:
    return INSERT_REVERSE, {"result": checksum(0), "checksum": checksum(number)}


def remove(number: int) -> Call:
    return DELETE, {"checksum": checksum(number)}


def test_texts_of_any_characters_are_inserted_and_found_in_one_statement(
    connection: PipelineConnection,
) -> None:
    texts = ["\\" * 100_000, '"' * 1000, "{a,b}", "", "NULL", "é€😀", "\x00\x01", "a\nb", "'%s"]
    insertions = [(INSERT, {"checksum": text, "result": text * 2}) for text in texts]
    (command,) = change_commands([[insertion] for insertion in insertions])
    connection.execute_pipeline([command])
    look_ups: list[Call] = [(RESULT, {"checksum": text}) for text in texts]
    assert fetch_all(connection, look_ups) == [[(text * 2,)] for text in texts]


def test_many_insertions_are_one_statement(connection: PipelineConnection) -> None:
    commands = list(change_commands([[insert(number), reverse(number)] for number in range(50)]))
    assert len(commands) == 2
    connection.execute_pipeline(commands)
    (rows,) = fetch_all(connection, [(IN_ORDER, {"result": checksum(0)})])
    assert rows == [(checksum(number),) for number in range(50)]


def test_each_operation_keeps_the_order_of_its_changes(connection: PipelineConnection) -> None:
    tasks = [
        [insert(1), remove(1), insert(1, 5)],
        [remove(2), insert(2)],
        [],
        [insert(3), insert(4)],
    ]
    connection.execute_pipeline(list(change_commands(tasks)))
    calls = [(RESULT, {"checksum": checksum(number)}) for number in range(1, 5)]
    missing = [5, 0, 0, 0]
    assert fetch_all(connection, calls) == [[(checksum(result),)] for result in missing]


def test_long_values_are_split_into_several_statements(
    connection: PipelineConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_sql, "MAX_CHARS", 500)
    commands = list(change_commands([[insert(number)] for number in range(10)]))
    assert len(commands) == 4
    connection.execute_pipeline(commands)
    assert connection.command("SELECT count(*) FROM transformation") == [(10,)]


def test_each_look_up_gets_its_own_rows(connection: PipelineConnection) -> None:
    connection.execute_pipeline(
        list(change_commands([[insert(number, number % 3)] for number in range(9)]))
    )
    calls: list[Call] = [
        (RESULT, {"checksum": checksum(4)}),
        (BY_RESULT, {"result": checksum(2)}),
        (RESULT, {"checksum": checksum("none")}),
        (BY_RESULT, {"result": checksum("none")}),
        (RESULT, {"checksum": checksum(5)}),
    ]
    found = [sorted(rows) for rows in fetch_all(connection, calls, ("SELECT 1", None))]
    with_it = sorted([(checksum(number),) for number in (2, 5, 8)])
    assert found == [[(checksum(1),)], with_it, [], [], [(checksum(2),)]]


def test_texts_with_any_character_come_back(connection: PipelineConnection) -> None:
    odd = ["\x00", "\x01", "a%s'\"{},\\", ""]
    tasks = [[(INSERT, {"checksum": text, "result": text + "!"})] for text in odd]
    connection.execute_pipeline(list(change_commands(tasks)))
    found = fetch_all(connection, [(RESULT, {"checksum": text}) for text in odd])
    assert found == [[(text + "!",)] for text in odd]


def test_an_ordered_statement_is_not_batched(connection: PipelineConnection) -> None:
    for numbers in (range(5), range(9, 5, -1)):
        connection.execute_pipeline(
            list(change_commands([[reverse(number)] for number in numbers]))
        )
    missing = [(checksum(number),) for number in (0, 1, 2, 3, 4, 9, 8, 7, 6)]
    assert fetch_all(connection, [(IN_ORDER, {"result": checksum(0)})] * 2) == [missing] * 2


def test_parts_are_as_long_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sql, "MAX_CHARS", 10)
    sets = [{"a": "x" * length} for length in (5, 5, 5, 5, 1, 11, 10)]
    parts = [[len(values["a"]) for values in part] for part in batch_sql._parts(sets)]
    assert parts == [[5, 5], [5, 5], [1], [11], [10]]
