"""PostgreSQL connection: sends commands in pipelines or alone, each time with a deadline.

The first command connects; after the connection is lost, the next command connects again. A
connection belongs to one thread at a time. Only `abort_if_overdue` may be called by another thread.
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
from psycopg.pq import TransactionStatus

from seamless_database.request_types.statements import Row
from seamless_database.storage.postgresql.dialect import sql_text
from seamless_database.storage.postgresql.error_kinds import ErrorKind, error_kind
from seamless_database.storage.postgresql.text_escaping import register_adapters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg.pq.abc import PGconn

    from seamless_database.request_types.statements import Statement
    from seamless_database.storage.postgresql.url import PostgresUrl

#: attempts to read what the server still sends after an error
_DRAIN_ATTEMPTS = 4
#: SQL text and the values of its parameters
Command = tuple[str, "Mapping[str, object] | None"]


class PipelineConnection:
    """A connection in autocommit mode; explicit commands begin and end transactions.

    Parameters
    ----------
    url
        the database
    timeout
        seconds that a pipeline may take before `abort_if_overdue` ends it
    """

    def __init__(self, url: PostgresUrl, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._raw: psycopg.Connection[Row] | None = None
        #: None outside of pipeline mode. The connection never leaves it within a transaction: on
        #: leaving it, psycopg sends a command that ends the server's timeout for idle transactions.
        self._pipeline: psycopg.Pipeline | None = None
        self._pipeline_exit = contextlib.ExitStack()
        #: guards `_socket` and `_deadline`, which `abort_if_overdue` reads in another thread
        self._lock = threading.Lock()
        # a duplicate of psycopg's socket: psycopg may close its own while `abort_if_overdue` runs,
        # and its file descriptor may then belong to another file
        self._socket: socket.socket | None = None
        self._deadline: float | None = None
        self._had_warning = False
        #: the command tag of the last command
        self.status: str | None = None
        #: whether `abort_if_overdue` has ended the last connection
        self.was_aborted = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._raw is not None

    def connect(self) -> psycopg.Connection[Row]:
        """Connect if there is no connection; raises a `psycopg.Error`."""
        if self._raw is None:
            raw = psycopg.Connection[Row].connect(
                autocommit=True,
                prepare_threshold=self._url.prepare_threshold,
                **self._url.parameters,  # type: ignore[arg-type]  # names from the URL
            )
            register_adapters(raw)
            raw.add_notice_handler(self._on_notice)
            duplicate = socket.socket(fileno=os.dup(raw.fileno()))
            with self._lock:
                self._raw, self._socket = raw, duplicate
                self.was_aborted = False
        return self._raw

    def execute_pipeline(self, commands: Sequence[Command]) -> list[list[Row]]:
        """Send all commands at once, and return the rows of each.

        Raises a `psycopg.Error`; the server skips the commands behind the one that has failed.
        """
        raw = self.connect()
        with self._with_deadline():
            if len(commands) == 1 and raw.pgconn.transaction_status == TransactionStatus.IDLE:
                # in pipeline mode, psycopg would send it and the end of the pipeline separately
                self._leave_pipeline()
                cursors = [raw.execute(*commands[0])]
            else:
                cursors = self._send_all(raw, commands)
        self.status = cursors[-1].statusmessage
        # `nfields` shows whether a command returns rows; `cursor.description` shows it too, but
        # creates an object for each column
        results = [(cursor, cursor.pgresult) for cursor in cursors]
        return [
            cursor.fetchall() if result and result.nfields else [] for cursor, result in results
        ]

    def command(self, text: str, values: Mapping[str, object] | None = None) -> list[Row]:
        """Send one command, and return its rows."""
        (rows,) = self.execute_pipeline([(text, values)])
        return rows

    def take_warning(self) -> bool:
        """Return whether the server has sent a warning since the last call, and reset that."""
        had_warning, self._had_warning = self._had_warning, False
        return had_warning

    def rollback(self) -> None:
        """Roll back the open transaction; close the connection if that fails."""
        if self._raw is None:
            return
        try:
            self.command("ROLLBACK")
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        """Close the connection, if there is one; the next command connects again."""
        with self._lock:
            raw, self._raw = self._raw, None
            duplicate, self._socket = self._socket, None
        if duplicate is not None:
            duplicate.close()
        if raw is not None:
            raw.close()
            # Because the connection is closed, leaving the pipeline does not wait for the server;
            # it raises an error instead.
            with contextlib.suppress(psycopg.Error):
                self._leave_pipeline()

    def abort_if_overdue(self, now: float) -> None:
        """Shut the socket down if a pipeline is overdue; its thread gets an `OperationalError`."""
        with self._lock:
            if self._socket is None or self._deadline is None or now < self._deadline:
                return
            self.was_aborted = True
            # the socket may be shut down already
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _send_all(
        self, raw: psycopg.Connection[Row], commands: Sequence[Command]
    ) -> list[psycopg.Cursor[Row]]:
        pipeline = self._pipeline
        if pipeline is None:
            pipeline = self._pipeline = self._pipeline_exit.enter_context(raw.pipeline())
        try:
            cursors = [raw.execute(text, values) for text, values in commands]
            _send(raw.pgconn)
            pipeline.sync()
        except Exception:
            # the next pipeline must not read the responses of this one
            self._drain(raw, pipeline)
            raise
        return cursors

    def _leave_pipeline(self) -> None:
        self._pipeline = None
        self._pipeline_exit.close()

    def _drain(self, raw: psycopg.Connection[Row], pipeline: psycopg.Pipeline) -> None:
        for _ in range(_DRAIN_ATTEMPTS):
            try:
                _send(raw.pgconn)
                pipeline.sync()
            except psycopg.Error:
                # another command has failed, or the connection is lost
                continue
            return
        self.close()

    @contextlib.contextmanager
    def _with_deadline(self) -> Iterator[None]:
        with self._lock:
            self._deadline = time.monotonic() + self._timeout
        try:
            yield
        except psycopg.Error as error:
            is_lost = error_kind(error) is ErrorKind.LOST
            if is_lost or self._raw is None or self._raw.closed:
                self.close()
            raise
        finally:
            with self._lock:
                self._deadline = None

    def _on_notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._had_warning = True


class ReadOnlyConnection:
    """A connection as the request types use it, which only reads."""

    def __init__(self, connection: PipelineConnection) -> None:
        self._connection = connection

    def one(self, statement: Statement, **values: str) -> Row | None:
        """Fetch the first row, or None."""
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    def all(self, statement: Statement, **values: str) -> list[Row]:
        """Fetch every row."""
        return self._connection.command(sql_text(statement), values)

    def run(self, statement: Statement, **values: str) -> None:
        """Raise an error: this connection only reads."""
        raise AssertionError("a reading connection changes nothing")


def _send(connection: PGconn) -> None:
    """Send the whole pipeline, and receive meanwhile.

    In pipeline mode psycopg waits for a response before it has sent several megabytes, while the
    server waits for the rest of the commands: a deadlock.
    """
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN | select.POLLOUT)
    while connection.flush():
        ((_, events),) = poll.poll()
        if events & select.POLLIN:
            # a server whose responses are not received stops receiving too
            connection.consume_input()
