"""One connection to PostgreSQL, made when it is needed, and again after it was lost.

Belongs to one thread at a time. `abort` alone may be called from another: it ends a conversation
with a server that has stopped to answer.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

import psycopg

from seamless_database.errors import UnavailableError
from seamless_database.request_types.statements import Row
from seamless_database.storage.postgresql.dialect import (
    Fault,
    fault,
    loaded,
    stored,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from psycopg.pq.abc import PGconn

    from seamless_database.request_types.statements import Statement
    from seamless_database.storage.postgresql.url import PostgresUrl

#: attempts at getting rid of the answers to what has failed
_DRAININGS = 4
#: a text in SQL, and the values of its parameters
Command = tuple[str, "Mapping[str, object] | None"]


class PipelineConnection:
    """A connection without transactions of its own; they are begun in so many words.

    Parameters
    ----------
    address
        where the database is
    patience
        how many seconds an exchange may take before `abort` is in order
    """

    def __init__(self, address: PostgresUrl, patience: float) -> None:
        self._address = address
        self._patience = patience
        self._raw: psycopg.Connection[Row] | None = None
        # a connection never leaves its pipeline: on leaving it, the library sends the server
        # something that ends its watch over transactions that stand still
        self._pipeline: psycopg.Pipeline | None = None
        self._leaving = contextlib.ExitStack()
        #: guards `_end` and `_deadline`, which `abort` looks at
        self._lock = threading.Lock()
        # the library may close its socket at any moment; this end of it stays ours
        self._end: socket.socket | None = None
        self._deadline: float | None = None
        self._warned = False
        #: what the server said of the last command that it did
        self.status: str | None = None
        #: whether the last connection was lost because it took too long
        self.was_aborted = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._raw is not None

    def connect(self) -> psycopg.Connection[Row]:
        """Connect, unless it is; raises `psycopg.Error`."""
        if self._raw is None:
            raw = psycopg.Connection[Row].connect(
                autocommit=True,
                prepare_threshold=self._address.prepare_threshold,
                **self._address.parameters,  # type: ignore[arg-type]  # names from the URL
            )
            raw.add_notice_handler(self._on_notice)
            end = socket.socket(fileno=os.dup(raw.fileno()))
            self._pipeline = self._leaving.enter_context(raw.pipeline())
            with self._lock:
                self._raw, self._end = raw, end
                self.was_aborted = False
        return self._raw

    def execute_pipeline(self, commands: Sequence[Command]) -> list[list[Row]]:
        """Send commands all at once, and wait for the rows of each.

        Raises `psycopg.Error`; those behind the one that failed were not done.
        """
        raw = self.connect()
        assert self._pipeline is not None  # where there is a connection, there is one
        with self._with_deadline():
            try:
                cursors = [raw.execute(text, values) for text, values in commands]
                _send(raw.pgconn)
                self._pipeline.sync()
            except Exception:
                # what follows must not come upon the answers to these
                self._drain(raw, self._pipeline)
                raise
        self.status = cursors[-1].statusmessage
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

    def command(self, text: str, values: Mapping[str, object] | None = None) -> list[Row]:
        """Send one command, and wait for its rows."""
        (rows,) = self.execute_pipeline([(text, values)])
        return rows

    def had_warning(self) -> bool:
        """Tell whether the server has warned of anything since this was last asked."""
        had_warning, self._warned = self._warned, False
        return had_warning

    def rollback(self) -> None:
        """Undo what is open; a connection that this fails on is no more."""
        if self._raw is None:
            return
        try:
            self.command("ROLLBACK")
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        """Close the connection, if there is one; the next command makes another."""
        with self._lock:
            raw, self._raw = self._raw, None
            end, self._end = self._end, None
        if end is not None:
            end.close()
        if raw is not None:
            raw.close()
            # now that there is nothing to wait for any more
            with contextlib.suppress(psycopg.Error):
                self._leaving.close()

    def abort(self, now: float) -> None:
        """End an exchange that should have ended before now; its thread gets to feel it."""
        with self._lock:
            if self._end is None or self._deadline is None or now < self._deadline:
                return
            self.was_aborted = True
            # it may have been shut down already
            with contextlib.suppress(OSError):
                self._end.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def statement_timeout(self, seconds: float) -> Iterator[Callable[[], None]]:
        """End what still runs then; what it gives does so at once, called from another thread."""
        raw = self.connect()
        timer = threading.Timer(seconds, raw.cancel_safe)
        timer.start()
        try:
            yield raw.cancel_safe
        finally:
            timer.cancel()
            timer.join()

    def _drain(self, raw: psycopg.Connection[Row], pipeline: psycopg.Pipeline) -> None:
        for _ in range(_DRAININGS):
            try:
                _send(raw.pgconn)
                pipeline.sync()
            except psycopg.Error:
                # another one of them has failed, or the connection is no more
                continue
            return
        self.close()

    @contextlib.contextmanager
    def _with_deadline(self) -> Iterator[None]:
        with self._lock:
            self._deadline = time.monotonic() + self._patience
        try:
            yield
        except psycopg.Error as error:
            if fault(error) is Fault.LOST or self._raw is None or self._raw.closed:
                self.close()
            raise
        finally:
            with self._lock:
                self._deadline = None

    def _on_notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warned = True


class ReadOnlyConnection:
    """A session as the record families see a connection; it only reads."""

    def __init__(self, session: PipelineConnection) -> None:
        self._session = session

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Fetch the first row, or None."""
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Fetch every row."""
        given = {name: stored(value) for name, value in values.items()}
        return [loaded(row) for row in self._session.command(text_of(statement), given)]

    def run(self, statement: Statement, **values: str) -> None:
        """Refuse: it only reads."""
        raise AssertionError("a reading connection changes nothing")

    def statement_timeout(
        self, seconds: float
    ) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """End what still runs then; what it gives does so at once, called from another thread."""
        return self._session.statement_timeout(seconds)

    def is_timeout(self, error: Exception) -> bool:
        """Whether an error says that it was ended in that way."""
        return isinstance(error, psycopg.errors.QueryCanceled)


def _send(connection: PGconn) -> None:
    """Send all that is to be sent; the library alone may wait for an answer before it has.

    It does so in a pipeline, with some megabytes, and then waits for ever.
    """
    waiting = select.poll()
    waiting.register(connection.socket, select.POLLIN | select.POLLOUT)
    while connection.flush():
        ((_, found),) = waiting.poll()
        if found & select.POLLIN:
            # a server whose answers nobody takes would take nothing either
            connection.consume_input()


def unavailable(address: PostgresUrl, error: psycopg.Error, what: str) -> UnavailableError:
    """Tell in words what went wrong; in one line, and without the password."""
    text = address.redact(" ".join(str(error).split()))
    return UnavailableError(f"{what} ({text})")
