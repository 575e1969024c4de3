"""What records are read and written with: statements, and what they need of a connection.

A statement is a SQLAlchemy Core construct, so the record families name no dialect. It is compiled
to text once for each back end that it meets; what a connection does with the text is its own
business.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ClauseElement, insert
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy import Dialect

    from seamless_database.models import Base

Row = tuple[Any, ...]

_SQLITE = sqlite.dialect(paramstyle="named")


class Statement:
    """A Core statement; its parameters are named by `bindparam`."""

    def __init__(self, clause: ClauseElement, *, columns: tuple[str, ...] | None = None) -> None:
        self._clause = clause
        self._columns = columns
        self._texts: dict[str, str] = {}

    @cached_property
    def sql(self) -> str:
        """The text for SQLite, compiled at the first use."""
        return self.text(_SQLITE)

    def text(self, dialect: Dialect) -> str:
        """Give the text for a dialect, compiled at the first use."""
        found = self._texts.get(dialect.name)
        if found is None:
            columns = None if self._columns is None else list(self._columns)
            found = str(self._clause.compile(dialect=dialect, column_keys=columns))
            self._texts[dialect.name] = found
        return found


class Connection(Protocol):
    """What the record families need of a connection, of whatever back end."""

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Fetch the first row, or None."""
        ...

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Fetch every row."""
        ...

    def run(self, statement: Statement, **values: str) -> None:
        """Change rows."""
        ...


class InterruptibleConnection(Connection, Protocol):
    """A connection for what may take long."""

    def statement_timeout(self, seconds: float) -> AbstractContextManager[Callable[[], None]]:
        """End what still runs then; what it gives does so at once, called from another thread."""
        ...

    def is_timeout(self, error: Exception) -> bool:
        """Whether an error says that it was ended in that way."""
        ...


def insert_statement(model: type[Base], *columns: str) -> Statement:
    """Build the statement that inserts one row; its parameters are called like the columns."""
    return Statement(insert(model).inline(), columns=columns)
