"""`seamless-buffers gc`: deletes the buffers that no list of needed checksums names.

What may be deleted is found first, in a pass that changes nothing, and written to a temporary
file. So a list that can't be read, or does not belong to the directory, is noticed before the first
deletion, and `--dry-run` is the same pass.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from datetime import datetime, timezone
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

from seamless.cli.buffers.checksum_set import ChecksumSet, naming_temporary_folder
from seamless.cli.buffers.deletion import delete_garbage, put_back
from seamless.cli.buffers.folder import Kind, require_buffers, scan, status_of
from seamless.cli.buffers.live_lists import LiveList, checksum_argument
from seamless.cli.command import CommandError, write_line
from seamless.cli.interrupts import defer_sigint
from seamless.cli.progress import Progress
from seamless.cli.several import Failures
from seamless.util.number_arguments import parse_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless.cli.buffers.folder import FoundFile

DESCRIPTION = """\
Delete the buffers that no list names and that were not written lately.

A list is a file with a checksum on each line, as "seamless-database-admin live" writes
it; - is standard input. Its last line is "# end: N checksums". A buffer is kept if any
list or --pin names it, or if it was written within the time of --older-than before the
oldest list was made, or since then: a writer stores a buffer before a database has
its checksum, and may hold it for as long as it runs. Give a time that is longer than
the longest job. Writing a buffer again renews its time, except through a hashserver.

