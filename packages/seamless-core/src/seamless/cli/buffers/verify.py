"""`seamless-buffers verify`: hashes every buffer, and repairs the directory if it is asked to."""

from __future__ import annotations

import os
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING

from seamless.cli.buffers.folder import (
    DAMAGED_SUFFIX,
    Kind,
    batches,
    is_being_written,
    require_buffers,
    scan,
)
from seamless.cli.buffers.places import configured_places, open_place
from seamless.cli.buffers.repair import Repair
from seamless.cli.command import CommandError, write_line
from seamless.cli.parallel_hash import hash_files
from seamless.cli.progress import Progress
from seamless.cli.several import Failures
from seamless.cli.tree import plain_checksum

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from seamless.cli.buffers.folder import FoundFile

DESCRIPTION = """\
Hash every buffer of a directory, and name those whose content is not as their name says.

Compressed buffers are hashed by their content. Exit status 1 says that a buffer is
damaged, could not be read, or is set aside without another copy.

With --repair, a damaged file is set aside: it is renamed to *.damaged. Then the buffer
is fetched from the places after --from, or else from the directories and servers in
SEAMLESS_BUFFER_DIR and SEAMLESS_BUFFER_SERVER, and the damaged file is deleted. Without
a good copy it stays aside, and a later --repair tries again."""


class _State(Enum):
    GOOD = "good"
    GONE = "deleted since it was listed"
    UNFINISHED = "is being written, or damaged: verify it again in two minutes"
    DAMAGED = "FAILED"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("directory", help="the buffer directory")
    parser.add_argument("--repair", action="store_true", help="set aside and restore")
    parser.add_argument(
        "--from",
        dest="places",
        nargs="+",
        default=[],
        metavar="PLACE",
        help="directories and http://HOST:PORT of hashservers to restore from",
    )


def run(options: argparse.Namespace) -> int:
    """Verify a buffer directory; return the exit status."""
    folder: str = options.directory
    require_buffers(folder)
    if options.places and not options.repair:
        options.usage_error("--from names places to restore from: give --repair too")
    repair = None
    if options.repair:
        places = list(map(open_place, options.places))
        repair = Repair(folder, places or list(configured_places(folder)))
    return _Verification(folder, repair).run()


class _Verification:
    """One run through a directory."""

    def __init__(self, folder: str, repair: Repair | None) -> None:
        self._folder = folder
        self._repair = repair
        self._failures = Failures()
        self._counts: Counter[str] = Counter()
        #: files that this run has set aside, and may find again
        self._set_aside: set[str] = set()

    def run(self) -> int:
        with Progress(None, " files") as advance:
            for batch in batches(scan(self._folder, self._failures.add)):
                for found in self._suspects(batch):
                    self._report(found)
                if advance is not None:
                    advance(len(batch))
        self._failures.write()
        bad, count = self._counts["bad"], self._counts["buffers"]
        if bad or self._failures:
            unread = len(self._failures)
            raise CommandError(
                f"{self._folder!r}: of {count} buffers {bad} are not good, "
                f"{unread} files or folders can't be read"
            )
        restored = self._counts["restored"]
        write_line(
            f"{self._folder}: OK, {count} buffers" + (f", {restored} restored" if restored else "")
        )
        return 0

    def _suspects(self, batch: list[FoundFile]) -> Iterator[FoundFile]:
        """Hash the files of a batch on all cores; yield those that may not be good."""
        buffers = [found for found in batch if found.kind is Kind.BUFFER]
        self._counts["buffers"] += len(buffers)
        # a file that can't be read is a suspect, and its failure is reported then
        digests = hash_files([found.entry.path for found in buffers], failed=lambda _: None)
        for found, digest in zip(buffers, digests, strict=True):
            if digest != found.digest:
                yield found
        yield from (found for found in batch if found.kind is Kind.DAMAGED)

    def _report(self, found: FoundFile) -> None:
        """Examine one file, repair it if that is asked for, and print a line."""
        try:
            line = self._handle(found.entry.path, found)
        except OSError as error:
            self._failures.add(error)
            return
        if line:
            write_line(f"{found.entry.path}: {line}")

    def _handle(self, path: str, found: FoundFile) -> str:
        if found.kind is Kind.DAMAGED:
            return "" if path in self._set_aside else self._handle_set_aside(path, found.digest)
        state, status = _examine(path, found.digest)
        if state in (_State.GOOD, _State.GONE):
            return ""
        if state is _State.UNFINISHED or self._repair is None or status is None:
            self._counts["bad"] += 1
            return str(state.value)
        if not self._repair.set_aside(path, status):
            return ""  # a writer has just replaced it
        self._set_aside.add(path + DAMAGED_SUFFIX)
        return self._restore(path, found.digest)

    def _handle_set_aside(self, path: str, digest: str) -> str:
        """Report a file that an earlier run has set aside, or try to restore it again."""
        if self._repair is not None:
            return self._restore(path, digest)
        self._counts["bad"] += 1
        return "set aside: --repair restores it, or deletes it when another copy is there"

    def _restore(self, path: str, digest: str) -> str:
        assert self._repair is not None
        restored, line = self._repair.restore(path, digest)
        self._counts["restored" if restored else "bad"] += 1
        return line


def _examine(path: str, digest: str) -> tuple[_State, os.stat_result | None]:
    """Hash one file again; return its state, and its status before it was read.

    Raises
    ------
    OSError
        When it can't be read.
    """
    try:
        status = os.lstat(path)
        content = plain_checksum(path)
    except FileNotFoundError:
        return _State.GONE, None
    except CommandError:
        content = ""  # not what its suffix says
    if content == digest:
        return _State.GOOD, status
    if is_being_written(path, digest, status.st_mtime):
        return _State.UNFINISHED, status
    return _State.DAMAGED, status
