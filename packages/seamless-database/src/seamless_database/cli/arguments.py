"""The arguments of `seamless-database`: the parser, the checks of values, and the settings."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_database import __version__
from seamless_database.errors import OptionError, StartError

if TYPE_CHECKING:
    from seamless_database.server.server import Settings

PROGRAM = "seamless-database"
#: the default of --port-range: the dynamic ports
DEFAULT_RANGE = (49152, 65535)
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Serve a computation cache: a SQLite file, or a PostgreSQL database, that maps "
        "checksums of transformations to those of their results, and to how they were executed.",
        epilog="Without --token-file, any client that reaches the port can read, and with "
        "--writable also write; use --host 127.0.0.1 to stay on this machine.",
    )
    top.add_argument(
        "database_file",
        help="the SQLite file; with --writable it may not exist yet. Or a PostgreSQL database: "
        "postgresql+psycopg://USER@HOST/DB; PGPASSWORD keeps its password out of the process list",
    )
    top.add_argument("--writable", action="store_true", help="accept PUT requests")
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add_addresses(top)
    _add_processes(top)
    _add_limits(top)
    _add_security(top)
    return top


def _add_addresses(top: argparse.ArgumentParser) -> None:
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
    top.add_argument(
        "--status-file",
        metavar="FILE",
        type=Path,
        help='report the port and "running", or "failed", in this JSON file of a launcher',
    )


def _add_processes(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="NUMBER",
        help="serve with this many processes, about one for each core (default: %(default)s)",
    )
    top.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="stop after this many seconds without a request (default: never)",
    )
    top.add_argument(
        "--durability",
        default="full",
        choices=("full", "relaxed"),
        help="what an acknowledged write survives: power cuts too (full), or with faster writes "
        "only the end of the server, however sudden (relaxed) (default: %(default)s)",
    )
    top.add_argument(
        "--log-level",
        default="error",
        choices=("error", "info"),
        help="write errors of the server to stderr, or a line of JSON about each request as well "
        "(default: %(default)s)",
    )


def _add_limits(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "--max-body",
        default="8MiB",
        metavar="SIZE",
        help="accept request bodies of at most this size (default: %(default)s)",
    )
    top.add_argument(
        "--max-connections",
        default=10_000,
        type=int,
        metavar="NUMBER",
        help="have at most this many connections at a time (default: %(default)s)",
    )
    top.add_argument(
        "--receive-timeout",
        default=60.0,
        type=float,
        metavar="SECONDS",
        help="disconnect a client that takes longer to send a request, or reads nothing of a "
        "response for as long; large ones get more time (default: %(default)g)",
    )


def _add_security(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="accept only requests with a token of this file; its lines are `read TOKEN` or "
        "`write TOKEN` (default: any request)",
    )
    top.add_argument(
        "--tls-cert", metavar="FILE", type=Path, help="serve https, with this certificate (PEM)"
    )
    top.add_argument("--tls-key", metavar="FILE", type=Path, help="the key of the certificate")


def check(arguments: argparse.Namespace) -> None:
    """Raise an `OptionError` for values that are wrong on any machine; opens nothing."""
    from seamless_database.server import sockets, tls

    sockets.check_ports(*ports(arguments))
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


def settings(arguments: argparse.Namespace) -> Settings:
    """Convert the arguments to settings, and read the files that they name."""
    from seamless_database.http.auth import Tokens
    from seamless_database.http.limits import Limits
    from seamless_database.server import tls
    from seamless_database.server.server import Settings

    return Settings(
        timeout=_timeout(arguments.timeout),
        max_body=_size(arguments.max_body),
        limits=Limits(
            connections=arguments.max_connections, request_timeout=arguments.receive_timeout
        ),
        tokens=Tokens.read(arguments.token_file) if arguments.token_file else None,
        tls=tls.create_context(arguments.tls_cert, arguments.tls_key),
    )


def ports(arguments: argparse.Namespace) -> tuple[int, int]:
    """Return the first and the last port that may be used."""
    if arguments.port is not None:
        return arguments.port, arguments.port
    first, last = arguments.port_range or DEFAULT_RANGE
    return first, last


def _timeout(seconds: float | None) -> float | None:
    if seconds is None or _is_duration(seconds):
        return seconds
    # the upstream server ends with exit code 1 here, and a launcher may rely on that
    raise StartError(f"--timeout must be a number of seconds above 0, not {seconds:g}")


def _is_duration(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})\s*([KMG]i?B)?", text)
    if match is None or not int(match[1]):
        raise OptionError(f"--max-body must be a size such as 8MiB, not {text!r}")
    return int(match[1]) * _UNITS[match[2] or ""]
