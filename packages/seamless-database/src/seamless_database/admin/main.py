"""The command line of the administration: the sub-commands, one line for an error, exit codes.

It ends with 0 when all is well, with 1 when it could not do what was asked, with 2 when the
command line makes no sense, and with 3 when `check` has found problems that are still there.
"""

from __future__ import annotations

import io
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from seamless_database import __version__
from seamless_database.admin.check import check
from seamless_database.admin.copy import copy
from seamless_database.admin.export import export
from seamless_database.admin.merge import merge
from seamless_database.admin.migrate import migrate
from seamless_database.admin.prune import prune
from seamless_database.admin.stats import stats
from seamless_database.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "seamless-database-admin"
#: that of a URL in a message about the command line
_PASSWORD = re.compile(r"(?<=:)[^\s/:]+(?=@)")


@click.group(name=NAME, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
def command() -> None:
    """Look after the databases of seamless-database: files, and URLs of PostgreSQL."""


for _one in (check, copy, export, merge, migrate, prune, stats):
    command.add_command(_one)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a file name that the terminal's encoding lacks is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        status = command.main(argv, prog_name=NAME, standalone_mode=False)
    except click.UsageError as error:
        click.UsageError(_PASSWORD.sub("***", error.format_message()), error.ctx).show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted; what was not finished has been undone")
    except BrokenPipeError:
        # whoever read our output has had enough; the rest has nowhere to go
        with suppress(OSError):
            sys.stdout.close()
        return 1
    except (DatabaseError, OSError) as error:
        return _complain(str(error))
    return status if isinstance(status, int) else 0


def _complain(text: str) -> int:
    with suppress(OSError):
        # whatever is in a file name, it stays one line
        sys.stderr.write("Error: " + " ".join(text.split()) + "\n")
    return 1
