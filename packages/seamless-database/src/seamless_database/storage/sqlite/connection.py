"""One SQLite connection that runs the statements of the models.

Statements come as text that was compiled once; what is left for each call is SQLite's own work,
and SQLite remembers the prepared form. A connection belongs to one thread at a time. SQLite's
own waiting for locks is switched off: it cannot be ended, neither by a signal nor by a deadline,
so `retry_while_locked` waits instead.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import sys
import threading
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

#: how long to sleep between two attempts at a lock: first, and at most
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.05
#: way to open a file -> what SQLite calls it
_OPEN_MODES = {
    "ro": "mode=ro",
    "rw": "mode=rw",
    "rwc": "mode=rwc",
    # nobody else has it open, and nothing can be written beside it; see `resting`
    "resting": "mode=ro&vfs=unix-none",
    "immutable": "mode=ro&immutable=1",
}
OpenMode = Literal["ro", "rw", "rwc", "resting", "immutable"]
#: distinct statements are few; all of them stay prepared
_PREPARED = 256


class Connection:
    """A connection in autocommit mode; transactions are begun and ended in so many words."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    @classmethod
    def open(cls, path: Path, way: OpenMode, *, longest: int | None = None) -> Connection:
        """Connect to a file, by its absolute path; any character may be in its name.

        A row of more than `longest` bytes cannot be read, which is found out without reading it:
        an `sqlite3.DataError`. Python 3.10 does not offer this limit, and reads on.
        """
        uri = f"file:{quote(os.fsencode(path))}?{_OPEN_MODES[way]}"
        raw = sqlite3.connect(
            uri,
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_PREPARED,
        )
        if longest is not None and sys.version_info >= (3, 11):
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        if way == "resting":
            # keeps the index of the journal in memory of our own
            raw.execute("PRAGMA locking_mode=EXCLUSIVE").close()
        return cls(raw)

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Fetch the first row, or None; a damaged text that is not UTF-8 comes as bytes."""
        try:
            return self._first(statement.sql, values)
        except sqlite3.OperationalError as error:
            with self._undecoded(error):
                return self._first(statement.sql, values)

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Fetch every row, with bytes for damaged texts as above."""
        try:
            return self._raw.execute(statement.sql, values).fetchall()
        except sqlite3.OperationalError as error:
            with self._undecoded(error):
                return self._raw.execute(statement.sql, values).fetchall()

    def run(self, statement: Statement, **values: str) -> None:
        """Change rows."""
        self._raw.execute(statement.sql, values)

    def command(self, sql: str) -> Row | None:
        """Run a command that has no Core construct: transactions, savepoints, pragmas."""
        return self._first(sql, {})

    @contextmanager
    def statement_timeout(self, seconds: float) -> Iterator[Callable[[], None]]:
        """End what still runs then with an `sqlite3.OperationalError` "interrupted".

        What it gives does so at once, when it is called from another thread.
        """
        timer = threading.Timer(seconds, self._raw.interrupt)
        timer.start()
        try:
            yield self._raw.interrupt
        finally:
            timer.cancel()
            # it may be about to fire, which the next statement must not get to feel
            timer.join()

    def is_timeout(self, error: Exception) -> bool:
        """Whether an error says that it was ended in that way."""
        return isinstance(error, sqlite3.OperationalError) and str(error) == "interrupted"

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; a full disk can end one behind our back."""
        return self._raw.in_transaction

    def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        self._raw.rollback()

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""
        self._raw.close()

    @contextmanager
    def _undecoded(self, error: sqlite3.OperationalError) -> Iterator[None]:
        """Fetch what is not UTF-8 as bytes; raises the error if it says something else."""
        if not str(error).startswith("Could not decode"):
            raise error
        self._raw.text_factory = _text_or_bytes
        try:
            yield
        finally:
            self._raw.text_factory = str

    def _first(self, sql: str, values: dict[str, str]) -> Row | None:
        cursor = self._raw.execute(sql, values)
        row: Row | None = cursor.fetchone()
        # a cursor that is not at its end would hold on to this state of the database
        cursor.close()
        return row


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def retry_while_locked(
    action: Callable[[], T], wait: float, pause: Callable[[float], object] = time.sleep
) -> T:
    """Do it, again and again while another process holds the lock, for `wait` seconds at most."""
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
        pause(delay)
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
    """Whether the error says that somebody else holds a lock."""
    # the error code has an attribute from Python 3.11 on only
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
