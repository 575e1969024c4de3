"""Whether the files of a database are still those that were opened, and not others of their names.

A file that is renamed or removed stays open under its former name: what is written to it is lost
to everybody who opens that name later. So files are compared by device and inode.
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

#: seconds for which a comparison is relied on, where reading goes on, and between two of a watch
INTERVAL = 1.0
_FORM = struct.Struct("=QQ")


class Identity:
    """The files that a database has opened; safe from any thread once they are noted.

    Parameters
    ----------
    path
        the database file
    clock
        seconds that never go back
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._known: dict[Path, tuple[int, int]] = {}
        self._next = 0.0

    def note(self, *, with_journal: bool = False) -> bytes:
        """Take the file that is there for the one that was opened, and its WAL; gives its mark."""
        files = [self._path]
        if with_journal:
            files.append(self._path.with_name(f"{self._path.name}-wal"))
        for file in files:
            found = file.stat()
            self._known[file] = found.st_dev, found.st_ino
        return _FORM.pack(*self._known[self._path])

    def check(self) -> None:
        """Raise a `FileReplacedError` if a file is not there, or another one is."""
        for file in self._known:
            self._check(file)

    def check_file(self) -> None:
        """Do so for the database file; for its WAL too, unless that was done just now."""
        if not self.check_lately() and self._known:
            self._check(self._path)

    def check_lately(self) -> bool:
        """Do so unless that was done just now; tells whether it was done."""
        now = self._clock()
        if now < self._next:
            return False
        self.check()
        self._next = now + INTERVAL
        return True

    def _check(self, file: Path) -> None:
        try:
            found = os.stat(file)  # noqa: PTH116  # quicker, and done with each commit
        except (FileNotFoundError, NotADirectoryError):
            raise FileReplacedError(file) from None
        except OSError:
            # it cannot be told now, and reading or writing has the same error
            return
        if (found.st_dev, found.st_ino) != self._known[file]:
            raise FileReplacedError(file)

    @property
    def degraded_reason(self) -> str | None:
        """Tell what `check` raises."""
        try:
            self.check()
        except FileReplacedError as error:
            return str(error)
        return None


class IdentityWatch:
    """A thread that compares the files of a database even while nothing is asked of it.

    Parameters
    ----------
    identity
        what is compared
    on_trouble
        called once, by the thread, when a file was replaced
    """

    def __init__(self, identity: Identity, on_trouble: Callable[[], object]) -> None:
        self._identity = identity
        self._on_trouble = on_trouble
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._loop, name="seamless-database-file-watch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ended.wait(INTERVAL):
            if self._identity.degraded_reason is not None:
                self._on_trouble()
                return
