"""What the three commands have in common: arguments, exit statuses, the one line of an error."""

from __future__ import annotations

import argparse
import os
import sys

from seamless import __version__
from seamless.errors import SeamlessError

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells count
OUTPUT_CLOSED = 141  # 128 + SIGPIPE

_EPILOG = "Exit status: 0 success, 1 failure (one line on stderr), 2 wrong usage, 130 interrupted."


class CommandError(SeamlessError):
    """The command can't do what was asked for; the text is for its user."""


def parse_path(
    argv: Sequence[str] | None, *, name: str, meaning: str, description: str, prog: str
) -> str:
    """Parse the command line of a command that takes one path."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=_EPILOG,
        formatter_class=_formatter,
    )
    parser.add_argument(name, help=meaning)
    parser.add_argument("--version", action="version", version=f"seamless-core {__version__}")
    path: str = getattr(parser.parse_args(argv), name)
    return path


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Format help for a fixed width: asking the terminal would import half of shutil's world."""
    return argparse.RawDescriptionHelpFormatter(prog, width=80)


def run(body: Callable[[], None]) -> int:
    """Run a command's body; returns the exit status."""
    try:
        body()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return OUTPUT_CLOSED
    except (OSError, SeamlessError) as error:
        write_error(describe(error))
        return FAILED
    return 0


def write_line(line: str) -> None:
    """Write a line to standard output, now: a full disk or closed pipe must show here."""
    if sys.stdout is None:
        raise CommandError("standard output is closed")
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
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
