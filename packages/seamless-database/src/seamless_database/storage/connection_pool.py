"""Connection pool: idle connections for the next thread that reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Generic, Protocol, TypeVar

from seamless_database.errors import DatabaseClosedError


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


class ConnectionPool(ABC, Generic[C]):
    """The reading connections of one database; safe from any thread.

    A pool opens as many connections as threads use at once, and never makes a thread wait.
    """

    def __init__(self) -> None:
        # `append` and `pop` of a deque, and `add` and `discard` of a set, are atomic
        self._idle: deque[C] = deque()
        self._in_use: set[C] = set()
        self._closed = False

    def close(self) -> None:
        """Close every connection; one that is in use is closed when it comes back."""
        self._closed = True
        self._close_idle()

    @abstractmethod
    def _open(self) -> C:
        """Open a connection."""

    def _checkout(self) -> C:
        if self._closed:
            raise DatabaseClosedError
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        self._in_use.add(connection)
        return connection

    def _checkin(self, connection: C) -> None:
        self._in_use.discard(connection)
        self._idle.append(connection)
        if self._closed:
            # `close` may have emptied the pool before
            self._close_idle()

    def _discard(self, connection: C) -> None:
        self._in_use.discard(connection)
        connection.close()

    def _close_idle(self) -> None:
        # another thread may empty the pool too
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()
