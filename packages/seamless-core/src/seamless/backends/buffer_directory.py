"""A folder of buffers, one file each, laid out as the hashserver does it.

A file is named by its checksum, in a folder named by the first two digits (prefix layout,
marked by a file `.HASHSERVER_PREFIX`) or directly in the top folder (flat layout); `.zst` or
`.gz` at the end of the name says that its content is compressed. Both layouts and all three
forms are read; what is written is plain, and in the layout that is there already.

A file `.LOCK` beside a name says that somebody is writing the buffer: a reader who does not
find it waits until the lock goes or is too old, as the hashserver does. No lock is written,
neither here nor there: files appear whole, under a lock or not.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from typing import TYPE_CHECKING

from ..atomic_file import replace_entry, sync_folder
from ..checksum.calculate_checksum import calculate_checksum
from ..compression_utils import decompress_bytes
from ..errors import ChecksumMismatchError
from .place import FOUND, NO, WRONG, Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..checksum_class import Checksum

__all__ = ["BufferDirectory"]

logger = logging.getLogger(__name__)

PREFIX_MARK = ".HASHSERVER_PREFIX"
PREFIX_MARK_CONTENT = b"1\n"
FILE_MODE = 0o444
MARK_MODE = 0o644
#: The group may write, and what is made inside belongs to the same group.
FOLDER_MODE = 0o2775
SUFFIXES = ("", ".zst", ".gz")
LOCK_SUFFIX = ".LOCK"
#: Seconds after which whoever left a lock is taken to be gone; the hashserver's default.
LOCK_SECONDS = 120.0
#: Seconds between two looks at a lock, at first and at last.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

_CHECKSUM_NAME = re.compile(r"[0-9a-f]{64}(\.zst|\.gz)?")


class BufferDirectory:
    """Buffers as files in a folder. Safe from any thread, and beside other processes.

    Parameters
    ----------
    path
        The top folder; it need not exist until something is written.
    lock_seconds
        How old the lock of somebody who is still writing may be.
    """

    def __init__(self, path: Path, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = path
        self.name = f"directory {path}"
        self.cost_profile = "read_buffer"
        self._lock_seconds = lock_seconds
        #: files that hold something else than they say; told once, replaced when written
        self._damaged: set[Path] = set()

    def find(self, checksum: Checksum) -> Path | None:
        """Return the file that says it holds the buffer, if there is one."""
        for path, _ in self._candidates(checksum):
            if path.is_file():
                return path
        return None

    def locate(self, checksum: Checksum) -> tuple[str, str]:
        """Tell whether a file says it holds the buffer, and which, or else the folder."""
        path = self.find(checksum)
        if path is None:
            return NO, str(self.path)
        return (WRONG if path in self._damaged else FOUND), str(path)

    def read(self, checksum: Checksum) -> Answer:
        """Return the content that `checksum` names, or why it can't be had here.

        What a file holds is hashed first. A damaged file is passed over, with a warning.
        """
        deadline = time.monotonic() + self._lock_seconds
        pause = FIRST_PAUSE
        while True:
            # looked at before the content: what comes after the lock went is whole
            locked = self._is_locked(checksum) and time.monotonic() < deadline
            answer = self._read_any(checksum, unfinished=locked)
            if answer.content is not None or not locked:
                return answer
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def renew_after_fork(self) -> None:
        """Do nothing: nothing here belongs to one process."""

    def _read_any(self, checksum: Checksum, *, unfinished: bool) -> Answer:
        """Try all names; where somebody is still writing, wrong content is no news."""
        outcome = NO
        for path, suffix in self._candidates(checksum):
            content = self._read(path, suffix, quiet=unfinished)
            if content is None:
                outcome = WRONG if path in self._damaged else outcome
                continue
            if calculate_checksum(content) == checksum.hex():
                self._damaged.discard(path)
                return Answer(content, FOUND)
            outcome = WRONG
            if not unfinished:
                self._warn(path, "its content has another checksum")
        return Answer(None, outcome)

    def _is_locked(self, checksum: Checksum) -> bool:
        for prefixed in (True, False):
            path = self._path(checksum, prefixed=prefixed)
            with contextlib.suppress(OSError):
                age = time.time() - path.with_name(path.name + LOCK_SUFFIX).stat().st_mtime
                if age < self._lock_seconds:
                    return True
        return False

    def _read(self, path: Path, suffix: str, *, quiet: bool = False) -> bytes | None:
        try:
            content = path.read_bytes()
            return decompress_bytes(content, suffix) if suffix else content
        except (FileNotFoundError, NotADirectoryError):
            self._damaged.discard(path)
            return None
        except OSError as error:  # unreadable, or compressed data that are damaged
            if not quiet:
                self._warn(path, str(error))
            return None

    def _warn(self, path: Path, reason: str) -> None:
        if path not in self._damaged:
            self._damaged.add(path)
            logger.warning("buffer file %s is not used: %s", path, reason)

    def write(self, checksum: Checksum, content: bytes) -> None:
        """Store a buffer; it is on the disk when this returns.

        Raises
        ------
        ChecksumMismatchError
            When `checksum` does not name `content`; nothing is stored then.
        OSError
            When the folder can't be written.
        """
        found = calculate_checksum(content)
        if found != checksum.hex():
            raise ChecksumMismatchError(checksum, found)
        if self._holds(checksum, content):
            return
        path = self._path(checksum, prefixed=self._prepare_layout())
        self._make_folder(path.parent)
        replace_entry(path, content, FILE_MODE)
        self._damaged.discard(path)

    def _holds(self, checksum: Checksum, content: bytes) -> bool:
        """Tell whether the buffer itself is here: what is acknowledged must be there.

        A symbolic link does not count: its target belongs to somebody who may change it.
        """
        for path, suffix in self._candidates(checksum):
            if path.is_file() and not path.is_symlink() and self._read(path, suffix) == content:
                return True
        return False

    # -- layout -----------------------------------------------------------------------

    def _candidates(self, checksum: Checksum) -> Iterator[tuple[Path, str]]:
        for prefixed in (True, False):
            path = self._path(checksum, prefixed=prefixed)
            for suffix in SUFFIXES:
                yield path.with_name(path.name + suffix), suffix

    def _path(self, checksum: Checksum, *, prefixed: bool) -> Path:
        name = checksum.hex()
        return self.path / name[:2] / name if prefixed else self.path / name

    def _prepare_layout(self) -> bool:
        """Tell whether the prefix layout is in use here; a new folder gets it."""
        mark = self.path / PREFIX_MARK
        if mark.exists():
            return True
        self.path.mkdir(parents=True, exist_ok=True)
        if self._is_flat():
            return False
        replace_entry(mark, PREFIX_MARK_CONTENT, MARK_MODE)
        return True

    def _is_flat(self) -> bool:
        with os.scandir(self.path) as entries:
            return any(_CHECKSUM_NAME.fullmatch(entry.name) for entry in entries)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):  # somebody else's: it is fine as it is
            folder.chmod(FOLDER_MODE)
        sync_folder(self.path)
