"""PostgreSQL dialect: SQL text of statements, and the tables with their column types and indexes.

- JSON is stored as text, as in the SQLite file: records keep every digit, and what a file of a
  published server holds need not be JSON to PostgreSQL.
- Texts compare by their bytes (collation C), as in SQLite; checksums compare fastest that way.
- A B-tree index holds short texts only. So texts of any length have hash indexes, and their
  SHA-256 is unique: a client cannot find two texts that exclude each other.
- There is no upsert: a transaction holds the advisory locks of the keys that it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

from seamless_database.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from seamless_database.request_types.statements import Statement

DIALECT = PGDialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]  # of SQLAlchemy
#: columns whose texts clients choose, of any length
_LONG = frozenset({"celltype", "subcelltype", "label"})
#: tables whose primary key holds such a column, and is an index on digests instead
_LONG_KEYS = frozenset({"syntactic_to_semantic", "bucket_probe"})


def sql_text(statement: Statement) -> str:
    """Return the SQL text of a statement, with the placeholders of psycopg."""
    return statement.text(DIALECT)


def create_statements(present: Container[str] = ()) -> Iterator[str]:
    """Yield the commands that create the tables that are not present, and their indexes."""
    for table in tables():
        if table.name in present:
            continue
        yield str(CreateTable(table).compile(dialect=DIALECT))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=DIALECT))


def new_long_keys(present: Container[str]) -> Iterator[str]:
    """Yield the commands that upgrade the long keys from version 1 of the schema to version 2."""
    for table in tables():
        for index in table.indexes:
            if index.name == _long_key(table) and table.name in present:
                yield f"DROP INDEX {index.name}"
                yield str(CreateIndex(index).compile(dialect=DIALECT))


def tables() -> list[Table]:
    """Return the tables of the models with the column types of PostgreSQL."""
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
    text, nullable = Text(collation="C"), bool(model.nullable)
    return Column(model.name, text, primary_key=model.primary_key and key, nullable=nullable)


def _add_long_key(table: Table, key: Iterable[str]) -> None:
    """Index a key uniquely by the digests of its long columns, and a label by its hash."""
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
    """Return the SHA-256 of a text, by functions that PostgreSQL allows in an index."""
    # with each backslash doubled, the format "escape" decodes to the bytes of the text
    doubled = func.replace(column, literal_column(r"E'\\'"), literal_column(r"E'\\\\'"))
    return func.sha256(func.decode(doubled, literal_column("'escape'")))
