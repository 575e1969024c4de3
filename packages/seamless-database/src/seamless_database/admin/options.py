"""Arguments and options that several sub-commands share."""

from __future__ import annotations

from pathlib import Path

import click

#: a database file; what is wrong with one is told when it is opened
FILE = click.Path(path_type=Path)

database_file = click.argument("file", type=FILE)
target_file = click.argument("target", type=FILE)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of tables."
)
dry_run = click.option("--dry-run", is_flag=True, help="Tell what would be done; change no file.")
