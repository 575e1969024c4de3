"""Open a PostgreSQL database for the administrator: to read it as of one moment, or to change it.

Reading is a snapshot, and holds up nobody. Changing is one transaction, all of it or nothing. It
holds the lock that every writing server shares, so that servers go on reading, and their writes
wait or are answered 503.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import sqlalchemy
from sqlalchemy import func, select, text
from sqlalchemy.pool import NullPool

from seamless_database.admin.access.engine_errors import EngineErrors
from seamless_database.admin.access.psycopg_connections import connect
from seamless_database.admin.errors import TargetExistsError, WritersError
from seamless_database.errors import ServerError
from seamless_database.models import TABLES
from seamless_database.storage.postgresql import schema
from seamless_database.storage.postgresql.advisory_locks import LOCK_EVERYTHING
from seamless_database.storage.postgresql.connection import PipelineConnection
from seamless_database.storage.postgresql.error_kinds import ErrorKind, error_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from seamless_database.storage.postgresql.url import PostgresUrl

T = TypeVar("T")

#: seconds to wait for those who write, and for an answer to a question about the tables
LOCK_WAIT, PATIENCE = 5.0, 30.0
#: for the transaction: it may take hours, and whoever streams a query wants all of its rows
_SETTINGS = text(
    "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', :wait, true), "
    "set_config('idle_in_transaction_session_timeout', '0', true), "
    "set_config('cursor_tuple_fraction', '1', true)"
)
_SIZE = text("SELECT pg_database_size(current_database())")


@contextmanager
def reading(address: PostgresUrl) -> Iterator[Connection]:
    """Open a database within one snapshot."""
    has_tables(address)
    with connected(address) as connection:
        begin(connection, "REPEATABLE READ, READ ONLY")
        yield connection
        connection.rollback()


@contextmanager
def changing(address: PostgresUrl) -> Iterator[Connection]:
    """Open a database in a transaction during which no server writes."""
    has_tables(address)
    with connected(address) as connection:
        begin(connection)
        lock_writers(connection, address)
        yield connection
        connection.commit()


@contextmanager
def filling(address: PostgresUrl) -> Iterator[Connection]:
    """Create the tables of a database unless it has them, and fill them, all or nothing."""
    create(address)
    with changing(address) as connection:
        refuse_rows(connection, address)
        yield connection
        advance_ids(connection)


@contextmanager
def connected(address: PostgresUrl) -> Iterator[Connection]:
    """Connect to a database; what goes wrong there is told in a line, without the password."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connect(address), poolclass=NullPool
    )
    own = EngineErrors(engine)
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        if error not in own:
            raise
        raise _unusable(address, error.orig or error) from error
    except psycopg.Error as error:
        # of what does not go through SQLAlchemy: bulk copies
        raise _unusable(address, error) from error


def begin(connection: Connection, mode: str = "READ COMMITTED") -> None:
    """Begin a transaction that may take its time."""
    connection.execute(text(f"SET TRANSACTION ISOLATION LEVEL {mode}"))
    connection.execute(_SETTINGS, {"wait": str(int(1000 * LOCK_WAIT))})


def lock_writers(connection: Connection, address: PostgresUrl) -> None:
    """Keep servers, and others like this one, from writing until the end of the transaction."""
    try:
        connection.execute(text(LOCK_EVERYTHING))
    except sqlalchemy.exc.OperationalError as error:
        if isinstance(error.orig, psycopg.Error) and error_kind(error.orig) is ErrorKind.LOCKED:
            raise WritersError(address.redacted, LOCK_WAIT) from error
        raise


def create(address: PostgresUrl) -> None:
    """Create the tables of a database, unless it has them."""
    _ask(address, lambda session: schema.create(session, address, LOCK_WAIT))


def has_tables(address: PostgresUrl) -> bool:
    """Whether a database has tables of ours; raises `SchemaError` for others."""
    return _ask(address, lambda session: bool(schema.inspect(session, address)))


def check_no_rows(address: PostgresUrl) -> None:
    """Make sure that a database holds no row of ours."""
    if has_tables(address):
        with reading(address) as connection:
            refuse_rows(connection, address)


def refuse_rows(connection: Connection, address: PostgresUrl) -> None:
    """Make sure that no table holds a row."""
    for table in TABLES.values():
        if connection.scalar(select(table.select().exists())):
            raise TargetExistsError(address.redacted, "holds rows already; empty it")


def advance_ids(connection: Connection) -> None:
    """Make the numbers that the database gives to new rows follow those that were copied."""
    for name, table in TABLES.items():
        if "id" in table.columns:
            sequence = func.pg_get_serial_sequence(name, "id")
            connection.execute(select(func.setval(sequence, func.max(table.c.id))))


def sizes(connection: Connection) -> dict[str, Any]:
    """Bytes that the database takes up."""
    return {"database": connection.execute(_SIZE).scalar_one()}


def _ask(address: PostgresUrl, question: Callable[[PipelineConnection], T]) -> T:
    session = PipelineConnection(address, PATIENCE)
    try:
        return question(session)
    except psycopg.Error as error:
        raise _unusable(address, error) from error
    finally:
        session.close()


def _unusable(address: PostgresUrl, error: object) -> ServerError:
    return ServerError(address.redacted, address.redact(" ".join(str(error).split())))
