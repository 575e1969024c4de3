"""Read pool: the reading connections of a PostgreSQL database.

`psycopg_pool` is not used because it waits while the server is away, and a request should fail at
once then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import psycopg

from seamless_database.errors import DatabaseLockedError
from seamless_database.storage.connection_pool import ConnectionPool
from seamless_database.storage.postgresql.connection import PipelineConnection
from seamless_database.storage.postgresql.error_kinds import ErrorKind, error_kind, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless_database.storage.postgresql.health import Health
    from seamless_database.storage.postgresql.url import PostgresUrl

T = TypeVar("T")

#: attempts to read after a conflict with another transaction, or on a lost connection
ATTEMPTS = 3


class PostgresReadPool(ConnectionPool[PipelineConnection]):
    """The reading connections of one database.

    Parameters
    ----------
    url
        the database
    timeout
        seconds that a read may take
    health
        records failures
    """

    def __init__(self, url: PostgresUrl, timeout: float, health: Health) -> None:
        super().__init__()
        self._url = url
        self._timeout = timeout
        self._health = health

    def read(self, work: Callable[[PipelineConnection], T]) -> T:
        """Call `work` with a connection, again with another one if the first is lost.

        Raises a `psycopg.errors.UndefinedTable`, or an `UnavailableError`.
        """
        for number in range(1, ATTEMPTS + 1):
            connection = self._checkout()
            try:
                return work(connection)
            except psycopg.errors.UndefinedTable:
                raise
            except psycopg.Error as error:
                kind = error_kind(error)
                if kind is ErrorKind.LOST:
                    # the others were connected to the same server
                    self._close_idle()
                may_retry = kind in (ErrorKind.LOST, ErrorKind.RETRY) and not connection.was_aborted
                if not may_retry or number == ATTEMPTS:
                    raise self._client_error(error, kind) from error
            finally:
                self._checkin(connection)
        raise AssertionError  # unreachable

    def abort_overdue(self, now: float) -> None:
        """Abort the pipelines that are overdue."""
        for connection in self._in_use.copy():
            connection.abort_if_overdue(now)

    def _open(self) -> PipelineConnection:
        return PipelineConnection(self._url, self._timeout)

    def _client_error(self, error: psycopg.Error, kind: ErrorKind) -> Exception:
        if kind is ErrorKind.LOCKED:
            return DatabaseLockedError(self._timeout)
        failure = unavailable(self._url, error, "the database could not be read")
        if kind is ErrorKind.LOST:
            self._health.record_failure(str(failure))
        return failure
