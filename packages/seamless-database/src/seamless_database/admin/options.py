"""Arguments and options that several sub-commands have, and their types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from seamless_database.admin.access.target import parse_target
from seamless_database.errors import OptionError

if TYPE_CHECKING:
    from seamless_database.admin.access.target import DatabaseTarget


class _ChecksumType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A SHA-256 checksum, converted to lower case."""

    name = "checksum"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch("[0-9a-fA-F]{64}", value):
            self.fail(f"{value!r} is not a checksum (64 hexadecimal digits)", param, ctx)
        return value.lower()


class _DatabaseType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """The path of a file, or the URL of a PostgreSQL database."""

    name = "database"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> DatabaseTarget:
        try:
            return parse_target(str(value))
        except OptionError as error:
            self.fail(str(error), param, ctx)


#: a database; whether it can be used is checked when it is opened
DATABASE = _DatabaseType()
CHECKSUM = _ChecksumType()

database = click.argument("file", type=DATABASE)
source = click.argument("source", type=DATABASE)
target = click.argument("target", type=DATABASE)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of tables."
)
dry_run = click.option(
    "--dry-run", is_flag=True, help="Report what would be done; change no database."
)
