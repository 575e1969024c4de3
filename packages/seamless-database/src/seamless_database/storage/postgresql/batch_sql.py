"""Do one statement with many sets of values at once, where many requests do the same.

To the library and the database, a statement costs several times what one more set of values does:
25 µs for a look-up in a pipeline of its own statements, 8 µs for one of thirty in one statement
(psycopg 3.3, PostgreSQL 18, on one machine).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from seamless_database.storage.postgresql import dialect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seamless_database.request_types.statements import Row, Statement
    from seamless_database.storage.postgresql.batched_reads import Call
    from seamless_database.storage.postgresql.connection import Command, PipelineConnection

#: characters of the values in one statement; the database takes no more than 1 GB
MAX_CHARS = 4_000_000


def fetch_all(
    session: PipelineConnection, calls: Sequence[Call], *before: Command
) -> list[list[Row]]:
    """Fetch the rows of each call, after some commands, in one round trip."""
    groups: dict[tuple[Statement, tuple[str, ...]], list[int]] = {}
    for place, (statement, values) in enumerate(calls):
        groups.setdefault((statement, tuple(values)), []).append(place)
    commands: list[Command] = []
    places: list[list[int]] = []
    for (statement, names), group in groups.items():
        text = dialect.select_many_sql(statement, names) if len(group) > 1 else None
        if text is not None:
            commands.append((text, _lists(names, [calls[place][1] for place in group])))
            places.append(group)
            continue
        for place in group:
            commands.append(_command(*calls[place]))
            places.append([place])
    rows = session.execute_pipeline([*before, *commands])[len(before) :]
    found: list[list[Row]] = [[] for _ in calls]
    for group, answered in zip(places, rows, strict=True):
        _scatter(answered, group, found)
    return found


def changing(tasks: Iterable[Sequence[Call]]) -> Iterator[Command]:
    """Give the commands for the changes of some tasks, each of which keeps the order of its own.

    Those of different tasks must not depend on each other.
    """
    left = [deque(calls) for calls in tasks if calls]
    while left:
        statement, names = left[0][0][0], tuple(left[0][0][1])
        sets = [values for calls in left for values in _take_same(calls, statement, names)]
        text = dialect.insert_many_sql(statement, names) if len(sets) > 1 else None
        if text is None:
            yield from (_command(statement, values) for values in sets)
        else:
            yield from ((text, _lists(names, part)) for part in _parts(sets))
        left = [calls for calls in left if calls]


def _take_same(
    calls: deque[Call], statement: Statement, names: tuple[str, ...]
) -> Iterator[Mapping[str, str]]:
    while calls and calls[0][0] is statement and tuple(calls[0][1]) == names:
        yield calls.popleft()[1]


def _parts(sets: Iterable[Mapping[str, str]]) -> Iterator[list[Mapping[str, str]]]:
    part: list[Mapping[str, str]] = []
    size = 0
    for values in sets:
        length = sum(map(len, values.values()))
        if part and size + length > MAX_CHARS:
            yield part
            part, size = [], 0
        part.append(values)
        size += length
    yield part


def _command(statement: Statement, values: Mapping[str, str]) -> Command:
    stored = {name: dialect.stored(value) for name, value in values.items()}
    return dialect.text_of(statement), stored


def _lists(names: Iterable[str], sets: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    return {name: [dialect.stored(values[name]) for values in sets] for name in names}


def _scatter(answered: list[Row], group: list[int], found: list[list[Row]]) -> None:
    """Give rows to the calls that they answer; those of many begin with a number."""
    if len(group) == 1:
        found[group[0]] = [dialect.loaded(row) for row in answered]
        return
    for number, *row in answered:
        found[group[number - 1]].append(dialect.loaded(tuple(row)))
