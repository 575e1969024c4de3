"""The command line `seamless-database-admin`: sub-commands, signals, error messages, exit codes.

Exit codes: 0 for success, 1 for an error, 2 for an invalid command line, 3 if `check` leaves
problems or `export --salvage` could not read everything. The sub-commands are imported after the
signal handlers are installed, so a signal ends the command cleanly at any time.
"""

from __future__ import annotations

import io
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from seamless_database import __version__
from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

NAME = "seamless-database-admin"
_INTERRUPTED = "interrupted; what was not finished has been undone"
#: the password of a URL in a message
_PASSWORD = re.compile(r"(?<=:)[^\s/:]+(?=@)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. TERM and HUP interrupt it as INT does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a file name can have characters that the encoding of the terminal lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        INTERRUPTION.install_handlers()
        return _run_sub_command(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        return _print_error(_INTERRUPTED)
    except BrokenPipeError:
        # the reader of our output has closed it
        with suppress(OSError):
            sys.stdout.close()
        return 1
    except (DatabaseError, OSError) as error:
        # a statement that was cancelled raises an error of the database
        return _print_error(_INTERRUPTED if INTERRUPTION.requested else str(error))


def _run_sub_command(words: list[str]) -> int:
    import click

    group = command_group()
    try:
        # not click's own `main`, which prints two lines for an interruption
        with group.make_context(NAME, words) as context:
            status = group.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        click.UsageError(_PASSWORD.sub("***", error.format_message()), error.ctx).show()
        return error.exit_code
    return status if isinstance(status, int) else 0


def command_group() -> click.Group:
    """Build the command line from all sub-commands."""
    import click

    from seamless_database.admin.commands.check import check
    from seamless_database.admin.commands.copy import copy
    from seamless_database.admin.commands.export import export
    from seamless_database.admin.commands.live import live
    from seamless_database.admin.commands.merge import merge
    from seamless_database.admin.commands.migrate import migrate
    from seamless_database.admin.commands.prune import prune
    from seamless_database.admin.commands.stats import stats

    group = click.Group(
        NAME,
        commands=[check, copy, export, live, merge, migrate, prune, stats],
        help="Administer databases of seamless-database: SQLite files and PostgreSQL URLs.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    return click.version_option(__version__, prog_name=NAME)(group)


def _print_error(text: str) -> int:
    """Print an error on stderr; returns the exit code."""
    with suppress(OSError):
        # one line, whatever characters a file name has
        sys.stderr.write("Error: " + " ".join(text.split()) + "\n")
    return 1
