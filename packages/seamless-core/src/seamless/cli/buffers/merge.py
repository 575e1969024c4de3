"""`seamless-buffers merge`: brings all buffers of one directory into another."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from seamless.checksum.calculate_checksum import read_chunks
from seamless.cli.buffers.folder import Kind, batches, require_buffers, scan
from seamless.cli.buffers.new_files import NewFiles
from seamless.cli.command import CommandError, write_line
from seamless.cli.parallel_hash import hash_files
from seamless.cli.progress import Progress
from seamless.cli.several import Failures
from seamless.errors import ChecksumMismatchError, CompressedDataError
from seamless.stores.directory import SUFFIXES, BufferDirectory
from seamless.stores.file_age import renew_time, sync_recent
from seamless.util.atomic_file import sync_path, temporary_name

if TYPE_CHECKING:
    import argparse

    from seamless.cli.buffers.folder import FoundFile

# paths are text, as those of the scan
# ruff: noqa: PTH102, PTH105, PTH108, PTH120

DESCRIPTION = """\
Bring all buffers of one directory into another, which keeps its own.

Files are hard links where both directories are on one file system, else copies.
Every buffer is hashed, in FROM before it is linked and in TO after it is copied;
a damaged one is named and left out, and one that is damaged in TO is replaced. What TO
has already is hashed and kept. Nothing in FROM is changed, but linked buffers count as newly
written, so that garbage collection keeps them. An interrupted merge can be started again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("source", metavar="FROM", help="the buffer directory to read")
    parser.add_argument("target", metavar="TO", help="the other; it is created if it is missing")
    parser.add_argument("--copy", action="store_true", help="make no hard links")


def run(options: argparse.Namespace) -> int:
    """Merge a buffer directory into another; return the exit status."""
    source, target = options.source, options.target
    require_buffers(source)
    if os.path.lexists(target):
        os.scandir(target).close()
        if os.path.samefile(source, target):  # noqa: PTH121 - see above
            raise CommandError(f"{source!r} and {target!r} are the same directory")
    else:
        os.mkdir(target)
        sync_path(os.path.dirname(os.path.abspath(target)))  # noqa: PTH100 - see above
    failures = Failures()
    with NewFiles() as new_files, Progress(None, " files") as advance:
        merge = _Merge(target, new_files, failures, copy=options.copy)
        for batch in batches(scan(source, failures.add)):
            merge.add([found for found in batch if found.kind is Kind.BUFFER])
            if advance is not None:
                advance(len(batch))
        new_files.finish()
        sync_recent(target)  # another writer may have made folders in it
    failures.write()
    write_line(f"{target}: {merge.summary()}")
    return int(len(failures) > 0)


class _Merge:
    """Brings batches of files into a directory."""

    def __init__(self, folder: str, new_files: NewFiles, failures: Failures, *, copy: bool) -> None:
        self._folder = folder
        self._directory = BufferDirectory(Path(folder))
        #: first two digits -> folder of the files; a Path for each file would take most of the time
        self._prefixes: dict[str, str] = {}
        self._new_files = new_files
        self._failures = failures
        self._copy = copy
        self._counts: Counter[str] = Counter()

    def summary(self) -> str:
        counts = self._counts
        return (
            f"{counts['linked']} buffers linked, {counts['copied']} copied, "
            f"{counts['there']} were there already"
        )

    def add(self, batch: list[FoundFile]) -> None:
        """Bring the buffers of a batch into the directory."""
        missing = self._without_present(batch)
        if not self._copy:
            missing = [found for found in self._without_damaged(missing) if not self._link(found)]
        self._counts["copied"] += sum(self._new_files.map(self._add_copy, missing))

    def _without_present(self, batch: list[FoundFile]) -> list[FoundFile]:
        """Return the files whose buffers the directory does not have in good condition."""
        present = {}
        for found in batch:
            path = self._present(found.digest)
            if path is not None:
                present[found.digest] = path
        digests = hash_files(list(present.values()), failed=lambda _: None)
        good = {
            digest
            for (digest, path), content in zip(present.items(), digests, strict=True)
            if content == digest and _keeps(path)
        }
        self._counts["there"] += len(good)
        return [found for found in batch if found.digest not in good]

    def _present(self, digest: str) -> str | None:
        """Return the regular file that has the name of a buffer, if there is one."""
        for folder in (f"{self._folder}/{digest[:2]}", self._folder):
            for suffix in SUFFIXES:
                path = f"{folder}/{digest}{suffix}"
                with contextlib.suppress(OSError):
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        return path
        return None

    def _without_damaged(self, batch: list[FoundFile]) -> list[FoundFile]:
        """Return the files with the right content; report the others."""
        digests = hash_files([found.entry.path for found in batch], failed=self._failures.add)
        good = []
        for found, content in zip(batch, digests, strict=True):
            if content == found.digest:
                good.append(found)
            elif content:  # else its failure has been noted
                self._failures.add(_damaged(found))
        return good

    def _link(self, found: FoundFile) -> bool:
        """Make a hard link; return False where there can be none."""
        target = self._target(found)
        try:
            sync_recent(found.entry.path)
            try:
                os.link(found.entry.path, target, follow_symlinks=False)
            except FileExistsError:
                self._replace_by_link(found.entry.path, target)
        except FileNotFoundError as error:
            self._failures.add(error)
            return True
        except OSError:
            return False  # the copy is made, or reports the failure
        self._new_files.folders.add(os.path.dirname(target))
        if not renew_time(target):
            return False  # it would look old, or is gone
        self._counts["linked"] += 1
        return True

    def _replace_by_link(self, source: str, target: str) -> None:
        temporary = temporary_name(target)
        os.link(source, temporary, follow_symlinks=False)
        try:
            os.replace(temporary, target)
        finally:
            # a rename between two links of one file does nothing
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _add_copy(self, found: FoundFile) -> bool:
        """Copy a file; return whether it could be read and is not damaged."""
        try:
            file = io.FileIO(found.entry.path)
        except OSError as error:
            self._failures.add(error)
            return False
        with file:
            try:
                self._new_files.add(self._target(found), read_chunks(file), found.digest)
            except (ChecksumMismatchError, CompressedDataError):
                self._failures.add(_damaged(found))
                return False
        return True

    def _target(self, found: FoundFile) -> str:
        prefix = found.digest[:2]
        if prefix not in self._prefixes:
            self._prefixes[prefix] = os.path.dirname(self._directory.new_path(found.digest))
        return f"{self._prefixes[prefix]}/{found.entry.name}"


def _keeps(path: str) -> bool:
    """Return whether a file of the target is there and on disk, and let it look newly written."""
    try:
        sync_recent(path, os.path.dirname(path))
    except OSError:
        return False
    return renew_time(path) or os.path.lexists(path)


def _damaged(found: FoundFile) -> CommandError:
    return CommandError(f"{found.entry.path!r} is damaged and not merged: verify --repair it first")
