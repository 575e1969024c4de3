"""SQLite connection: runs statements in autocommit mode, with retries and timeouts.

The text of a statement is compiled once, and SQLite caches its prepared form. A connection belongs
to one thread at a time. SQLite's busy timeout is 0, because neither a signal nor a deadline can
end it; `retry_while_locked` waits instead.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import quote

from seamless_database.errors import DatabaseLockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seamless_database.request_types.statements import Row, Statement

T = TypeVar("T")

#: seconds to sleep between two attempts to get a lock: first, and at most
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.05
#: open mode -> parameters of SQLite's URI
_OPEN_MODES = {
    "ro": "mode=ro",
    "rw": "mode=rw",
    "rwc": "mode=rwc",
    # no other process has the file open, and nothing can be written beside it
    "readonly_wal": "mode=ro&vfs=unix-none",
    "immutable": "mode=ro&immutable=1",
}
OpenMode = Literal["ro", "rw", "rwc", "readonly_wal", "immutable"]
#: prepared statements in the cache of a connection; there are fewer distinct ones
_PREPARED = 256


class Connection:
    """A connection in autocommit mode; explicit commands begin and end transactions."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    @classmethod
    def open(cls, path: Path, mode: OpenMode, *, max_row_bytes: int | None = None) -> Connection:
        """Connect to a file by its absolute path, whose name may hold any character.

        A row of more than `max_row_bytes` raises an `sqlite3.DataError`, without being read.
        Python 3.10 lacks this limit and reads the row.
        """
        uri = f"file:{quote(os.fsencode(path))}?{_OPEN_MODES[mode]}"
        raw = sqlite3.connect(
            uri,
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_PREPARED,
        )
        if max_row_bytes is not None and sys.version_info >= (3, 11):
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_row_bytes)
        if mode == "readonly_wal":
            # keeps the index of the WAL in the memory of this process
            raw.execute("PRAGMA locking_mode=EXCLUSIVE").close()
        return cls(raw)

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Fetch the first row, or None; a damaged text that is not UTF-8 is returned as bytes."""
        try:
            return self._first(statement.sql, values)
        except sqlite3.OperationalError as error:
            with self._undecoded(error):
                return self._first(statement.sql, values)

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Fetch every row, with bytes for damaged texts."""
        try:
            return self._raw.execute(statement.sql, values).fetchall()
        except sqlite3.OperationalError as error:
            with self._undecoded(error):
                return self._raw.execute(statement.sql, values).fetchall()

    def run(self, statement: Statement, **values: str) -> None:
        """Run a statement that changes rows."""
        self._raw.execute(statement.sql, values)

    def command(self, sql: str) -> Row | None:
        """Run a command that has no Core construct: transactions, savepoints, pragmas."""
        return self._first(sql, {})

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; SQLite itself ends one when the disk is full."""
        return self._raw.in_transaction

    @property
    def total_changes(self) -> int:
        """How many rows this connection has changed, including changes that were undone."""
        return self._raw.total_changes

    def rollback(self) -> None:
        """Roll back the open transaction, if there is one."""
        self._raw.rollback()

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self._raw.close()

    @contextmanager
    def _undecoded(self, error: sqlite3.OperationalError) -> Iterator[None]:
        """Fetch texts that are not UTF-8 as bytes; raises any other error again."""
        if not str(error).startswith("Could not decode"):
            raise error
        self._raw.text_factory = text_or_bytes
        try:
            yield
        finally:
            self._raw.text_factory = str

    def _first(self, sql: str, values: dict[str, str]) -> Row | None:
        cursor = self._raw.execute(sql, values)
        row: Row | None = cursor.fetchone()
        # an open cursor would keep the read transaction open
        cursor.close()
        return row


def text_or_bytes(raw: bytes) -> str | bytes:
    """Decode a stored text; invalid UTF-8 stays bytes, which no check accepts as text."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def retry_while_locked(action: Callable[[], T], wait: float) -> T:
    """Call `action`, again while another process holds the lock, for `wait` seconds at most."""
    deadline = time.monotonic() + wait
    delay = FIRST_PAUSE
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not is_lock(error):
                raise
            if time.monotonic() >= deadline:
                raise DatabaseLockedError(wait) from error
        time.sleep(delay)
        delay = min(2 * delay, LONGEST_PAUSE)


def reason_of(error: Exception, path: object = "FILE") -> str:
    """Quote an error of SQLite; if it reports a damaged file, add what to do about the file."""
    if is_no_sqlite_file(error):
        return f"{error}, or its first page is damaged; restore a backup"
    if is_damage(error):
        return f"{damage_of(error)}; the file is damaged: {advice_for_damage(path)}"
    if "Could not decode" in str(error):
        return f"{error}; run seamless-database-admin check {shlex.quote(str(path))}"
    return str(error)


def advice_for_damage(path: object) -> str:
    """Say what to do about a damaged file."""
    file = shlex.quote(str(path))
    return (
        "restore a backup, or write what can be read to a new file: seamless-database-admin "
        f"export --salvage {file} NEW-FILE (seamless-database-admin check {file} shows how much)"
    )


def is_damage(error: Exception) -> bool:
    """Whether the error says that pages or the list of tables of a file are damaged.

    SQLite quotes a damaged statement of the list, and Python cannot decode that if it is not UTF-8.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    return isinstance(error, sqlite3.DatabaseError) and "malformed" in str(error)


def damage_of(error: Exception) -> str:
    """Name the damage that an error reports."""
    return "malformed database schema" if isinstance(error, UnicodeDecodeError) else str(error)


def is_no_sqlite_file(error: Exception) -> bool:
    """Whether the error says that a file does not begin as SQLite files do."""
    return isinstance(error, sqlite3.DatabaseError) and any(
        words in str(error) for words in ("not a database", "unsupported file format")
    )


def is_lock(error: sqlite3.Error) -> bool:
    """Whether an error says that another connection holds a lock."""
    # Python 3.10 does not give the error code
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
