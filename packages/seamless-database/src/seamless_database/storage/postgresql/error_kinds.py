"""Error kinds: classify an error of PostgreSQL by its SQLSTATE, so that callers know what to do."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import psycopg

from seamless_database.errors import UnavailableError

if TYPE_CHECKING:
    from seamless_database.storage.postgresql.url import PostgresUrl


class ErrorKind(Enum):
    """The cause of an error, which decides whether the caller retries, reconnects or fails."""

    #: a conflict with another transaction: a retry may succeed
    RETRY = "retry"
    #: another transaction holds a lock for too long
    LOCKED = "locked"
    #: the connection is lost
    LOST = "lost"
    #: the table does not exist
    NO_TABLE = "no table"
    #: the database rejects what this request stores
    REJECTED = "rejected"
    #: any other error; the next request would fail in the same way
    BROKEN = "broken"


#: the beginning of an SQLSTATE -> its kind; the longest match counts. Two characters are a class of
#: SQLSTATEs; the comments have the names of PostgreSQL's manual.
_KINDS = {
    # class transaction_rollback: serialization_failure, deadlock_detected
    "40": ErrorKind.RETRY,
    # unique_violation: a transaction without the advisory locks has written the same row
    "23505": ErrorKind.RETRY,
    # lock_not_available
    "55P03": ErrorKind.LOCKED,
    # query_canceled, by the statement timeout: the statement waited for a lock
    "57014": ErrorKind.LOCKED,
    # idle_in_transaction_session_timeout: this process was stopped within a transaction
    "25P03": ErrorKind.LOST,
    # admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout
    "57P0": ErrorKind.LOST,
    # class connection_exception
    "08": ErrorKind.LOST,
    # undefined_table
    "42P01": ErrorKind.NO_TABLE,
    # class data_exception
    "22": ErrorKind.REJECTED,
    # class integrity_constraint_violation
    "23": ErrorKind.REJECTED,
    # class program_limit_exceeded
    "54": ErrorKind.REJECTED,
}


def error_kind(error: psycopg.Error) -> ErrorKind:
    """Classify an error by its SQLSTATE."""
    code = error.sqlstate
    if code is None:
        # psycopg itself raises such an error, without an SQLSTATE
        is_operational = isinstance(error, psycopg.OperationalError)
        return ErrorKind.LOST if is_operational else ErrorKind.BROKEN
    for length in (5, 4, 2):
        if code[:length] in _KINDS:
            return _KINDS[code[:length]]
    return ErrorKind.BROKEN


def unavailable(url: PostgresUrl, error: psycopg.Error, what: str) -> UnavailableError:
    """Return the error for clients, in one line and without the password."""
    text = url.redact(" ".join(str(error).split()))
    return UnavailableError(f"{what} ({text})")
