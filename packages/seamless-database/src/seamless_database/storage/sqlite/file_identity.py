"""File identity: whether the path of an open database still names the file that was opened.

A file that was renamed or removed stays open: what is written to it is lost to every process that
opens the path later. So files are compared by device and inode.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from typing import TYPE_CHECKING

from seamless_database.errors import FileReplacedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: seconds for which reads rely on a comparison, and between two comparisons of the watch
INTERVAL = 1.0
_FORMAT = struct.Struct("=QQ")


class FileIdentity:
    """The files that a database has opened; safe from any thread after `note`.

    Parameters
    ----------
    path
        the database file
    clock
        a monotonic clock, in seconds
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._known: dict[Path, tuple[int, int]] = {}
        self._next_check = 0.0

    def note(self, *, with_wal: bool = False) -> bytes:
        """Remember the present file, and its WAL; returns device and inode of the file."""
        files = [self._path]
        if with_wal:
            files.append(self._path.with_name(f"{self._path.name}-wal"))
        for file in files:
            found = file.stat()
            self._known[file] = found.st_dev, found.st_ino
        return _FORMAT.pack(*self._known[self._path])

    def check(self) -> None:
        """Raise a `FileReplacedError` if a file is missing or was replaced."""
        for file in self._known:
            self._check(file)

    def check_file(self) -> None:
        """Check the database file, and its WAL unless it was checked within `INTERVAL`."""
        if not self.check_lately() and self._known:
            self._check(self._path)

    def check_lately(self) -> bool:
        """Check the files unless that was done within `INTERVAL`; returns whether it was done."""
        now = self._clock()
        if now < self._next_check:
            return False
        self.check()
        self._next_check = now + INTERVAL
        return True

    def _check(self, file: Path) -> None:
        try:
            found = os.stat(file)  # noqa: PTH116  # faster, and done with each commit
        except (FileNotFoundError, NotADirectoryError):
            raise FileReplacedError(file) from None
        except OSError:
            # unknown for now; a read or a write fails with the same error
            return
        if (found.st_dev, found.st_ino) != self._known[file]:
            raise FileReplacedError(file)

    @property
    def degraded_reason(self) -> str | None:
        """The message of the error that `check` raises, if it raises one."""
        try:
            self.check()
        except FileReplacedError as error:
            return str(error)
        return None


class IdentityWatch:
    """A thread that checks the files of a database while it serves no request.

    Parameters
    ----------
    identity
        the files
    on_replaced
        called once, by the thread, when a file was replaced
    """

    def __init__(self, identity: FileIdentity, on_replaced: Callable[[], object]) -> None:
        self._identity = identity
        self._on_replaced = on_replaced
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._loop, name="seamless-database-file-watch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stopped.wait(INTERVAL):
            if self._identity.degraded_reason is not None:
                self._on_replaced()
                return
