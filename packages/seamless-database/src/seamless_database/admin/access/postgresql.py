"""Open a PostgreSQL database for the administration: one snapshot of it, or exclusively.

A snapshot blocks no other process. A change is one transaction, all or nothing. It holds the
lock that every writing server shares: servers go on answering reads, and their writes wait, or
are answered with 503. Text is read and written with the server's escaping of NUL characters,
which PostgreSQL cannot store.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import sqlalchemy
from sqlalchemy import func, select, text
from sqlalchemy.pool import NullPool

from seamless_database.admin.access.sqlite import EngineErrors
from seamless_database.admin.errors import TargetExistsError, WritersError
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.errors import ServerError
from seamless_database.models import TABLES
from seamless_database.storage.postgresql import schema
from seamless_database.storage.postgresql.advisory_locks import LOCK_EVERYTHING
from seamless_database.storage.postgresql.connection import PipelineConnection
from seamless_database.storage.postgresql.error_kinds import ErrorKind, error_kind
from seamless_database.storage.postgresql.text_escaping import register_adapters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from seamless_database.storage.postgresql.url import PostgresUrl

T = TypeVar("T")

#: seconds to wait for writing servers, and for a result of a query about the schema
LOCK_WAIT, SCHEMA_TIMEOUT = 5.0, 30.0
#: for a transaction that can take hours, and for streams that read all rows of a query
_SETTINGS = text(
    "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', :wait, true), "
    "set_config('idle_in_transaction_session_timeout', '0', true), "
    "set_config('cursor_tuple_fraction', '1', true)"
)
_SIZE = text("SELECT pg_database_size(current_database())")


def connect_driver(url: PostgresUrl) -> psycopg.Connection[Any]:
    """Open a psycopg connection that escapes NUL as the server does; raises `psycopg.Error`."""
    with INTERRUPTION.deferred(defer=False):
        connection = psycopg.connect(
            prepare_threshold=url.prepare_threshold,
            **url.parameters,  # type: ignore[arg-type]  # names from the URL
        )
    INTERRUPTION.cancel_on_signal(connection)
    register_adapters(connection)
    return connection


@contextmanager
def connect(url: PostgresUrl) -> Iterator[Connection]:
    """Connect to a database; its errors become a `ServerError` of one line, without a password."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connect_driver(url), poolclass=NullPool
    )
    own_errors = EngineErrors(engine)
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        if error not in own_errors:
            raise
        raise _server_error(url, error.orig) from error
    except psycopg.Error as error:
        # raised outside of SQLAlchemy, by COPY
        raise _server_error(url, error) from error


@contextmanager
def open_snapshot(url: PostgresUrl) -> Iterator[Connection]:
    """Open a database in a read-only transaction with one snapshot."""
    has_tables(url)
    with connect(url) as connection:
        begin(connection, "REPEATABLE READ, READ ONLY")
        yield connection
        connection.rollback()


@contextmanager
def open_exclusive(url: PostgresUrl) -> Iterator[Connection]:
    """Open a database in a transaction during which no server writes."""
    has_tables(url)
    with connect(url) as connection:
        begin(connection)
        lock_writers(connection, url)
        yield connection
        connection.commit()


@contextmanager
def open_for_load(url: PostgresUrl) -> Iterator[Connection]:
    """Create the missing tables of a database without rows, and open it to load rows."""
    create_tables(url)
    with open_exclusive(url) as connection:
        refuse_rows(connection, url)
        yield connection
        advance_sequences(connection)


def begin(connection: Connection, mode: str = "READ COMMITTED") -> None:
    """Begin a transaction without a time limit."""
    connection.execute(text(f"SET TRANSACTION ISOLATION LEVEL {mode}"))
    connection.execute(_SETTINGS, {"wait": str(int(1000 * LOCK_WAIT))})


def lock_writers(connection: Connection, url: PostgresUrl) -> None:
    """Keep servers and other commands from writing until the end of the transaction."""
    try:
        connection.execute(text(LOCK_EVERYTHING))
    except sqlalchemy.exc.OperationalError as error:
        if isinstance(error.orig, psycopg.Error) and error_kind(error.orig) is ErrorKind.LOCKED:
            raise WritersError(url.redacted, LOCK_WAIT) from error
        raise


def create_tables(url: PostgresUrl) -> None:
    """Create the missing tables of a database."""
    _with_connection(url, lambda connection: schema.create(connection, url, LOCK_WAIT))


def has_tables(url: PostgresUrl) -> bool:
    """Whether a database has our tables; raises `SchemaError` for other tables of these names."""
    return _with_connection(url, lambda connection: bool(schema.inspect(connection, url)))


def check_no_rows(url: PostgresUrl) -> None:
    """Raise a `TargetExistsError` if a database has rows in our tables."""
    if has_tables(url):
        with open_snapshot(url) as connection:
            refuse_rows(connection, url)


def refuse_rows(connection: Connection, url: PostgresUrl) -> None:
    """Raise a `TargetExistsError` if one of the tables has a row."""
    for table in TABLES.values():
        if connection.scalar(select(table.select().exists())):
            raise TargetExistsError(url.redacted, "holds rows already; empty it")


def advance_sequences(connection: Connection) -> None:
    """Set the sequences of row numbers to the largest copied number."""
    for name, table in TABLES.items():
        if "id" in table.columns:
            sequence = func.pg_get_serial_sequence(name, "id")
            connection.execute(select(func.setval(sequence, func.max(table.c.id))))


def sizes(connection: Connection) -> dict[str, Any]:
    """Return the bytes of the database."""
    return {"database": connection.execute(_SIZE).scalar_one()}


def _with_connection(url: PostgresUrl, query: Callable[[PipelineConnection], T]) -> T:
    connection = PipelineConnection(url, SCHEMA_TIMEOUT)
    try:
        return query(connection)
    except psycopg.Error as error:
        raise _server_error(url, error) from error
    finally:
        connection.close()


def _server_error(url: PostgresUrl, error: object) -> ServerError:
    return ServerError(url.redacted, url.redact(" ".join(str(error).split())))
