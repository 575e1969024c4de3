"""SQL statements of the request types, and the connection interface that runs them.

A statement is a SQLAlchemy Core construct, so request types name no SQL dialect. Each back end
compiles a statement once and keeps the text.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ClauseElement, ColumnElement, Text, bindparam, cast, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Dialect, Table
    from sqlalchemy.sql.compiler import SQLCompiler

Row = tuple[Any, ...]

#: the parameter that holds a list of keys
KEYS_PARAM = "keys"

_SQLITE = sqlite.dialect(paramstyle="named")


class Statement:
    """A Core statement whose parameters are named by `bindparam`."""

    def __init__(self, clause: ClauseElement, *, columns: tuple[str, ...] | None = None) -> None:
        self.clause = clause
        self.columns = columns
        self._texts: dict[str, str] = {}

    @cached_property
    def sql(self) -> str:
        """The SQL text for SQLite, compiled on first use."""
        return self.text(_SQLITE)

    def text(self, dialect: Dialect) -> str:
        """Return the SQL text for a dialect, compiled on first use."""
        found = self._texts.get(dialect.name)
        if found is None:
            columns = None if self.columns is None else list(self.columns)
            found = str(self.clause.compile(dialect=dialect, column_keys=columns))
            self._texts[dialect.name] = found
        return found


def insert_statement(table: Table, *columns: str) -> Statement:
    """Build the statement that inserts one row; its parameters are named like the columns."""
    return Statement(insert(table).inline(), columns=columns)


class StatementConnection(Protocol):
    """A database connection as the request types use it, whatever the back end."""

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Fetch the first row, or None."""
        ...

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Fetch every row."""
        ...

    def run(self, statement: Statement, **values: str) -> None:
        """Run a statement that changes rows."""
        ...


class _JsonEach(FunctionElement[str]):
    """The strings of a JSON array, as a table of one column."""

    name = "members"
    inherit_cache = True


@compiles(_JsonEach, "sqlite")
def _json_each(members: _JsonEach, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_each{compiler.process(members.clause_expr, **more)}"


@compiles(_JsonEach, "postgresql")
def _json_array_elements(members: _JsonEach, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_array_elements_text({compiler.process(members.clause_expr, **more)}::json)"


def in_key_list(column: Column[Any]) -> ColumnElement[bool]:
    """Build the condition that a column holds one of the keys in the parameter `KEYS_PARAM`.

    All keys are one JSON parameter: a parameter per key would need one statement per number of
    keys, and old versions of SQLite accept only 999 parameters.
    """
    members = _JsonEach(bindparam(KEYS_PARAM, type_=Text)).table_valued("value", name="members")
    # cast to the type of the column: PostgreSQL would otherwise cast the column and skip its index
    return column.in_(select(cast(members.c.value, column.type)))


def encode_key_list(keys: Sequence[str]) -> str:
    """Encode keys as the value of `KEYS_PARAM`."""
    return json.dumps(keys)
