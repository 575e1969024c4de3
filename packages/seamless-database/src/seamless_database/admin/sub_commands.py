"""The sub-commands of the administration, in one command line."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from seamless_database import __version__
from seamless_database.admin.commands.check import check
from seamless_database.admin.commands.copy import copy
from seamless_database.admin.commands.export import export
from seamless_database.admin.commands.merge import merge
from seamless_database.admin.commands.migrate import migrate
from seamless_database.admin.commands.prune import prune
from seamless_database.admin.commands.stats import stats

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


def run(argv: Sequence[str] | None) -> int:
    """Run a sub-command; returns its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        # not by click's own `main`, which makes two lines of an interruption
        with command.make_context(NAME, words) as context:
            status = command.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        click.UsageError(_PASSWORD.sub("***", error.format_message()), error.ctx).show()
        return error.exit_code
    return status if isinstance(status, int) else 0
