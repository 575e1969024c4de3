"""`seamless-checksum`: print the checksum of a file, of several, or of standard input."""

from __future__ import annotations

from seamless.cli.command import parse_paths, run, write_line
from seamless.cli.progress import file_progress
from seamless.cli.tree import plain_checksum

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Print the Seamless checksum of a file: the SHA-256 of its content, in hexadecimal.

The content of a file named *.gz or *.zst is what it decompresses to, so a file
has the same checksum compressed and plain. The file - is standard input, as it comes.

Of several files, each line is a checksum, two spaces and the name, as sha256sum
prints them. What can't be read is told on stderr, and the rest is printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
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
    """Print the bare checksum of a file."""
    if path == "-":
        from seamless.cli.several import stdin_checksum

        write_line(stdin_checksum())
        return
    with file_progress(path) as advance:
        checksum = plain_checksum(path, advance, memory=memory)
    write_line(checksum)


def print_each(paths: Sequence[str], memory: int) -> int:
    """Print checksum and name of each file that can be read; returns the exit status."""
    from seamless.cli.several import Failures, digests_of

    failures = Failures()
    digests = digests_of(paths, memory, failures)
    if digests:
        write_line("\n".join(_line(digests[path], path) for path in paths if path in digests))
    failures.write()
    return int(len(failures) > 0)


def _line(checksum: str, name: str) -> str:
    """Write a line that `sha256sum --check` reads: a name of several lines is escaped."""
    escaped = name.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    return f"{'' if escaped == name else chr(92)}{checksum}  {escaped}"
