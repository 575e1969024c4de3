"""`BufferDirectory`: a folder with one file for each buffer, in the layout of the hashserver.

A file is named by its checksum, in a folder named by the first two digits (prefix layout,
marked by a file `.HASHSERVER_PREFIX`) or directly in the top folder (flat layout). A suffix
`.zst` or `.gz` marks compressed content. Both layouts and all three forms are read; new files are
uncompressed, in the layout of the folder.

A file with the suffix `.LOCK` means that another process is writing the buffer: a reader that
does not find the buffer waits until the lock disappears or expires, as the hashserver does. This
module writes no locks, because its files appear atomically.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from seamless.checksum.calculate_checksum import calculate_checksum
from seamless.errors import ChecksumMismatchError, CompressedDataError
from seamless.stores.base import (
    CORRUPT,
    FOUND,
    IRREGULAR,
    LOCKED,
    MISSING,
    TIMEOUT,
    TOO_LARGE,
    UNREADABLE,
    ReadResult,
)
from seamless.stores.deadline import Deadline
from seamless.stores.file_age import renew_time, sync_recent
from seamless.stores.receiving import TooLargeError, default_max_size, expanded
from seamless.util.atomic_file import replace_entries, replace_entry, sync_path
from seamless.util.run_sync import start_daemon_thread

# paths of buffers are strings, because a Path takes ten times as long
# ruff: noqa: PTH110, PTH112, PTH113, PTH116, PTH120

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


__all__ = ["BufferDirectory"]

logger = logging.getLogger(__name__)

CREATE_VARIABLE = "SEAMLESS_BUFFER_DIR_CREATE"
PREFIX_MARK = ".HASHSERVER_PREFIX"
PREFIX_MARK_CONTENT = b"1\n"
FILE_MODE = 0o444
MARK_MODE = 0o644
#: The group may write, and new entries inherit the group.
FOLDER_MODE = 0o2775
SUFFIXES = ("", ".zst", ".gz")
LOCK_SUFFIX = ".LOCK"
#: Seconds after which a lock expires; the default of the hashserver.
LOCK_SECONDS = 120.0
#: Seconds between two checks of a lock, the first and the longest pause.
MIN_PAUSE = 0.05
MAX_PAUSE = 1.0

#: Bytes from which content is hashed while it is written.
MIN_BYTES_FOR_THREAD = 1 << 20
#: Buffers whose files are synced together, at most.
BATCH_SIZE = 16

_CHECKSUM_NAME = re.compile(r"[0-9a-f]{64}(\.zst|\.gz)?")


def check_folder(path: Path) -> None:
    """Raise if a folder does not exist and the environment forbids creating it.

    Raises
    ------
    FileNotFoundError
        When the folder does not exist, and `SEAMLESS_BUFFER_DIR_CREATE` is 0.
    ValueError
        When `SEAMLESS_BUFFER_DIR_CREATE` is neither 0 nor 1.
    """
    create = os.environ.get(CREATE_VARIABLE, "")
    if create not in ("", "0", "1"):
        raise ValueError(f"{CREATE_VARIABLE} is {create!r}; it must be 0 or 1")
    if create == "0" and not path.is_dir():
        reason = (
            f"the buffer folder does not exist, and {CREATE_VARIABLE}=0 keeps it from being "
            "created; correct its name, or create it"
        )
        raise FileNotFoundError(errno.ENOENT, reason, str(path))


class BufferDirectory:
    """Buffers as files in a folder. Safe for concurrent threads and processes.

    Parameters
    ----------
    path
        The top folder. If it does not exist, the first write creates it with a warning in the log,
        or fails if `SEAMLESS_BUFFER_DIR_CREATE` is 0.
    lock_seconds
        The age at which a lock expires.
    timeout
        Total seconds of one read, in addition to the transfer of its bytes at 100 kB/s.
    max_size
        Bytes that a buffer may have when it is read; by default half of the physical memory.
    """

    def __init__(
        self,
        path: Path,
        lock_seconds: float = LOCK_SECONDS,
        timeout: float | None = None,
        max_size: int | None = None,
    ) -> None:
        self.path = path
        self._top = str(path)
        self.name = f"directory {path}"
        self.cost_profile = "read_buffer"
        self.batch_size = BATCH_SIZE
        self._lock_seconds = lock_seconds
        self._timeout = lock_seconds if timeout is None else timeout
        self._max_size = default_max_size() if max_size is None else max_size
        #: files with wrong content and the outcome of reading them; each is reported once
        self._damaged: dict[str, str] = {}

    def find(self, digest: str) -> Path | None:
        """Return the file with the name of the buffer, if there is one."""
        for path, _ in self._candidates(digest):
            if os.path.isfile(path):
                return Path(path)
        return None

    def locate(self, digest: str) -> tuple[str, str]:
        """Return the outcome without reading, and the path of the file, or else of the folder."""
        path = self.find(digest)
        if path is None:
            return MISSING, str(self.path)
        return self._damaged.get(str(path), FOUND), str(path)

    def read(self, digest: str, length: int | None = None) -> ReadResult:
        """Return the verified content, or the outcome that explains why there is none.

        A damaged file is ignored, with a warning.
        """
        deadline = Deadline(self._timeout)
        pause = MIN_PAUSE
        while True:
            # checked before the read: content that appears after the lock is gone is complete
            locked = self._is_locked(digest)
            result = self._read_any(digest, length, deadline, unfinished=locked)
            if result.content is not None or not locked:
                return result
            if deadline.left() <= pause:
                return ReadResult(None, LOCKED)
            time.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def reset_after_fork(self) -> None:
        """Do nothing: no attribute belongs to one process."""

    def _read_any(
        self, digest: str, length: int | None, deadline: Deadline, *, unfinished: bool
    ) -> ReadResult:
        """Try all file names; while a writer is active, wrong content is not reported."""
        outcome = MISSING
        for path, suffix in self._candidates(digest):
            try:
                content = self._read(path, suffix, digest, length=length, deadline=deadline)
            except (FileNotFoundError, NotADirectoryError):
                self._damaged.pop(path, None)
            except (OSError, ValueError) as error:
                outcome = _outcome(error)
                if not unfinished:
                    self._warn(path, outcome, error)
            else:
                self._damaged.pop(path, None)
                return ReadResult(content, FOUND)
        return ReadResult(None, outcome)

    def _is_locked(self, digest: str) -> bool:
        for prefixed in (True, False):
            path = self._path(digest, prefixed=prefixed)
            with contextlib.suppress(OSError):
                age = time.time() - os.stat(path + LOCK_SUFFIX).st_mtime
                # clocks of two machines may differ, by less than the lifetime of a lock
                if abs(age) < self._lock_seconds:
                    return True
        return False

    def _read(
        self,
        path: str,
        suffix: str,
        digest: str,
        *,
        length: int | None,
        deadline: Deadline,
        follow: bool = True,
    ) -> bytes:
        """Return the content of a file if it has the digest.

        With `follow`, symbolic links are followed; else they count as irregular files.

        Raises
        ------
        OSError
            When the file is missing, unreadable, irregular, or damaged; of a subclass.
        ValueError
            When it is too large, or has other content; of a subclass.
        """
        # checked before opening: opening a named pipe waits for a writer, a device may do anything
        status = os.stat(path, follow_symlinks=follow)
        if not stat.S_ISREG(status.st_mode):
            raise _IrregularFileError("it is not a regular file")
        size, limit = status.st_size, self._max_size if length is None else length
        if not suffix and size > limit:
            raise TooLargeError(limit)
        with io.FileIO(path, opener=_open_without_waiting) as file:
            if suffix:
                return expanded(file, size, suffix, limit=limit, expected=digest, deadline=deadline)
            with io.BufferedReader(file) as whole:  # one call of `file` reads 2 GiB at most
                content = whole.read(size)
        found = calculate_checksum(content)
        if found != digest:
            raise ChecksumMismatchError(digest, found)
        return content

    def _warn(self, path: str, outcome: str, error: Exception) -> None:
        if path not in self._damaged:
            self._damaged[path] = outcome
            logger.warning("buffer file %s is not used: %s", path, error)

    def write(self, digest: str, content: bytes) -> None:
        """Store a buffer; it is on disk when this returns.

        Raises
        ------
        ChecksumMismatchError
            When `content` has another digest; nothing is stored then.
        OSError
            When the folder is not writable.
        """
        (error,) = self.write_together([(digest, content)])
        if error is not None:
            raise error

    def write_together(self, buffers: Sequence[tuple[str, bytes]]) -> list[Exception | None]:
        """Store several buffers like `write`; return the error of each, or None."""
        errors: list[Exception | None] = [None] * len(buffers)
        held: dict[int, str | None] = {}
        new: dict[int, tuple[str, bytes, Callable[[], object]]] = {}
        for index, (digest, content) in enumerate(buffers):
            try:
                check = _verification(digest, content)
                held[index] = path = self._held(digest, len(content))
                if path is None or not renew_time(path):
                    new[index] = self.new_path(digest), content, check
                else:
                    check()
            except (OSError, ValueError) as error:
                errors[index] = error
        failures = replace_entries(list(new.values()), FILE_MODE)
        for index, failure in zip(new, failures, strict=True):
            errors[index] = failure
            if failure is None:
                self._damaged.pop(new[index][0], None)
        for index, path in held.items():
            # it is there, as a file that another user owns and protects from other writers
            if isinstance(errors[index], OSError) and path is not None and os.path.exists(path):
                errors[index] = None
        try:
            sync_recent(self._top)  # another writer may have made folders in it
        except OSError as error:
            errors = [earlier or error for earlier in errors]
        return errors

    def new_path(self, digest: str) -> str:
        """Return where a new uncompressed file belongs; its folder exists afterwards.

        Raises
        ------
        OSError
            When a folder can't be created.
        """
        path = self._path(digest, prefixed=self._prepare_layout())
        self._make_folder(os.path.dirname(path))
        return path

    def _held(self, digest: str, length: int) -> str | None:
        """Return the file that has the buffer with the right content on disk, if there is one.

        A symbolic link does not count, since another user may change its target.
        """
        deadline = Deadline(self._timeout)
        for path, suffix in self._candidates(digest):
            with contextlib.suppress(OSError, ValueError):
                self._read(path, suffix, digest, length=length, deadline=deadline, follow=False)
                sync_recent(path, os.path.dirname(path))
                return path
        return None

    # -- layout -----------------------------------------------------------------------

    def _candidates(self, digest: str) -> Iterator[tuple[str, str]]:
        for prefixed in (True, False):
            path = self._path(digest, prefixed=prefixed)
            for suffix in SUFFIXES:
                yield path + suffix, suffix

    def _path(self, digest: str, *, prefixed: bool) -> str:
        return f"{self._top}/{digest[:2]}/{digest}" if prefixed else f"{self._top}/{digest}"

    def _prepare_layout(self) -> bool:
        """Return whether the folder has the prefix layout; a new folder gets it."""
        mark = self.path / PREFIX_MARK
        if mark.exists():
            return True
        self._make_top_folder()
        if self._is_flat():
            return False
        replace_entry(mark, PREFIX_MARK_CONTENT, MARK_MODE)
        return True

    def _is_flat(self) -> bool:
        with os.scandir(self.path) as entries:
            return any(_CHECKSUM_NAME.fullmatch(entry.name) for entry in entries)

    def _make_top_folder(self) -> None:
        check_folder(self.path)
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        if missing:
            # a warning, because Python hides info messages by default
            logger.warning(
                "buffer folder %s did not exist and is created; if its name is mistyped, correct "
                "SEAMLESS_BUFFER_DIR or configure(directory=...); %s=0 refuses missing folders",
                self.path,
                CREATE_VARIABLE,
            )
        for folder in missing:
            with contextlib.suppress(PermissionError):  # it may be writable and not readable
                sync_path(folder.parent)

    def _make_folder(self, folder: str) -> None:
        if os.path.isdir(folder):
            return
        Path(folder).mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):  # another user owns it: keep its mode
            Path(folder).chmod(FOLDER_MODE)
        sync_path(self.path)


def _verification(digest: str, content: bytes) -> Callable[[], object]:
    """Return what raises if content has another digest; a thread hashes large content meanwhile."""
    if len(content) >= MIN_BYTES_FOR_THREAD:
        return start_daemon_thread(lambda: _verify(digest, content)).result
    _verify(digest, content)
    return lambda: None


def _verify(digest: str, content: bytes) -> None:
    found = calculate_checksum(content)
    if found != digest:
        raise ChecksumMismatchError(digest, found)


class _IrregularFileError(OSError):
    """The entry is not a regular file."""


def _open_without_waiting(path: str, flags: int) -> int:
    # the file may have been replaced by a named pipe since it was checked
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


#: error of a read -> outcome; the first match counts
_OUTCOMES: tuple[tuple[type[Exception], str], ...] = (
    (TooLargeError, TOO_LARGE),
    (ChecksumMismatchError, CORRUPT),
    (CompressedDataError, CORRUPT),
    (_IrregularFileError, IRREGULAR),
    (TimeoutError, TIMEOUT),
    (Exception, UNREADABLE),
)


def _outcome(error: Exception) -> str:
    return next(outcome for kind, outcome in _OUTCOMES if isinstance(error, kind))
