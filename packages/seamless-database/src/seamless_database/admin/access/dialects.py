"""SQL constructs that SQLAlchemy compiles differently for SQLite and for PostgreSQL.

Statements of the administration are written once, with these constructs. The row number (`rowid`)
of SQLite corresponds to the row location (`ctid`) of PostgreSQL. The column types of PostgreSQL
guarantee text; in SQLite, a query checks the type row by row.
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
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, UserDefinedType

from seamless_database.models import TABLES

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Select, Table
    from sqlalchemy.orm import InstrumentedAttribute
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.dml import Insert
    from sqlalchemy.types import TypeEngine

    from seamless_database.models import Base

SQLITE, POSTGRESQL = "sqlite", "postgresql"
#: the function that builds an INSERT statement, by dialect
_INSERTS: dict[str, Any] = {SQLITE: sqlite.insert, POSTGRESQL: postgresql.insert}
#: the query for the bytes of each table with its indexes, by dialect
_SIZES = {
    SQLITE: "SELECT tbl_name, SUM(pgsize) FROM dbstat('main', 1) AS used "
    "JOIN sqlite_master ON sqlite_master.name = used.name GROUP BY tbl_name",
    POSTGRESQL: "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
}


def is_sqlite(connection: Connection) -> bool:
    """Whether a connection is to an SQLite file."""
    return connection.dialect.name == SQLITE


# addresses of rows


class _TID(UserDefinedType[str]):
    """The type of a row location in PostgreSQL."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_more: Any) -> str:
        """Return the name of the type in SQL."""
        return "TID"


class RowAddress(TypeDecorator[Any]):
    """What identifies a row of a table while no other connection changes the table."""

    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type for a dialect: a row number in SQLite, a row location in PostgreSQL."""
        address = _TID() if dialect.name == POSTGRESQL else Integer()
        return dialect.type_descriptor(address)


class _AddressOf(FunctionElement[Any]):
    """The address of the row that a column belongs to."""

    type = RowAddress()
    inherit_cache = True


@compiles(_AddressOf, SQLITE)
def _row_id(element: _AddressOf, _compiler: SQLCompiler, **_more: Any) -> str:
    return f"{_table_of(element)}.rowid"


@compiles(_AddressOf, POSTGRESQL)
def _row_location(element: _AddressOf, _compiler: SQLCompiler, **_more: Any) -> str:
    return f"{_table_of(element)}.ctid"


def _table_of(element: _AddressOf) -> str:
    (column,) = element.clauses
    return str(column.table.name)


def address_of(model: type[Base]) -> ColumnElement[Any]:
    """Build the expression for the address of a row of a table."""
    return _AddressOf(TABLES[model.__tablename__].primary_key.columns[0])


def select_addresses(model: type[Base], *columns: Any) -> Select[Any]:
    """Select the addresses of the rows of a table, and columns of it."""
    return select(address_of(model), *columns).select_from(model)


# conditions


class _IsMalformedChecksum(FunctionElement[bool]):
    """Whether a column holds anything but 64 lower-case hexadecimal digits."""

    type = Boolean()
    inherit_cache = True


@compiles(_IsMalformedChecksum, SQLITE)
def _malformed_in_sqlite(element: _IsMalformedChecksum, compiler: SQLCompiler, **more: Any) -> str:
    (value,) = element.clauses
    length = literal_column("64", Integer)
    condition = or_(
        func.typeof(value) != literal_column("'text'"),
        func.length(value) != length,
        value.op("GLOB")(literal_column("'*[^0-9a-f]*'")),
        # the length in bytes too: both conditions above ignore what follows a NUL
        func.length(cast(value, LargeBinary)) != length,
    )
    return f"({compiler.process(condition, **more)})"


@compiles(_IsMalformedChecksum, POSTGRESQL)
def _malformed_in_postgresql(
    element: _IsMalformedChecksum, compiler: SQLCompiler, **more: Any
) -> str:
    (value,) = element.clauses
    return f"({compiler.process(value, **more)} !~ '^[0-9a-f]{{64}}$')"


def is_malformed_checksum(value: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Build the condition that a column holds a malformed checksum."""
    return _IsMalformedChecksum(value)


class _InByteOrder(FunctionElement[Any]):
    """A column that is compared by its bytes, whatever the collation of the database."""

    inherit_cache = True

    def __init__(self, value: ColumnElement[Any]) -> None:
        super().__init__(value)
        self.type = value.type


@compiles(_InByteOrder, SQLITE)
def _unchanged(element: _InByteOrder, compiler: SQLCompiler, **more: Any) -> str:
    (value,) = element.clauses
    return compiler.process(value, **more)


@compiles(_InByteOrder, POSTGRESQL)
def _collated(element: _InByteOrder, compiler: SQLCompiler, **more: Any) -> str:
    (value,) = element.clauses
    name = compiler.process(value, **more)
    # PostgreSQL can use an index with this collation
    return f'({name} COLLATE "C")' if isinstance(element.type, String) else name


def in_byte_order(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Compare a text column by its bytes; numbers are compared as numbers."""
    return _InByteOrder(value)


# statements


def insert_new(connection: Connection, table: Table) -> Insert:
    """Build the statement that inserts rows, and leaves existing rows as they are."""
    insertion: Insert = _INSERTS[connection.dialect.name](table).on_conflict_do_nothing()
    return insertion


def table_sizes(connection: Connection) -> dict[str, int]:
    """Return the bytes of each table with its indexes; `DBAPIError` if that is unsupported."""
    rows = connection.execute(text(_SIZES[connection.dialect.name]))
    return {str(name): size for name, size in rows}
