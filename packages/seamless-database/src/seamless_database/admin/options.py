"""Arguments and options that several sub-commands share."""

from __future__ import annotations

import re
from pathlib import Path

import click


class _ChecksumType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A SHA-256 checksum, given back in lower case."""

    name = "checksum"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch("[0-9a-fA-F]{64}", value):
            self.fail(f"{value!r} is no checksum (64 hexadecimal digits)", param, ctx)
        return value.lower()


#: a database file; what is wrong with one is told when it is opened
FILE = click.Path(path_type=Path)
CHECKSUM = _ChecksumType()

database_file = click.argument("file", type=FILE)
target_file = click.argument("target", type=FILE)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of tables."
)
dry_run = click.option("--dry-run", is_flag=True, help="Tell what would be done; change no file.")
