"""The command `seamless-database-admin`: signals, one line for an error, exit codes.

It ends with 0 when all is well, with 1 when it could not do what was asked, with 2 when the
command line makes no sense, and with 3 when `check` has found problems that are still there, or
`export --salvage` could not read everything. A signal ends it at any time, so it takes over the
signals before it loads the sub-commands.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = "interrupted; what was not finished has been undone"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. TERM and HUP interrupt it as INT does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a file name that the terminal's encoding lacks is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        INTERRUPTION.watch()
        from seamless_database.admin.sub_commands import run

        return run(argv)
    except KeyboardInterrupt:
        return _complain(_INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output has had enough; the rest has nowhere to go
        with suppress(OSError):
            sys.stdout.close()
        return 1
    except (DatabaseError, OSError) as error:
        # a statement that was interrupted is an error of the database
        return _complain(_INTERRUPTED if INTERRUPTION.came else str(error))


def _complain(text: str) -> int:
    """Write an error on stderr; returns the exit code."""
    with suppress(OSError):
        # whatever is in a file name, it stays one line
        sys.stderr.write("Error: " + " ".join(text.split()) + "\n")
    return 1
