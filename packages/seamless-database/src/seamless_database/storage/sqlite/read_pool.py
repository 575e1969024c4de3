"""Read pool: the reading connections of a SQLite file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from seamless_database.errors import UnavailableError
from seamless_database.storage.connection_pool import ConnectionPool
from seamless_database.storage.sqlite import readonly_wal
from seamless_database.storage.sqlite.connection import Connection, retry_while_locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seamless_database.storage.sqlite.connection import OpenMode
    from seamless_database.storage.sqlite.file_identity import FileIdentity

T = TypeVar("T")

#: attempts to read a file without locks that changes meanwhile
ATTEMPTS = 5
#: KiB of pages that a connection caches. The inner pages of the largest tables fit: among
#: 10,000,000 rows a look-up costs 54 µs of processor time in place of 70 µs with SQLite's own
#: 2 MiB; among 1,000 rows it costs 42 µs.
PAGE_CACHE = 16 * 1024


@dataclass(slots=True, eq=False)
class _Reader:
    connection: Connection
    #: the state of the file before it was opened without locks; None if it is opened with locks
    state: readonly_wal.FileState | None = None
    #: whether the page cache is set, which looks at the file and may have to wait for a lock
    is_ready: bool = False

    def ready(self) -> Connection:
        if not self.is_ready:
            self.connection.command(f"PRAGMA cache_size=-{PAGE_CACHE}")
            self.is_ready = True
        return self.connection

    def close(self) -> None:
        self.connection.close()


class ReadPool(ConnectionPool[_Reader]):
    """The reading connections of one file.

    Parameters
    ----------
    path
        the absolute path of the file
    identity
        checks whether the file is still the one that was opened first
    allow_readonly_wal
        whether to read a file in WAL mode without locks where SQLite cannot create shared memory
    max_row_bytes
        bytes of a row above which reading it raises an `sqlite3.DataError`
    """

    def __init__(
        self,
        path: Path,
        identity: FileIdentity,
        *,
        allow_readonly_wal: bool,
        max_row_bytes: int | None = None,
    ) -> None:
        super().__init__()
        self._path = path
        self._identity = identity
        self._check_file = identity.check_lately
        self._max_row_bytes = max_row_bytes
        self._allow_readonly_wal = allow_readonly_wal

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
            # another process writes: what was read may mix two states of the file
            self._discard(reader)
        raise UnavailableError("the database file changes too often to be read here")

    def _open(self) -> _Reader:
        connection = self._connect("ro")
        if not self._allow_readonly_wal:
            return _Reader(connection)
        try:
            # SQLite opens the file at the first statement
            connection.command("PRAGMA schema_version")
        except sqlite3.OperationalError as error:
            cannot_open = "unable to open" in str(error)
            state = readonly_wal.probe(self._path) if cannot_open else None
            if state is None:
                # a lock, for example, which `read` waits for
                return _Reader(connection)
            connection.close()
            return _Reader(self._connect(state.open_mode), state)
        return _Reader(connection)

    def _connect(self, mode: OpenMode) -> Connection:
        connection = Connection.open(self._path, mode, max_row_bytes=self._max_row_bytes)
        try:
            # the path may name another file by now
            self._identity.check()
        except UnavailableError:
            connection.close()
            raise
        return connection

    def _is_unchanged(self, reader: _Reader) -> bool:
        return reader.state is None or readonly_wal.is_unchanged(self._path, reader.state)
