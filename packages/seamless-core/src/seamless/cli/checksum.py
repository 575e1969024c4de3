"""`seamless-checksum`: print the checksum of a file."""

from __future__ import annotations

from seamless.cli.command import parse_path, run, write_line
from seamless.cli.files import plain_checksum
from seamless.cli.progress import file_progress

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Print the Seamless checksum of a file: the SHA-256 of its content, in hexadecimal.

The content of a file named *.gz or *.zst is what it decompresses to, so a file
has the same checksum compressed and plain."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    path, memory = parse_path(
        argv,
        prog="seamless-checksum",
        description=_DESCRIPTION,
        name="file",
        meaning="the file to take the checksum of",
    )

    def body() -> None:
        with file_progress(path) as advance:
            checksum = plain_checksum(path, advance, memory=memory)
        write_line(checksum)

    return run(body)
