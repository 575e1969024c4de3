"""The command `seamless-database`: arguments, what is printed, exit codes.

It ends with 0 after it has served, with 1 when it could not start, with 2 when the command line
makes no sense, whatever the state of the machine. A failed start is one line on stderr, after a
usage line if the exit code is 2, and a `"failed"` in the status file if one was asked for. A
command line that cannot be parsed leaves the status file as it is.
"""

from __future__ import annotations

import argparse
import gc
import io
import math
import re
import sys
import traceback
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamless_database import __version__
from seamless_database.errors import OptionError, StartError, StatusFileError
from seamless_database.http.line_writer import (
    LineStream,
    LineWriter,
    descriptor_of,
    write_line,
)
from seamless_database.server import signals, status_file
from seamless_database.server.signals import Stopped, StopRequest

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from seamless_database.http.access_log import AccessLog
    from seamless_database.server.server import Settings
    from seamless_database.storage.backend import Backend

_PROGRAM = "seamless-database"
#: where --port-range begins and ends by default: the dynamic ports
DEFAULT_RANGE = (49152, 65535)
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

#: seconds that a start which was stopped waits for the status file, which may be being written
STOPPED_WAIT = 0.5


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    top = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Serve a computation cache: a SQLite file, or a PostgreSQL database, that maps "
        "checksums of transformations to those of their results, and to how they were executed.",
        epilog="Without --token-file, anybody who reaches the port can read, and with --writable "
        "also write; use --host 127.0.0.1 to stay on this machine.",
    )
    top.add_argument(
        "database_file",
        help="the SQLite file; with --writable it may not exist yet. Or a PostgreSQL database: "
        "postgresql+psycopg://USER@HOST/DB; PGPASSWORD keeps its password out of the process list",
    )
    ports = top.add_mutually_exclusive_group()
    ports.add_argument("--port", type=int, help="listen on this port; 0 picks a free one")
    ports.add_argument(
        "--port-range",
        type=int,
        nargs=2,
        metavar=("START", "END"),
        help=f"listen on a random free port of this range (default: {DEFAULT_RANGE[0]} "
        f"{DEFAULT_RANGE[1]})",
    )
    top.add_argument(
        "--host",
        default="0.0.0.0",  # noqa: S104  # specified; the epilog says what it means
        help="listen on this address (default: %(default)s, all)",
    )
    top.add_argument("--writable", action="store_true", help="take PUT requests")
    top.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="NUMBER",
        help="serve with so many processes, about one for each core (default: %(default)s)",
    )
    top.add_argument(
        "--status-file",
        metavar="FILE",
        type=Path,
        help='report the port and "running", or "failed", in this JSON file of a launcher',
    )
    top.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="stop after so long without a request (default: never)",
    )
    top.add_argument(
        "--max-body",
        default="8MiB",
        metavar="SIZE",
        help="take request bodies of at most this size (default: %(default)s)",
    )
    top.add_argument(
        "--max-connections",
        default=10_000,
        type=int,
        metavar="NUMBER",
        help="have at most so many connections at a time (default: %(default)s)",
    )
    top.add_argument(
        "--receive-timeout",
        default=60.0,
        type=float,
        metavar="SECONDS",
        help="give a client so long to send a request or to take an answer, large ones more "
        "(default: %(default)g)",
    )
    top.add_argument(
        "--durability",
        default="full",
        choices=("full", "relaxed"),
        help="what an acknowledged write survives: power cuts too (full), or with faster writes "
        "only the end of the server, however sudden (relaxed) (default: %(default)s)",
    )
    top.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="let only those in who show a token of this file; its lines are `read TOKEN` or "
        "`write TOKEN` (default: anybody)",
    )
    top.add_argument(
        "--tls-cert", metavar="FILE", type=Path, help="serve https, with this certificate (PEM)"
    )
    top.add_argument("--tls-key", metavar="FILE", type=Path, help="the key of the certificate")
    top.add_argument(
        "--log-level",
        default="error",
        choices=("error", "info"),
        help="write to stderr what goes wrong in the server, or a line of JSON about each request "
        "as well (default: %(default)s)",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return top


def main(argv: Sequence[str] | None = None, *, status_wait: float = status_file.WAIT) -> int:
    """Run the command; returns its exit code."""
    stop = StopRequest()
    run: _CommandRun | None = None
    try:
        # before the heavy imports, during which a signal would end the process without a word
        stop.install()
        run = _CommandRun(parser().parse_args(argv), status_wait, stop)
        return run.serve()
    except Stopped:
        signals.ignore()
        run = run or _CommandRun(parser().parse_args(argv), status_wait, stop)
        _print_error("stopped by a signal before the server was ready")
        run.report_failure(wait=STOPPED_WAIT)
        return 1
    except OptionError as error:
        write_line(sys.stderr, f"{parser().format_usage()}{_PROGRAM}: error: {_one_line(error)}")
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
        self._raise_stopped = stop
        self._ready = False

    def serve(self) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # a file name that the terminal's encoding lacks is no reason to fail
                stream.reconfigure(errors="backslashreplace")
        _check_options(self._arguments)
        # the heavy imports come late, so that --help and mistakes are answered at once
        with _gc_disabled():
            from seamless_database.cli.database_summary import contents
            from seamless_database.server.run import ServerRun
            from seamless_database.server.server import serve
            from seamless_database.server.sockets import bind_listeners
            from seamless_database.storage.backend import Durability
            from seamless_database.storage.open import open_database, redacted
            from seamless_database.storage.postgresql.url import is_url

        arguments = self._arguments
        target = arguments.database_file
        _print(f"{'Database' if is_url(target) else 'Database file'}: {redacted(target)}")
        with ExitStack() as stack:
            settings, workers = _settings(arguments), arguments.workers
            opening = partial(
                open_database,
                target,
                writable=arguments.writable,
                durability=Durability(arguments.durability),
            )
            log = partial(_log, arguments)
            # a supervisor must have no threads when it forks
            if workers == 1:
                settings = replace(settings, log=log(stack))
            database = stack.enter_context(opening())
            _print(contents(database))
            listeners = bind_listeners(arguments.host, *_ports(arguments))
            for listener in listeners:
                stack.enter_context(listener)
            base = {}
            if arguments.status_file is not None:
                base = status_file.read(arguments.status_file, self._status_wait)
            self._raise_stopped.check()
            # what is there now stays: a look for garbage in it would hold up everything for 0.1 s,
            # and spoil the pages that workers share
            gc.freeze()
            on_ready = partial(self._announce, database, listeners, settings, base)
            if workers == 1:
                serve(database, listeners, settings, on_ready)
                sound = True
            else:
                # no connection may be open where processes part
                database.close()
                serving = ServerRun(opening, listeners, settings, log, is_file=not is_url(target))
                sound = serving.run_workers(workers, on_ready, _print_error)
                if sound and not self._ready:
                    # the signal came to the supervisor while the workers were starting
                    raise Stopped
            # from here on nothing takes long, and what is left to do should be done
            signals.ignore()
        return 0 if sound else 1

    def _announce(
        self,
        database: Backend,
        listeners: Sequence[socket.socket],
        settings: Settings,
        base: dict[str, Any],
    ) -> None:
        """Say that we are there, and where."""
        from seamless_database.server.sockets import port_of, url_of

        self._raise_stopped.check()
        path = self._arguments.status_file
        if path is not None:
            status_file.write_running(path, base, port_of(listeners[0]))
        self._ready = True
        scheme = "http" if settings.tls is None else "https"
        what = "Reading and writing" if database.writable else "Read-only"
        _print(f"{what}, on {', '.join(url_of(listener, scheme) for listener in listeners)}")
        for remark in database.startup_notices:
            _print(remark)

    def report_failure(self, *, wait: float | None = None) -> None:
        """Tell the launcher that the server will not run, unless it was told that it runs."""
        path = self._arguments.status_file
        if path is None or self._ready:
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
    """Load modules without looking for garbage, of which they leave none.

    That is an eighth of the processor time of a start, 0.34 s instead of 0.39 s.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise an `OptionError` for values that no machine could serve with; open nothing."""
    from seamless_database.server import sockets, tls

    sockets.check_ports(*_ports(arguments))
    _size(arguments.max_body)
    for option in ("workers", "max_connections"):
        number = getattr(arguments, option)
        if number < 1:
            name = option.replace("_", "-")
            raise OptionError(f"--{name} must be a number above 0, not {number}")
    if not _is_duration(arguments.receive_timeout):
        seconds = arguments.receive_timeout
        raise OptionError(f"--receive-timeout must be a number of seconds above 0, not {seconds:g}")
    tls.check_pair(arguments.tls_cert, arguments.tls_key)


def _settings(arguments: argparse.Namespace) -> Settings:
    """Turn the options that say how to serve into settings, and read the files that they name."""
    from seamless_database.http import token_file
    from seamless_database.http.limits import Limits
    from seamless_database.server import tls
    from seamless_database.server.server import Settings

    return Settings(
        timeout=_timeout(arguments.timeout),
        max_body=_size(arguments.max_body),
        limits=Limits(connections=arguments.max_connections, patience=arguments.receive_timeout),
        tokens=token_file.read(arguments.token_file) if arguments.token_file else None,
        tls=tls.context(arguments.tls_cert, arguments.tls_key),
    )


def _log(arguments: argparse.Namespace, stack: ExitStack) -> AccessLog | None:
    """Have a thread write to stderr, also what is logged; gives the log of requests, if any."""
    from seamless_database.http.access_log import AccessLog

    descriptor = descriptor_of(sys.stderr)
    if descriptor is None:
        return None
    writer = stack.enter_context(LineWriter(descriptor))
    stack.enter_context(redirect_stderr(LineStream(writer)))
    return AccessLog(writer) if arguments.log_level == "info" else None


def _ports(arguments: argparse.Namespace) -> tuple[int, int]:
    if arguments.port is not None:
        return arguments.port, arguments.port
    first, last = arguments.port_range or DEFAULT_RANGE
    return first, last


def _timeout(seconds: float | None) -> float | None:
    if seconds is None or _is_duration(seconds):
        return seconds
    # published servers end with 1 here, and a launcher may know that
    raise StartError(f"--timeout must be a number of seconds above 0, not {seconds:g}")


def _is_duration(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})\s*([KMG]i?B)?", text)
    if match is None or not int(match[1]):
        raise OptionError(f"--max-body must be a size such as 8MiB, not {text!r}")
    return int(match[1]) * _UNITS[match[2] or ""]


def _print(line: str) -> None:
    write_line(sys.stdout, line)


def _print_error(error: object) -> None:
    write_line(sys.stderr, f"Error: {_one_line(error)}")


def _one_line(error: object) -> str:
    # a file name may hold anything
    return " ".join(str(error).split())
