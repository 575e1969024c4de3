"""What the commands share: parsing of arguments, exit statuses, error messages."""

from __future__ import annotations

import os
import sys

from seamless import __version__
from seamless.compression_utils import MEMORY
from seamless.errors import SeamlessError

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells count
OUTPUT_CLOSED = 141  # 128 + SIGPIPE

_MEMORY = "for decompressing one .zst file, at most; e.g. 128MiB (default: 2GiB, any file)"
EPILOG = "Exit status: 0 success, 1 failure (see stderr), 2 wrong usage, 130 interrupted."


class CommandError(SeamlessError):
    """The command fails; the text is the error message for the user."""


def lone_path(argv: Sequence[str] | None) -> str | None:
    """Return the argument of a command that has only one argument and no option; else None.

    Most calls have one argument. Without argparse they start in 25 ms instead of 34 ms, of which
    Python itself takes 13 ms.
    """
    words = sys.argv[1:] if argv is None else argv
    return words[0] if len(words) == 1 and not words[0].startswith("-") else None


def make_parser(*, name: str, meaning: str, description: str, prog: str) -> argparse.ArgumentParser:
    """Return the parser of a command that takes one path, or several after `--each`."""
    parser = bare_parser(prog, description)
    parser.add_argument(name, nargs="?", help=meaning)
    parser.add_argument("--each", nargs="+", metavar=name.upper(), help="several of them")
    parser.add_argument("--memory", metavar="SIZE", type=_size, default=MEMORY, help=_MEMORY)
    add_version(parser)
    return parser


def bare_parser(prog: str, description: str) -> argparse.ArgumentParser:
    """Return a parser without arguments."""
    import argparse

    return argparse.ArgumentParser(
        prog=prog, description=description, epilog=EPILOG, formatter_class=help_formatter()
    )


def help_formatter() -> type[argparse.HelpFormatter]:
    """Return the class that formats help texts."""
    import argparse

    class Formatter(argparse.RawDescriptionHelpFormatter):
        def __init__(self, prog: str) -> None:
            # without a width argparse imports shutil to determine that of the terminal
            super().__init__(prog, width=80)

    return Formatter


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add the option that prints the version."""
    parser.add_argument("--version", action="version", version=f"seamless-core {__version__}")


def _size(text: str) -> int:
    """Read the value of an option that is a number of bytes."""
    from argparse import ArgumentTypeError

    from seamless.util.number_arguments import parse_byte_size

    try:
        return parse_byte_size(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def parse_paths(
    argv: Sequence[str] | None, *, name: str, meaning: str, description: str, prog: str
) -> tuple[str | list[str], int]:
    """Parse the command line of a command; return one path or a list of paths, and the memory."""
    path = lone_path(argv)
    if path is not None:
        return path, MEMORY
    parser = make_parser(name=name, meaning=meaning, description=description, prog=prog)
    options = parser.parse_args(argv)
    return given_paths(parser, getattr(options, name), options.each), options.memory


def given_paths(
    parser: argparse.ArgumentParser, path: str | None, each: list[str] | None
) -> str | list[str]:
    """Return the path, or the paths after `--each`; exit with status 2 if both or none is given."""
    if (path is None) == (each is None):
        parser.error("give one path, or several after --each")
    return path if each is None else each  # type: ignore[return-value]


def run(body: Callable[[], int | None]) -> int:
    """Run the body of a command; return its exit status, or that of its exception."""
    try:
        return body() or 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return OUTPUT_CLOSED
    except (OSError, SeamlessError) as error:
        write_error(describe(error))
        return FAILED
    except MemoryError:
        write_error("there is not enough memory")
        return FAILED


def write_line(line: str) -> None:
    """Write a line to standard output and flush it, so that a full disk raises an error here."""
    if sys.stdout is None:
        raise CommandError("standard output is closed")
    try:
        # the name of a file may be bytes that the encoding of the terminal can't represent
        sys.stdout.buffer.write(os.fsencode(f"{line}\n"))
        sys.stdout.buffer.flush()
    except OSError:
        # the interpreter must not try to flush the rest of the buffer again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def write_error(text: str) -> None:
    """Write an error message to standard error, on one line."""
    if sys.stderr is not None:
        sys.stderr.write(f"Error: {' '.join(text.splitlines())}\n")


def describe(error: Exception) -> str:
    """Return the message of an error; the file name is quoted, as it may contain line breaks."""
    if isinstance(error, OSError) and error.strerror is not None:
        name = error.filename
        return error.strerror if name is None else f"{os.fsdecode(name)!r}: {error.strerror}"
    return str(error)
