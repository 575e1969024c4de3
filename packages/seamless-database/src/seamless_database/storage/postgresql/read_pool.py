"""Sessions for those who read: as many as there are threads that do at once, kept for the next.

Safe from any thread. There is no pool of a library here, because what it does while the server
is away is to wait, and a request should hear at once that the server is away.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg

from seamless_database.errors import DatabaseClosedError, DatabaseLockedError
from seamless_database.storage.postgresql.connection import PipelineConnection, unavailable
from seamless_database.storage.postgresql.dialect import Fault, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seamless_database.storage.postgresql.health import Health
    from seamless_database.storage.postgresql.url import PostgresUrl

T = TypeVar("T")

#: how often to try what others were in the way of, or a connection was lost at
ATTEMPTS = 3


class PostgresReadPool:
    """The reading sessions of one database.

    Parameters
    ----------
    address
        where the database is
    patience
        how many seconds a read may take
    health
        who is told of what goes wrong
    """

    def __init__(self, address: PostgresUrl, patience: float, health: Health) -> None:
        self._address = address
        self._patience = patience
        self._health = health
        # both ends of a deque are safe from any thread
        self._idle: deque[PipelineConnection] = deque()
        self._busy: set[PipelineConnection] = set()
        self._closed = False

    def read(self, action: Callable[[PipelineConnection], T]) -> T:
        """Do what only reads, again on another connection if one is lost.

        Raises `psycopg.errors.UndefinedTable`, or an `UnavailableError`.
        """
        for number in range(1, ATTEMPTS + 1):
            try:
                with self._one() as session:
                    return action(session)
            except psycopg.errors.UndefinedTable:
                raise
            except psycopg.Error as error:
                what = fault(error)
                if what is Fault.LOST:
                    # the others were connected to the same server
                    self._close_idle()
                worth_it = what in (Fault.LOST, Fault.AGAIN) and not session.was_aborted
                if not worth_it or number == ATTEMPTS:
                    raise self._told(error, what) from error
        raise AssertionError  # unreachable

    def abort(self, now: float) -> None:
        """End what takes too long."""
        for session in self._busy.copy():
            session.abort(now)

    def close(self) -> None:
        """Close every session; those in use are closed when they come back."""
        self._closed = True
        self._close_idle()

    @contextmanager
    def _one(self) -> Iterator[PipelineConnection]:
        if self._closed:
            raise DatabaseClosedError
        try:
            session = self._idle.pop()
        except IndexError:
            session = PipelineConnection(self._address, self._patience)
        self._busy.add(session)
        try:
            yield session
        finally:
            self._checkin(session)

    def _checkin(self, session: PipelineConnection) -> None:
        self._busy.discard(session)
        self._idle.append(session)
        if self._closed:
            # too late for `close` to have seen it
            self._close_idle()

    def _close_idle(self) -> None:
        # another thread may do the same
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                return
            session.close()

    def _told(self, error: psycopg.Error, what: Fault) -> Exception:
        if what is Fault.LOCKED:
            return DatabaseLockedError(self._patience)
        told = unavailable(self._address, error, "the database could not be read")
        if what is Fault.LOST:
            self._health.record_failure(str(told))
        return told
