"""What SQLite and PostgreSQL spell differently in the administration; all else is common.

Statements are written once, with the constructs of this room in them, and each back end compiles
these in its own way. Neither has a row number that the other knows, and where PostgreSQL says by
its types that something is text, SQLite has to be asked row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    String,
    TypeDecorator,
    cast,
    func,
    literal_column,
    or_,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, UserDefinedType

from seamless_database.models import TABLES

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Table
    from sqlalchemy.orm import InstrumentedAttribute
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.dml import Insert
    from sqlalchemy.types import TypeEngine

    from seamless_database.models import Base

SQLITE, POSTGRESQL = "sqlite", "postgresql"
#: the function that makes an insertion, by dialect
_INSERTS: dict[str, Any] = {SQLITE: sqlite.insert, POSTGRESQL: postgresql.insert}
#: name of a table and its bytes with its indexes, by dialect
_SIZES = {
    SQLITE: "SELECT tbl_name, SUM(pgsize) FROM dbstat('main', 1) AS used "
    "JOIN sqlite_master ON sqlite_master.name = used.name GROUP BY tbl_name",
    POSTGRESQL: "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
}


def is_sqlite(connection: Connection) -> bool:
    """Whether it is a connection to a file."""
    return connection.dialect.name == SQLITE


# where a row is


class _TID(UserDefinedType[str]):
    """The place of a row in a table of PostgreSQL."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_more: Any) -> str:
        """Name the type."""
        return "TID"


class RowAddress(TypeDecorator[Any]):
    """What tells a row from all others of its table, as long as nobody else changes the table."""

    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """A number in SQLite, a place in PostgreSQL."""
        found = _TID() if dialect.name == POSTGRESQL else Integer()
        return dialect.type_descriptor(found)


class _AddressOf(FunctionElement[Any]):
    """The address of the row that a column is in."""

    type = RowAddress()
    inherit_cache = True


@compiles(_AddressOf, SQLITE)
def _row_id(element: _AddressOf, _compiler: SQLCompiler, **_more: Any) -> str:
    return f"{_table_of(element)}.rowid"


@compiles(_AddressOf, POSTGRESQL)
def _place(element: _AddressOf, _compiler: SQLCompiler, **_more: Any) -> str:
    return f"{_table_of(element)}.ctid"


def _table_of(element: _AddressOf) -> str:
    (inside,) = element.clauses
    return str(inside.table.name)


def address_of(model: type[Base]) -> ColumnElement[Any]:
    """Name the address of each row of a table."""
    return _AddressOf(TABLES[model.__tablename__].primary_key.columns[0])


# what a row holds


class _IsNoChecksum(FunctionElement[bool]):
    """Whether a column holds something else than 64 lower-case hexadecimal digits."""

    type = Boolean()
    inherit_cache = True


@compiles(_IsNoChecksum, SQLITE)
def _glob(element: _IsNoChecksum, compiler: SQLCompiler, **more: Any) -> str:
    (value,) = element.clauses
    length = literal_column("64", Integer)
    condition = or_(
        func.typeof(value) != literal_column("'text'"),
        func.length(value) != length,
        value.op("GLOB")(literal_column("'*[^0-9a-f]*'")),
        # bytes too: a NUL hides what follows it from both of the above
        func.length(cast(value, LargeBinary)) != length,
    )
    return f"({compiler.process(condition, **more)})"


@compiles(_IsNoChecksum, POSTGRESQL)
def _expression(element: _IsNoChecksum, compiler: SQLCompiler, **more: Any) -> str:
    (value,) = element.clauses
    return f"({compiler.process(value, **more)} !~ '^[0-9a-f]{{64}}$')"


def is_no_checksum(value: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Build the condition that a column holds no checksum."""
    return _IsNoChecksum(value)


class _ByBytes(FunctionElement[Any]):
    """A column that is compared by its bytes, whatever the order of the database."""

    inherit_cache = True

    def __init__(self, value: ColumnElement[Any]) -> None:
        super().__init__(value)
        self.type = value.type


@compiles(_ByBytes, SQLITE)
def _as_it_is(element: _ByBytes, compiler: SQLCompiler, **more: Any) -> str:
    (value,) = element.clauses
    return compiler.process(value, **more)


@compiles(_ByBytes, POSTGRESQL)
def _collated(element: _ByBytes, compiler: SQLCompiler, **more: Any) -> str:
    (value,) = element.clauses
    name = compiler.process(value, **more)
    # an index of the same order serves this too
    return f'({name} COLLATE "C")' if isinstance(element.type, String) else name


def by_bytes(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Compare a column by its bytes; numbers are compared as such."""
    return _ByBytes(value)


# what else there is to say


def insert_new(connection: Connection, table: Table) -> Insert:
    """Build the statement that inserts rows, and leaves those that are there as they are."""
    insertion: Insert = _INSERTS[connection.dialect.name](table).on_conflict_do_nothing()
    return insertion


def table_sizes(connection: Connection) -> dict[str, int]:
    """Bytes of every table with its indexes; raises a `DBAPIError` where that cannot be told."""
    rows = connection.execute(text(_SIZES[connection.dialect.name]))
    return {str(name): size for name, size in rows}
