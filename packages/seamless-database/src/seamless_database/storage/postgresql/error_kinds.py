"""Error kinds: what an error of PostgreSQL means for the operation that met it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import psycopg

from seamless_database.errors import UnavailableError

if TYPE_CHECKING:
    from seamless_database.storage.postgresql.url import PostgresUrl


class ErrorKind(Enum):
    """How to go on after an error."""

    #: a conflict with another transaction: a retry may work
    RETRY = "retry"
    #: another transaction holds a lock for too long
    LOCKED = "locked"
    #: the connection is lost
    LOST = "lost"
    #: the table does not exist
    NO_TABLE = "no table"
    #: the database rejects what this request stores
    REJECTED = "rejected"
    #: any other error, which the next request would meet too
    BROKEN = "broken"


#: the beginning of an SQLSTATE -> its kind; the longest match counts
_KINDS = {
    "40": ErrorKind.RETRY,  # serialization failure, deadlock
    "23505": ErrorKind.RETRY,  # a transaction without the advisory locks has written the same row
    "55P03": ErrorKind.LOCKED,
    "57014": ErrorKind.LOCKED,  # the statement timeout: the statement waited for a lock
    "25P03": ErrorKind.LOST,  # this process was stopped within a transaction
    "57P0": ErrorKind.LOST,
    "08": ErrorKind.LOST,
    "42P01": ErrorKind.NO_TABLE,
    "22": ErrorKind.REJECTED,
    "23": ErrorKind.REJECTED,
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
