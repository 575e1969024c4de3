"""What the three commands have in common: arguments, exit statuses, the one line of an error."""

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
_EPILOG = "Exit status: 0 success, 1 failure (told on stderr), 2 wrong usage, 130 interrupted."


class CommandError(SeamlessError):
    """The command can't do what was asked for; the text is for its user."""


def lone_path(argv: Sequence[str] | None) -> str | None:
    """Return the argument of a command that has just one, and no option; None otherwise.

    Most calls are such; for them argparse, with what it imports, was a third of the start
    (34 ms with it and 25 ms without, where Python itself takes 13).
    """
    words = sys.argv[1:] if argv is None else argv
    return words[0] if len(words) == 1 and not words[0].startswith("-") else None


def make_parser(*, name: str, meaning: str, description: str, prog: str) -> argparse.ArgumentParser:
    """Return the parser of a command that takes one path, or several after `--each`."""
    import argparse

    def formatter(prog: str) -> argparse.HelpFormatter:
        # asking the terminal for its width would import half of shutil's world
        return argparse.RawDescriptionHelpFormatter(prog, width=80)

    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=_EPILOG, formatter_class=formatter
    )
    parser.add_argument(name, nargs="?", help=meaning)
    parser.add_argument("--each", nargs="+", metavar=name.upper(), help="several of them")
    parser.add_argument("--memory", metavar="SIZE", type=_size, default=MEMORY, help=_MEMORY)
    parser.add_argument("--version", action="version", version=f"seamless-core {__version__}")
    return parser


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
    """Parse the command line of a command; returns one path or a list of them, and the memory."""
    path = lone_path(argv)
    if path is not None:
        return path, MEMORY
    parser = make_parser(name=name, meaning=meaning, description=description, prog=prog)
    options = parser.parse_args(argv)
    return given_paths(parser, getattr(options, name), options.each), options.memory


def given_paths(
    parser: argparse.ArgumentParser, path: str | None, each: list[str] | None
) -> str | list[str]:
    """Return the one path, or those after `--each`; anything else is wrong usage."""
    if (path is None) == (each is None):
        parser.error("give one path, or several after --each")
    return path if each is None else each  # type: ignore[return-value]


def run(body: Callable[[], int | None]) -> int:
    """Run a command's body; returns the exit status, which the body may return too."""
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
    """Write a line to standard output, now: a full disk or closed pipe must show here."""
    if sys.stdout is None:
        raise CommandError("standard output is closed")
    try:
        # a name of a file may be any bytes, which text for a terminal need not hold
        sys.stdout.buffer.write(os.fsencode(f"{line}\n"))
        sys.stdout.buffer.flush()
    except OSError:
        # what is left in the buffer must not be tried again when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def write_error(text: str) -> None:
    """Write the one line about a failure to standard error."""
    if sys.stderr is not None:
        sys.stderr.write(f"Error: {' '.join(text.splitlines())}\n")


def describe(error: Exception) -> str:
    """Text of an error; the file's name is quoted, for it may hold line breaks."""
    if isinstance(error, OSError) and error.strerror is not None:
        name = error.filename
        return error.strerror if name is None else f"{os.fsdecode(name)!r}: {error.strerror}"
    return str(error)
