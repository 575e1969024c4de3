"""`seamless-buffers copy`: brings named buffers from one place to another."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from seamless.cli.buffers.live_lists import LiveList, checksum_argument
from seamless.cli.buffers.places import open_place
from seamless.cli.command import CommandError, write_line
from seamless.cli.progress import Progress
from seamless.cli.several import Failures
from seamless.errors import SeamlessError

if TYPE_CHECKING:
    import argparse

    from seamless.stores.base import BufferStore

DESCRIPTION = """\
Bring buffers from one place to another: buffer directories and hashservers.

A place is a path, or http://HOST:PORT of a hashserver. The buffers are those that are
given by their checksums, and those in the lists after --closure, as
"seamless-database-admin live" writes them. Every buffer is hashed when it is read, and
is stored when it is counted. One that can't be brought is named; the others are brought."""

#: transfers at the same time; each holds a buffer in memory
THREADS = 4
_BATCH = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("source", metavar="FROM", help="the place to read")
    parser.add_argument("target", metavar="TO", help="the place to write")
    parser.add_argument(
        "checksums", nargs="*", type=checksum_argument, metavar="CHECKSUM", help="the buffers"
    )
    parser.add_argument(
        "--closure", nargs="+", default=[], metavar="LIST", help="lists of more buffers"
    )
    parser.add_argument(
        "--no-end-marker", action="store_true", help="accept lists without the last line"
    )


def run(options: argparse.Namespace) -> int:
    """Copy buffers; return the exit status."""
    from concurrent.futures import ThreadPoolExecutor

    if not options.checksums and not options.closure:
        options.usage_error("no buffer is named: give checksums, or --closure LIST")
    source, target = open_place(options.source), open_place(options.target, create=True)
    lists = [LiveList(path, require_end=not options.no_end_marker) for path in options.closure]
    failures = Failures()
    copied = 0
    pool = ThreadPoolExecutor(THREADS)
    try:
        with Progress(None, " buffers") as advance:
            for each in (iter(options.checksums), *(each.digests() for each in lists)):
                while batch := [digest.hex() for digest in islice(each, _BATCH)]:
                    for error in pool.map(lambda digest: _copy(source, target, digest), batch):
                        if error is None:
                            copied += 1
                        else:
                            failures.add(error)
                        if advance is not None:
                            advance(1)
    finally:
        pool.shutdown(cancel_futures=True)
        source.close()
        target.close()
    failures.write()
    write_line(f"{target.name}: {copied} buffers copied or there already")
    return int(len(failures) > 0)


def _copy(source: BufferStore, target: BufferStore, digest: str) -> Exception | None:
    """Copy one buffer; return the error if that fails."""
    result = source.read(digest)
    if result.content is None:
        return CommandError(f"{digest}: not copied; {source.name}: {result.outcome}")
    try:
        target.write(digest, result.content)
    except (OSError, SeamlessError) as error:
        return error
    return None
