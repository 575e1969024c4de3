"""`seamless-checksum-file`: writes the checksum of a file into a sidecar beside it."""

from __future__ import annotations

from seamless.cli.command import CommandError, parse_paths, run
from seamless.cli.progress import file_progress
from seamless.cli.tree import checksum_sidecar, plain_checksum, write_sidecars

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Write the Seamless checksum of a file into a file beside it, with suffix .CHECKSUM.

The checksum is the SHA-256 of the content, in hexadecimal, and a line break.
A file named *.gz or *.zst is decompressed first. The sidecar has the name of the
file without a compression suffix and without .INDEX: data.txt.gz and data.txt share
data.txt.CHECKSUM. An existing sidecar is replaced.

Of several files, one that can't be read is reported on stderr; the sidecars of the
others are written."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    paths, memory = parse_paths(
        argv,
        prog="seamless-checksum-file",
        description=_DESCRIPTION,
        name="file",
        meaning="the file to take the checksum of",
    )
    if isinstance(paths, list):
        return run(lambda: write_each(paths, memory))
    return run(lambda: write_one(paths, memory))


def write_one(path: str, memory: int) -> None:
    """Write the sidecar of a file."""
    with file_progress(path) as advance:
        checksum = plain_checksum(path, advance, memory=memory)
    _write(path, checksum)


def write_each(paths: Sequence[str], memory: int) -> int:
    """Write the sidecar of each file that can be read; return the exit status.

    Raises
    ------
    CommandError
        For two files with the same sidecar; then no sidecar is written.
    """
    from seamless.cli.several import Failures, digests_of, for_each

    _refuse_shared_sidecars(paths)
    failures = Failures()
    # here "-" is the name of a file, not standard input
    digests = digests_of([_as_file(path) for path in paths], memory, failures)
    failures.write()
    return for_each(list(digests), lambda path: _write(path, digests[path])) or int(
        len(failures) > 0
    )


def _refuse_shared_sidecars(paths: Sequence[str]) -> None:
    sources: dict[str, str] = {}
    for path in paths:
        sidecar = checksum_sidecar(path)
        if sources.setdefault(sidecar, path) != path:
            raise CommandError(
                f"{sources[sidecar]!r} and {path!r} would both write {sidecar!r}: leave one out"
            )


def _as_file(path: str) -> str:
    return "./-" if path == "-" else path


def _write(path: str, checksum: str) -> None:
    write_sidecars((checksum_sidecar(path), f"{checksum}\n".encode()))
