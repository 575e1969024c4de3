"""Where PostgreSQL differs: the text of statements, columns, what texts may hold, and errors.

Everything else of this back end, and all of the record families, go by what is said here.

- JSON stays text, as in the SQLite file: records come back to the last digit, numbers of any
  size included, and what a file of a published server holds need not be JSON to PostgreSQL.
- Texts compare by their bytes (collation C), as in SQLite, and as checksums compare fastest.
- An index holds short texts only. So texts of any length have hash indexes, and are unique by
  their SHA-256: no client can find two texts that exclude each other.
- There is no upsert: who writes holds the locks of what is written (see `writing`).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex, CreateTable

from seamless_database.storage.sqlite.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seamless_database.request_types.statements import Row, Statement

_DIALECT = PGDialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]  # so it is
#: columns whose texts clients choose, of any length
_LONG = frozenset({"celltype", "subcelltype", "label"})
#: tables -> the key of theirs that cannot be one here, because long columns are part of it
_LONG_KEYS = frozenset({"syntactic_to_semantic", "bucket_probe"})

# texts


#: PostgreSQL has no texts with NUL in them, and SQLite has; texts keep their order this way
_ESCAPED = {"\x00": "\x01\x01", "\x01": "\x01\x02"}
_UNESCAPED = {there: here for here, there in _ESCAPED.items()}
_SPECIAL, _WRITTEN = re.compile("[\x00\x01]"), re.compile("\x01[\x01\x02]")


def stored(text: str) -> str:
    """Write a text as the database can hold it."""
    if "\x00" in text or "\x01" in text:
        return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text)
    return text


def loaded(row: Row) -> Row:
    """Read a row with texts as the database holds them."""
    if any(isinstance(value, str) and "\x01" in value for value in row):
        return tuple(_original(value) for value in row)
    return row


def _original(value: Any) -> Any:
    if isinstance(value, str):
        return _WRITTEN.sub(lambda found: _UNESCAPED[found[0]], value)
    return value


# statements


def text_of(statement: Statement) -> str:
    """Give the text of a statement, with the placeholders of psycopg."""
    return statement.text(_DIALECT)


def select_many_sql(statement: Statement, names: Iterable[str]) -> str | None:
    """Give the text that reads for many sets of values, which come as a list for each name.

    Its rows begin with the number of the set, from 1. None if the order of the rows matters. For
    each set, the inner query is planned and done as if it were alone.
    """
    text = text_of(statement)
    if "ORDER BY" in text:
        return None
    return (
        f"SELECT {_NUMBER}, found.* FROM {_unnest(names)} "  # noqa: S608  # names of ours
        f"CROSS JOIN LATERAL ({_OPEN.sub(_FROM_ASKED, text)} OFFSET 0) AS found"
    )


def insert_many_sql(statement: Statement, names: Iterable[str]) -> str | None:
    """Give the text that inserts many rows, as above; None if the statement does something else."""
    found = _INSERTION.fullmatch(text_of(statement))
    if found is None:
        return None
    row = _OPEN.sub(_FROM_ASKED, found["row"])
    head = found["head"]
    return f"{head} SELECT {row} FROM {_unnest(names)} ORDER BY {_NUMBER}"  # noqa: S608  # as above


#: a placeholder, and what takes its place
_OPEN, _FROM_ASKED = re.compile(r"%\((\w+)\)s"), r"asked.\1"
_INSERTION = re.compile(r"(?P<head>INSERT INTO .*?) VALUES \((?P<row>.*)\)", re.DOTALL)
_NUMBER = "asked.number"


def _unnest(names: Iterable[str]) -> str:
    given = list(names)
    # in the binary form, for which the library need not look at each character
    lists = ", ".join(f"%({name})b::text[]" for name in given)
    return f"unnest({lists}) WITH ORDINALITY AS asked({', '.join([*given, 'number'])})"


def create_statements() -> Iterator[str]:
    """Give the commands that create the tables and their indexes."""
    for table in tables():
        yield str(CreateTable(table).compile(dialect=_DIALECT))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=_DIALECT))


def new_long_keys() -> Iterator[str]:
    """Give the commands that make the long keys of version 1 of the schema those of version 2."""
    for table in tables():
        for index in table.indexes:
            if index.name == _long_key(table):
                yield f"DROP INDEX {index.name}"
                yield str(CreateIndex(index).compile(dialect=_DIALECT))


def tables() -> list[Table]:
    """The tables of the models, as they are here."""
    metadata = MetaData()
    return [_table(metadata, table) for _, table in sorted(TABLES.items())]


def _table(metadata: MetaData, model: Table) -> Table:
    has_long_key = model.name in _LONG_KEYS
    columns = [_column(column, key=not has_long_key) for column in model.columns]
    table = Table(model.name, metadata, *columns)
    for index in model.indexes:
        Index(index.name, *(table.c[column.name] for column in index.columns))
    if has_long_key:
        _add_long_key(table, [column.name for column in model.primary_key])
    return table


def _column(model: Column[Any], *, key: bool) -> Column[Any]:
    if isinstance(model.type, Integer):
        return Column(model.name, BigInteger, Identity(), primary_key=True)
    kind = Text(collation="C")
    nullable = bool(model.nullable)
    return Column(model.name, kind, primary_key=model.primary_key and key, nullable=nullable)


def _add_long_key(table: Table, key: Iterable[str]) -> None:
    """Make a key unique by the digests of its long columns; by its hash, a label can be found."""
    parts = [
        _digest(table.c[name]) if name in _LONG else table.c[name]
        for name in sorted(key, key=lambda name: name in _LONG)
    ]
    Index(_long_key(table), *parts, unique=True)
    if "label" in table.c:
        Index(f"{table.name}_label", table.c["label"], postgresql_using="hash")


def _long_key(table: Table) -> str:
    return f"{table.name}_key"


def _digest(column: Column[Any]) -> ColumnElement[Any]:
    """Give the SHA-256 of a text by functions that an index may be made of."""
    # with each backslash doubled, the form "escape" stands for the bytes of the text
    doubled = func.replace(column, literal_column(r"E'\\'"), literal_column(r"E'\\\\'"))
    return func.sha256(func.decode(doubled, literal_column("'escape'")))


# errors


class Fault(Enum):
    """What an error of the database means for what was tried."""

    #: others were in the way, and doing it again may work
    AGAIN = "again"
    #: somebody else holds a lock for too long
    LOCKED = "locked"
    #: the connection is no more
    LOST = "lost"
    #: there is no such table
    NO_TABLE = "no table"
    #: the database does not take what this request wants to store
    REFUSED = "refused"
    #: anything else, which will be the same for the next request
    BROKEN = "broken"


#: the beginning of an error code -> what it means; the longest that fits counts
_FAULTS = {
    "40": Fault.AGAIN,  # serialization failure, deadlock
    "23505": Fault.AGAIN,  # somebody without our locks has written the same row just now
    "55P03": Fault.LOCKED,
    "57014": Fault.LOCKED,  # the statement has taken too long: it had waited
    "25P03": Fault.LOST,  # we were stopped in the middle of a transaction
    "57P0": Fault.LOST,
    "08": Fault.LOST,
    "42P01": Fault.NO_TABLE,
    "22": Fault.REFUSED,
    "23": Fault.REFUSED,
    "54": Fault.REFUSED,
}


def fault(error: psycopg.Error) -> Fault:
    """Tell what an error means."""
    code = error.sqlstate
    if code is None:
        # the library itself has found out, and says no more than that
        return Fault.LOST if isinstance(error, psycopg.OperationalError) else Fault.BROKEN
    for length in (5, 4, 2):
        if code[:length] in _FAULTS:
            return _FAULTS[code[:length]]
    return Fault.BROKEN
