"""`seamless-checksum-file`: write the checksum of a file beside it."""

from __future__ import annotations

from seamless.cli.command import parse_path, run
from seamless.cli.files import checksum_sidecar, plain_checksum, write_sidecars
from seamless.cli.progress import file_progress

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Write the Seamless checksum of a file into a file beside it, with suffix .CHECKSUM.

The checksum is the SHA-256 of the content, in hexadecimal, and a line break.
The content of a file named *.gz or *.zst is what it decompresses to. The sidecar
has the name of the file without a compression suffix and without .INDEX:
data.txt.gz and data.txt share data.txt.CHECKSUM. An older one is replaced."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    path, memory = parse_path(
        argv,
        prog="seamless-checksum-file",
        description=_DESCRIPTION,
        name="file",
        meaning="the file to take the checksum of",
    )

    def body() -> None:
        with file_progress(path) as advance:
            checksum = plain_checksum(path, advance, memory=memory)
        write_sidecars((checksum_sidecar(path), f"{checksum}\n".encode()))

    return run(body)
