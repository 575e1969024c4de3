"""`seamless-checksum`: prints the checksum of a file, of several files, or of standard input."""

from __future__ import annotations

from seamless.cli.command import parse_paths, run, write_line
from seamless.cli.progress import file_progress
from seamless.cli.tree import plain_checksum

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Print the Seamless checksum of a file: the SHA-256 of its content, in hexadecimal.

A file named *.gz or *.zst is decompressed first, so a file has the same checksum
compressed and uncompressed. The file - is standard input, which is not decompressed.

For several files, each line is a checksum, two spaces and the name, as sha256sum
prints them. A file that can't be read is reported on stderr; the others are printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    paths, memory = parse_paths(
        argv,
        prog="seamless-checksum",
        description=_DESCRIPTION,
        name="file",
        meaning="the file to take the checksum of, - for standard input",
    )
    if isinstance(paths, list):
        return run(lambda: print_each(paths, memory))
    return run(lambda: print_one(paths, memory))


def print_one(path: str, memory: int) -> None:
    """Print the checksum of a file, without its name."""
    if path == "-":
        from seamless.cli.several import stdin_checksum

        write_line(stdin_checksum())
        return
    with file_progress(path) as advance:
        checksum = plain_checksum(path, advance, memory=memory)
    write_line(checksum)


def print_each(paths: Sequence[str], memory: int) -> int:
    """Print checksum and name of each file that can be read; return the exit status."""
    from seamless.cli.several import Failures, digests_of

    failures = Failures()
    digests = digests_of(paths, memory, failures)
    if digests:
        write_line("\n".join(_line(digests[path], path) for path in paths if path in digests))
    failures.write()
    return int(len(failures) > 0)


def _line(checksum: str, name: str) -> str:
    """Return a line in the format of `sha256sum --check`: a name with line breaks is escaped."""
    escaped = name.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    return f"{'' if escaped == name else chr(92)}{checksum}  {escaped}"