Nothing is deleted if a list can't be read to its end, or is empty, or if the
directory has none of the listed buffers. Files that are not buffers stay."""

_DAY = 86_400
#: Clocks of two machines, and of a file system and its machine, may differ by less.
MARGIN_SECONDS = 60
#: Deletions between two chances for Ctrl-C.
_CHUNK_FILES = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("directory", help="the buffer directory")
    parser.add_argument("lists", nargs="+", metavar="LIST", help="checksums that are needed")
    parser.add_argument(
        "--pin",
        nargs="+",
        action="extend",
        default=[],
        type=checksum_argument,
        metavar="CHECKSUM",
        help="keep these too",
    )
    parser.add_argument(
        "--older-than",
        type=_time,
        default=7 * _DAY,
        metavar="TIME",
        help="age of what is deleted, at least: 90s, 45m, 12h, 30d, 2w or 0 (default: 7d)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted")
    parser.add_argument(
        "--allow-empty",
        action="store_true",
        help="delete although a list is empty, or the directory has nothing that is listed",
    )
    parser.add_argument(
        "--no-end-marker", action="store_true", help="accept lists without the last line"
    )


def _time(text: str) -> int:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(options: argparse.Namespace) -> int:
    """Delete garbage; return the exit status."""
    folder: str = options.directory
    now = time.time()
    require_buffers(folder)
    lists = [LiveList(path, require_end=not options.no_end_marker) for path in options.lists]
    failures = Failures()
    with ChecksumSet(chain(options.pin, *(each.digests() for each in lists))) as live:
        if not options.allow_empty and not all(each.count for each in lists):
            raise CommandError("a list is empty: give --allow-empty if nothing is needed any more")
        made = min(now, *(each.begun for each in lists))
        before = made - options.older_than - MARGIN_SECONDS
        with _Plan(folder, live, before, failures) as plan:
            plan.make(now)
            _execute(plan, folder, options)
    failures.write()
    return int(len(failures) > 0)


def _execute(plan: _Plan, folder: str, options: argparse.Namespace) -> None:
    """Delete what is planned, or print it."""
    if not options.allow_empty and plan.garbage and not plan.kept["listed or pinned"]:
        raise CommandError(
            f"{folder!r} has none of the listed buffers: these are lists of another directory, "
            "or give --allow-empty"
        )
    if not options.dry_run:
        write_line(plan.summary("deleted", *plan.execute()))
        return
    for relative, size in plan.entries():
        if size >= 0:
            write_line(os.path.join(folder, relative))  # noqa: PTH118 - as the scan does
    write_line(plan.summary("would be deleted", plan.garbage, plan.size))


class _Plan:
    """The files that may be deleted.

    Parameters
    ----------
    folder
        The buffer directory.
    live
        The buffers that are needed.
    before
        A file that was written later is kept; in seconds.
    failures
        Collects the errors of single files and folders.
    """

    def __init__(self, folder: str, live: ChecksumSet, before: float, failures: Failures) -> None:
        self._folder, self._live, self._before = folder, live, before
        self._failures = failures
        #: number of files that may be deleted, and their bytes
        self.garbage = self.size = 0
        #: reason -> number of buffers
        self.kept: Counter[str] = Counter()
        with naming_temporary_folder():
            self._file: IO[bytes] = tempfile.TemporaryFile(buffering=1 << 16)  # noqa: SIM115

    def __enter__(self) -> _Plan:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def make(self, now: float) -> None:
        """Find the files that may be deleted, and change nothing."""
        base = len(os.path.join(self._folder, ""))  # noqa: PTH118 - as the scan does
        with Progress(None, " files") as advance, naming_temporary_folder():
            for found in scan(self._folder, self._failures.add):
                status = status_of(found.entry)
                size = None if status is None else self._planned_size(found, status, now)
                if size is not None:
                    self._file.write(f"{size} {found.entry.path[base:]}\n".encode())
                if advance is not None:
                    advance(1)
            self._file.flush()

    def _planned_size(self, found: FoundFile, status: os.stat_result, now: float) -> int | None:
        """Return the bytes of garbage, -1 for a file that must be put back, or else None."""
        if self._is_garbage(found, status.st_mtime, now):
            self.garbage += 1
            self.size += status.st_size
            return status.st_size
        return -1 if found.kind is Kind.DELETED else None

    def _is_garbage(self, found: FoundFile, changed: float, now: float) -> bool:
        if found.kind is Kind.TEMPORARY:  # a writer that still lives would have changed it
            return changed < min(self._before, now - _DAY)
        if found.kind in (Kind.FOREIGN, Kind.LOCK):
            return False
        if bytes.fromhex(found.digest) in self._live:
            reason = "listed or pinned"
        elif changed >= self._before:
            reason = "recent"
        else:
            return True
        if found.kind in (Kind.BUFFER, Kind.DELETED):
            self.kept[reason] += 1
        return False

    def entries(self) -> Iterator[tuple[str, int]]:
        """Yield the relative path and size of what is deleted, and what is put back with -1."""
        self._file.seek(0)
        for line in self._file:
            size, _, name = line.decode().rstrip("\n").partition(" ")
            yield name, int(size)

    def execute(self) -> tuple[int, int]:
        """Delete the files; return the number of those that were deleted, and their bytes."""
        count = size = 0
        entries = self.entries()
        with Progress(self.garbage, " files") as advance:
            while chunk := list(islice(entries, _CHUNK_FILES)):
                with defer_sigint():
                    for name, its_size in chunk:
                        if self._delete(name):
                            count += 1
                            size += its_size
                if advance is not None:
                    advance(len(chunk))
        self.kept["recent"] += self.garbage - count
        return count, size

    def _delete(self, name: str) -> bool:
        path = os.path.join(self._folder, name)  # noqa: PTH118 - as the scan does
        digest = os.path.basename(name).lstrip(".")[:64]  # noqa: PTH119
        try:
            if name.endswith(Kind.DELETED.value) and bytes.fromhex(digest) in self._live:
                put_back(path, digest)
                return False
            return delete_garbage(path, digest, self._before)
        except OSError as error:
            self._failures.add(error)
            return False

    def summary(self, verb: str, count: int, size: int) -> str:
        """Return the last line of the output."""
        seconds = max(self._before, 0)  # `datetime` knows no time before the year 1
        before = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        return (
            f"{self._folder}: {count} files of {size} bytes {verb}; "
            f"{self.kept['listed or pinned']} buffers are listed or pinned, "
            f"{self.kept['recent']} were written after {before} UTC"
        )
