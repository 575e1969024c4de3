"""`live FILE`: list every checksum that a database still needs, for `seamless-buffers gc`.

The first and the last line of the list are comments: when the reading began, and how many
checksums there are. A list without its last line is incomplete.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seamless_database.admin import options
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.buffers import Buffers
from seamless_database.admin.console import ProgressBars, progress_bars
from seamless_database.admin.live_checksums import live_checksums
from seamless_database.admin.timestamps import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@options.database
@click.option(
    "--buffers",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Add the inputs of transformations, whose buffers are read here.",
)
@options.as_json
def live(file: DatabaseTarget, *, buffers: Path | None, as_json: bool) -> None:
    """List every checksum that FILE still needs, in order."""
    with progress_bars() as progress:
        for text in run_live(file, buffers, progress, as_json=as_json):
            sys.stdout.write(text)
        sys.stdout.flush()


def run_live(
    database: DatabaseTarget, buffers: Path | None, progress: ProgressBars, *, as_json: bool
) -> Iterator[str]:
    """Yield the list as lines of text or as parts of a JSON object, from one snapshot."""
    begin = format_time(datetime.now(timezone.utc))
    read_buffer = None if buffers is None else Buffers(buffers).read
    with live_checksums(database, read_buffer, progress) as checksums:
        count, missing = len(checksums), checksums.without_buffer
        if as_json:
            head = {
                "file": display_name(database),
                "begin": begin,
                "transformations_without_buffer": missing,
                "count": count,
            }
            yield f'{json.dumps(head)[:-1]}, "checksums": ['
            separator = ""
            for checksum in checksums:
                yield f'{separator}"{checksum}"'
                separator = ", "
            yield "]}\n"
            return
        yield f"# begin: {begin}\n"
        if missing:
            yield f"# transformations without a buffer, whose inputs are not listed: {missing}\n"
        for checksum in checksums:
            yield f"{checksum}\n"
        yield f"# end: {count} checksums\n"
