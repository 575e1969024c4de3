"""`seamless-buffers`: the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless.cli.buffers import compress, copy, gc, merge, stats, verify
from seamless.cli.command import EPILOG, add_version, bare_parser, help_formatter, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

_DESCRIPTION = """\
Keep buffer directories in order: folders with one file for each buffer, named by
its checksum, as SEAMLESS_BUFFER_DIR and the hashserver have them.

Every command may run while other processes read and write the same directory. A
file that is not a buffer is never changed."""

#: name -> description, which begins with a line for the overview; arguments; what is done
_COMMANDS: dict[
    str,
    tuple[
        str,
        Callable[[argparse.ArgumentParser], None],
        Callable[[argparse.Namespace], int],
    ],
] = {
    "stats": (stats.DESCRIPTION, stats.add_arguments, stats.run),
    "verify": (verify.DESCRIPTION, verify.add_arguments, verify.run),
    "gc": (gc.DESCRIPTION, gc.add_arguments, gc.run),
    "merge": (merge.DESCRIPTION, merge.add_arguments, merge.run),
    "copy": (copy.DESCRIPTION, copy.add_arguments, copy.run),
    "compress": (compress.DESCRIPTION, compress.add_arguments, compress.run),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = make_parser().parse_args(argv)
    return run(lambda: _COMMANDS[options.command][2](options))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command and all its sub-commands."""
    parser = bare_parser("seamless-buffers", _DESCRIPTION)
    add_version(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (description, add_arguments, _) in _COMMANDS.items():
        first = description.splitlines()[0]
        command = commands.add_parser(
            name,
            help=first[0].lower() + first[1:].rstrip("."),
            description=description,
            epilog=EPILOG,
            formatter_class=help_formatter(),
        )
        command.set_defaults(usage_error=command.error)
        add_arguments(command)
    return parser
