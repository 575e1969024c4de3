"""Set-based SQL: one statement for the values of many requests.

A statement costs psycopg and the database several times what one more set of values does: 25 µs
for a look-up in a pipeline of statements, 8 µs for one of thirty in one statement (psycopg 3.3,
PostgreSQL 18, on one machine).
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Insert,
    Select,
    Text,
    bindparam,
    column,
    func,
    insert,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql.visitors import replacement_traverse

from seamless_database.storage.postgresql.dialect import DIALECT, sql_text
from seamless_database.storage.postgresql.text_escaping import TextArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ClauseElement, TableValuedAlias

    from seamless_database.request_types.statements import Row, Statement
    from seamless_database.storage.postgresql.batched_reads import Call
    from seamless_database.storage.postgresql.connection import Command, PipelineConnection

#: characters of the values in one statement; the database accepts 1 GB at most
MAX_CHARS = 4_000_000
#: the name of the table of values: a column for each parameter, and the number of the set from 1
_INPUT, _NUMBER = "input", "number"


def fetch_all(
    connection: PipelineConnection, calls: Sequence[Call], *before: Command
) -> list[list[Row]]:
    """Fetch the rows of each call in one round trip, after some other commands."""
    groups: dict[tuple[Statement, tuple[str, ...]], list[int]] = {}
    for index, (statement, values) in enumerate(calls):
        groups.setdefault((statement, tuple(values)), []).append(index)
    commands: list[Command] = []
    indices: list[list[int]] = []
    for (statement, names), group in groups.items():
        text = select_many_sql(statement, names) if len(group) > 1 else None
        if text is not None:
            commands.append((text, _lists(names, [calls[index][1] for index in group])))
            indices.append(group)
            continue
        for index in group:
            commands.append((sql_text(statement), calls[index][1]))
            indices.append([index])
    results = connection.execute_pipeline([*before, *commands])[len(before) :]
    found: list[list[Row]] = [[] for _ in calls]
    for group, rows in zip(indices, results, strict=True):
        if len(group) == 1:
            found[group[0]] = rows
            continue
        for row in rows:
            found[group[row[0] - 1]].append(row[1:])
    return found


def change_commands(changes: Iterable[Sequence[Call]]) -> Iterator[Command]:
    """Yield the commands for the changes of many operations.

    The changes of one operation keep their order; those of different operations must not depend
    on each other.
    """
    pending = [deque(calls) for calls in changes if calls]
    while pending:
        statement, names = pending[0][0][0], tuple(pending[0][0][1])
        sets = [values for calls in pending for values in _take_same(calls, statement, names)]
        text = insert_many_sql(statement, names) if len(sets) > 1 else None
        if text is None:
            yield from ((sql_text(statement), values) for values in sets)
        else:
            yield from ((text, _lists(names, part)) for part in _parts(sets))
        pending = [calls for calls in pending if calls]


@cache
def select_many_sql(statement: Statement, names: tuple[str, ...]) -> str | None:
    """Return the SQL that reads for many sets of values, which are one list per parameter.

    Its rows begin with the number of the set. None if the order of the rows matters. PostgreSQL
    plans and runs the inner query for each set as if it were alone.
    """
    clause = statement.clause
    if not isinstance(clause, Select) or not clause.compare(clause.order_by(None)):
        return None
    values = _input_table(names)
    # OFFSET 0 keeps PostgreSQL from merging the inner query into the outer one
    inner = cast("Select[Any]", replacement_traverse(clause, {}, _input_column))
    joined = values.join(inner.offset(literal_column("0")).lateral("found"), true())
    query = select(values.c[_NUMBER], literal_column("found.*")).select_from(joined)
    return str(query.compile(dialect=DIALECT))


@cache
def insert_many_sql(statement: Statement, names: tuple[str, ...]) -> str | None:
    """Return the SQL that inserts many rows in their order, or None for other statements."""
    clause = statement.clause
    if not isinstance(clause, Insert):
        return None
    values = _input_table(names)
    rows = select(*(values.c[name] for name in names)).order_by(values.c[_NUMBER])
    query = insert(clause.table).from_select(list(names), rows)
    return str(query.compile(dialect=DIALECT))


def _input_table(names: Iterable[str]) -> TableValuedAlias:
    lists = [sqlalchemy.cast(bindparam(name), ARRAY(Text)) for name in names]
    columns = [column(name, Text) for name in names]
    table = func.unnest(*lists).table_valued(*columns, with_ordinality=_NUMBER)
    return table.render_derived(name=_INPUT)


def _input_column(element: ClauseElement, **_more: Any) -> ClauseElement | None:
    """Return the column that replaces a parameter; None leaves any other element as it is."""
    if isinstance(element, BindParameter):
        return literal_column(f"{_INPUT}.{element.key}", element.type)
    return None


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


def _lists(names: Iterable[str], sets: Sequence[Mapping[str, str]]) -> dict[str, TextArray]:
    return {name: TextArray([values[name] for values in sets]) for name in names}
