"""Connections for reading: as many as there are threads that read at once, kept for the next.

Safe from any thread, but for `close`, after which nothing may be read.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from seamless_database.errors import DatabaseClosedError, UnavailableError
from seamless_database.storage.sqlite import readonly_wal
from seamless_database.storage.sqlite.connection import Connection, retry_while_locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seamless_database.storage.sqlite.connection import OpenMode
    from seamless_database.storage.sqlite.file_identity import Identity

T = TypeVar("T")

#: attempts to read a file that changes under our hands where it should rest
ATTEMPTS = 5
#: KiB of pages that a connection keeps, if there are so many. The inner pages of the largest
#: tables fit: among 10,000,000 rows a look-up costs 54 µs of processor time in place of 70 µs
#: with SQLite's own 2 MiB; among 1,000 it is 42 µs.
PAGE_CACHE = 16 * 1024


@dataclass(slots=True)
class _Reader:
    connection: Connection
    #: set if it reads without locks: how the file looked when it began to
    rest: readonly_wal.FileState | None = None
    #: whether it has its cache; that takes a look at the file, and so may have to wait for a lock
    is_ready: bool = False

    def ready(self) -> Connection:
        if not self.is_ready:
            self.connection.command(f"PRAGMA cache_size=-{PAGE_CACHE}")
            self.is_ready = True
        return self.connection


class ReadPool:
    """The reading connections of one file.

    Parameters
    ----------
    path
        the file, in absolute terms
    may_rest
        whether the file may turn out to be at rest on a medium that can not be written
    identity
        tells whether the file is still the one that was opened first
    longest
        bytes of a row, above which reading it is an `sqlite3.DataError`
    """

    def __init__(
        self,
        path: Path,
        identity: Identity,
        *,
        allow_readonly_wal: bool,
        longest: int | None = None,
    ) -> None:
        self._path = path
        self._identity = identity
        self._check_file = identity.check_lately
        self._longest = longest
        self._may_rest = allow_readonly_wal
        # both ends of a deque are safe from any thread
        self._idle: deque[_Reader] = deque()
        self._closed = False

    def read(self, work: Callable[[Connection], T], wait: float) -> T:
        """Call `work` with a connection, again while the file is locked, for `wait` seconds."""
        self._check_file()
        for _ in range(ATTEMPTS):
            reader = self._checkout()
            try:
                value = retry_while_locked(lambda: work(reader.ready()), wait)  # noqa: B023  # used at once
            except sqlite3.Error:
                if self._is_unchanged(reader):
                    self._checkin(reader)
                    raise
            except BaseException:
                self._checkin(reader)
                raise
            else:
                if self._is_unchanged(reader):
                    self._checkin(reader)
                    return value
            # somebody has begun to write: what was read may be half old and half new
            reader.connection.close()
        raise UnavailableError("the database file changes too often to be read here")

    def close(self) -> None:
        """Close every connection; those in use are closed when they come back."""
        self._closed = True
        self._close_idle()

    def _checkout(self) -> _Reader:
        if self._closed:
            raise DatabaseClosedError
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _open(self) -> _Reader:
        connection = self._connect("ro")
        if not self._may_rest:
            return _Reader(connection)
        try:
            # SQLite opens a file when it is first looked at
            connection.command("PRAGMA schema_version")
        except sqlite3.OperationalError as error:
            rest = readonly_wal.look(self._path) if "unable to open" in str(error) else None
            if rest is None:
                # a lock, say, which is waited for elsewhere
                return _Reader(connection)
            connection.close()
            return _Reader(self._connect(rest.way), rest)
        return _Reader(connection)

    def _connect(self, way: OpenMode) -> Connection:
        connection = Connection.open(self._path, way, longest=self._longest)
        try:
            # this may be another file of that name
            self._identity.check()
        except UnavailableError:
            connection.close()
            raise
        return connection

    def _is_unchanged(self, reader: _Reader) -> bool:
        return reader.rest is None or readonly_wal.is_unchanged(self._path, reader.rest)

    def _checkin(self, reader: _Reader) -> None:
        self._idle.append(reader)
        if self._closed:
            # too late for `close` to have seen it
            self._close_idle()

    def _close_idle(self) -> None:
        # another thread may do the same
        while True:
            try:
                reader = self._idle.pop()
            except IndexError:
                return
            reader.connection.close()
