"""The files of a buffer directory as a stream, classified by their names.

Only a regular file that is named by a checksum and lies in the top folder or in the folder of its
first two digits is a buffer. The commands leave their own traces beside the buffer, so that each
of them is a rename within one folder:

- `.damaged`: `verify --repair` has set the file aside,
- `.deleted`: `gc` was about to delete the file when it was killed.

Everything else is foreign, and no command changes it.
"""

from __future__ import annotations

import os
import re
import time
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from seamless.cli.command import CommandError
from seamless.stores.directory import LOCK_SECONDS, LOCK_SUFFIX, PREFIX_MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# DirEntry has no Path, and a Path for each of millions of files would cost more than the rest
# ruff: noqa: PTH116, PTH118

__all__ = [
    "DAMAGED_SUFFIX",
    "DELETED_SUFFIX",
    "FoundFile",
    "Kind",
    "batches",
    "is_being_written",
    "require_buffers",
    "scan",
    "status_of",
]

DAMAGED_SUFFIX = ".damaged"
DELETED_SUFFIX = ".deleted"
#: Files that are hashed together: enough to keep all cores busy, few enough for little memory.
BATCH_FILES = 10_000

_NAME = re.compile(
    r"([0-9a-f]{64})(?:\.zst|\.gz)?(?:\.[0-9a-f]{12}(?=\.deleted))?(\.damaged|\.deleted|\.LOCK)?"
)
_TEMPORARY = re.compile(r"\.([0-9a-f]{64})(?:\.zst|\.gz)?\.[0-9a-f]{12}\.tmp")
_PREFIX = re.compile(r"[0-9a-f]{2}")


class Kind(Enum):
    """What a file is, by its name."""

    BUFFER = ""
    DAMAGED = DAMAGED_SUFFIX
    DELETED = DELETED_SUFFIX
    LOCK = LOCK_SUFFIX
    #: unfinished, or left behind by a writer that was killed
    TEMPORARY = ".tmp"
    FOREIGN = "foreign"


class FoundFile(NamedTuple):
    """A file of a buffer directory; the digest of a foreign file is empty."""

    kind: Kind
    digest: str
    entry: os.DirEntry[str]


def require_buffers(folder: str) -> None:
    """Raise if a folder is not a buffer directory.

    Raises
    ------
    OSError
        When it can't be listed.
    CommandError
        When it has neither the mark of the prefix layout nor a buffer.
    """
    os.scandir(folder).close()
    marked = os.path.exists(os.path.join(folder, PREFIX_MARK))  # noqa: PTH110 - see above
    if not marked and not any(found.kind is Kind.BUFFER for found in scan(folder)):
        raise CommandError(
            f"{folder!r} is not a buffer directory: it has neither {PREFIX_MARK} nor a file that "
            "is named by a checksum"
        )


def scan(folder: str, failed: Callable[[Exception], None] | None = None) -> Iterator[FoundFile]:
    """Yield every file in the top folder and in the folders of the prefixes.

    `failed` is called with the error of a folder that can't be listed; None raises it.
    """
    prefixes = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _PREFIX.fullmatch(entry.name) and entry.is_dir():
                prefixes.append(entry.name)
            elif entry.name != PREFIX_MARK:
                yield _classify(entry, "")
    for prefix in sorted(prefixes):
        try:
            with os.scandir(os.path.join(folder, prefix)) as entries:
                for entry in entries:
                    yield _classify(entry, prefix)
        except OSError as error:
            if failed is None:
                raise
            failed(error)


def _classify(entry: os.DirEntry[str], prefix: str) -> FoundFile:
    name = entry.name
    match = _NAME.fullmatch(name) or _TEMPORARY.fullmatch(name)
    if match and match[1].startswith(prefix) and entry.is_file(follow_symlinks=False):
        kind = Kind(match[2] or "") if match.re is _NAME else Kind.TEMPORARY
        return FoundFile(kind, match[1], entry)
    return FoundFile(Kind.FOREIGN, "", entry)


def batches(found: Iterable[FoundFile], size: int = BATCH_FILES) -> Iterator[list[FoundFile]]:
    """Yield lists of up to `size` files."""
    files = iter(found)
    while batch := list(islice(files, size)):
        yield batch


def status_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of a file, or None if it has been deleted since it was listed."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_being_written(path: str, digest: str, changed: float) -> bool:
    """Return whether a file may be unfinished: a hashserver writes a buffer in place."""
    now = time.time()
    if abs(now - changed) < LOCK_SECONDS:
        return True
    lock = os.path.join(os.path.dirname(path), digest + LOCK_SUFFIX)  # noqa: PTH120 - see above
    try:
        return abs(now - os.stat(lock).st_mtime) < LOCK_SECONDS
    except OSError:
        return False
