"""The command `seamless-database`: run the server, print where it listens, choose the exit code.

The exit code is 0 after the server has served, 1 when it could not start, and 2 when the command
line is wrong on any machine. A failed start is one line on stderr, after a usage line if the exit
code is 2, and a `"failed"` in the status file if there is one. A command line that cannot be
parsed leaves the status file as it is.
"""

from __future__ import annotations

import gc
import io
import sys
import traceback
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from seamless_database.cli import arguments as options
from seamless_database.errors import (
    OptionError,
    StartError,
    StatusFileError,
    UnavailableError,
)
from seamless_database.http.line_writer import (
    LineStream,
    LineWriter,
    descriptor_of,
    write_line,
)
from seamless_database.server import signals, status_file
from seamless_database.server.signals import Stopped, StopRequest

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Iterator, Sequence

    from seamless_database.http.request_log import AccessLog
    from seamless_database.server.server import Settings
    from seamless_database.storage.backend import Backend
    from seamless_database.storage.sqlite.fair_lock import FairWriterLock

#: seconds that an interrupted start waits for a status file that is still being written
STOPPED_WAIT = 0.5


def main(argv: Sequence[str] | None = None, *, status_wait: float = status_file.WAIT) -> int:
    """Run the command; returns its exit code."""
    stop = StopRequest()
    run: _CommandRun | None = None
    parser = options.parser()
    try:
        # before the heavy imports, during which a signal would end the process without a message
        stop.install()
        run = _CommandRun(parser.parse_args(argv), status_wait, stop)
        return run.serve()
    except Stopped:
        signals.ignore()
        run = run or _CommandRun(parser.parse_args(argv), status_wait, stop)
        _print_error("stopped by a signal before the server was ready")
        run.report_failure(wait=STOPPED_WAIT)
        return 1
    except OptionError as error:
        usage = parser.format_usage()
        write_line(sys.stderr, f"{usage}{options.PROGRAM}: error: {_one_line(error)}")
        if run is not None:
            run.report_failure()
        return 2
    except StartError as error:
        _print_error(error)
        if run is not None and not isinstance(error, StatusFileError):
            run.report_failure()
        return 1
    except BaseException as error:
        if run is not None:
            run.report_failure()
        if not isinstance(error, Exception):
            raise
        # as Python would, but without blocking
        write_line(sys.stderr, traceback.format_exc())
        return 1


class _CommandRun:
    """One run of the server, from the arguments to the end."""

    def __init__(
        self, arguments: argparse.Namespace, status_wait: float, stop: StopRequest
    ) -> None:
        self._arguments = arguments
        self._status_wait = status_wait
        self._stop = stop
        self._is_ready = False

    def serve(self) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # a file name may hold characters that the encoding of the terminal lacks
                stream.reconfigure(errors="backslashreplace")
        options.check(self._arguments)
        # imported late, so that --help and wrong options are answered at once
        with _gc_disabled():
            from seamless_database.server.server import serve
            from seamless_database.server.sockets import bind_listeners
            from seamless_database.storage.backend import Durability
            from seamless_database.storage.open import open_database, redacted
            from seamless_database.storage.postgresql.url import is_url

        arguments = self._arguments
        target = arguments.database_file
        _print(f"{'Database' if is_url(target) else 'Database file'}: {redacted(target)}")
        with ExitStack() as stack:
            settings, workers = options.settings(arguments), arguments.workers

            def opening(writer_lock: FairWriterLock | None = None) -> Backend:
                return open_database(
                    target,
                    writable=arguments.writable,
                    durability=Durability(arguments.durability),
                    writer_lock=writer_lock,
                )

            log = partial(_open_log, arguments)
            # a supervisor must have no threads when it forks
            if workers == 1:
                settings = replace(settings, log=log(stack))
            database = stack.enter_context(opening())
            _print(_contents(database))
            listeners = bind_listeners(arguments.host, *options.ports(arguments))
            for listener in listeners:
                stack.enter_context(listener)
            base = {}
            if arguments.status_file is not None:
                base = status_file.read(arguments.status_file, self._status_wait)
            self._stop.defer()
            # the imported modules stay: collecting garbage among them would stop everything for
            # 0.1 s, and would copy the memory pages that workers share
            gc.freeze()
            on_ready = partial(self._announce, database, listeners, settings, base)
            if workers == 1:
                serve(database, listeners, settings, on_ready)
                succeeded = True
            else:
                from seamless_database.server.run import ServerRun

                # no connection may be open when processes fork
                database.close()
                run = ServerRun(opening, listeners, settings, log, is_file=not is_url(target))
                succeeded = run.run_workers(workers, on_ready, _print_error)
                if succeeded and not self._is_ready:
                    # the signal arrived at the supervisor while the workers were starting
                    raise Stopped
            # the clean-up that follows is short, and should not be interrupted
            signals.ignore()
        return 0 if succeeded else 1

    def _announce(
        self,
        database: Backend,
        listeners: Sequence[socket.socket],
        settings: Settings,
        base: dict[str, Any],
    ) -> None:
        """Report that the server is ready, and its address."""
        from seamless_database.server.sockets import port_of, url_of

        self._stop.check()
        path = self._arguments.status_file
        if path is not None:
            status_file.write_running(path, base, port_of(listeners[0]))
        self._is_ready = True
        scheme = "http" if settings.tls is None else "https"
        mode = "Reading and writing" if database.writable else "Read-only"
        _print(f"{mode}, on {', '.join(url_of(listener, scheme) for listener in listeners)}")
        for notice in database.startup_notices:
            _print(notice)

    def report_failure(self, *, wait: float | None = None) -> None:
        """Write to the status file that the server will not run, unless it has run."""
        path = self._arguments.status_file
        if path is None or self._is_ready:
            return
        try:
            base = status_file.read(path, self._status_wait if wait is None else wait)
            status_file.write_failed(path, base)
        except StatusFileError as error:
            if wait is None:
                _print_error(error)
        except Stopped:
            return


@contextmanager
def _gc_disabled() -> Iterator[None]:
    """Import modules without garbage collection, which would take an eighth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _contents(database: Backend) -> str:
    """Describe an open database, so that a mistyped name shows: whether it is new, or its rows."""
    from seamless_database.storage.row_estimates import MAX_COUNTED_ROWS, estimate_rows
    from seamless_database.storage.sqlite.database import Database

    if database.is_new:
        if isinstance(database, Database):
            return "(new file)"
        return "(new tables)" if database.writable else "(no tables yet)"
    try:
        rows = estimate_rows(database).values()
    except UnavailableError as error:
        return f"(rows not counted: {error})"
    total = sum(rows)
    about = "about " if any(count > MAX_COUNTED_ROWS for count in rows) else ""
    return f"({about}{total:,} row{'' if total == 1 else 's'})"


def _open_log(arguments: argparse.Namespace, stack: ExitStack) -> AccessLog | None:
    """Write to stderr from a thread, and return the access log if there is to be one."""
    from seamless_database.http.request_log import AccessLog

    descriptor = descriptor_of(sys.stderr)
    if descriptor is None:
        return None
    writer = stack.enter_context(LineWriter(descriptor))
    stack.enter_context(redirect_stderr(LineStream(writer)))
    return AccessLog(writer) if arguments.log_level == "info" else None


def _print(line: str) -> None:
    write_line(sys.stdout, line)


def _print_error(error: object) -> None:
    write_line(sys.stderr, f"Error: {_one_line(error)}")


def _one_line(error: object) -> str:
    # a file name may contain line breaks
    return " ".join(str(error).split())
