"""Lock file for network file systems only; on a local disk, SQLite's own locks are enough.

On a network file system, only one server may write to a database. The server holds a lock on a
file beside the database. The kernel releases the lock when the process ends, so the file that a
killed server leaves behind blocks no other server. The lock is not held on the database itself,
because network file systems treat it there as one of the locks that SQLite needs.
"""

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

from seamless_database.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = "-owner"
#: bytes of a lock file that an error message repeats
_MAX_SHOWN = 200


class WriterLockFile:
    """The lock of the single writer, held until `release` or the end of the process.

    Raises a `FileError` if a process of this or another machine holds it.
    """

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + SUFFIX)
        try:
            owner = self._lock()
        except OSError as error:
            raise FileError(
                path,
                f"on a network file system only one server may write, and {self._path.name} "
                f"beside it cannot be locked to make sure of that ({error.strerror})",
            ) from error
        if owner is not None:
            raise FileError(
                path,
                f"on a network file system only one server may write, and {owner} does; "
                "end that one, or leave out --writable",
            )
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} of {socket.gethostname()}".encode(), 0)

    def release(self) -> None:
        """Release the lock and remove the file."""
        if self._descriptor < 0:
            return
        # removed while it is locked: a file that another server has locked must stay
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> WriterLockFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _lock(self) -> str | None:
        """Lock the file; returns the name of the process that holds the lock if another does."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # its former owner may have removed it between the two calls
                if self._is_current(descriptor):
                    self._descriptor = descriptor
                    return None
            except BlockingIOError:
                owner = os.pread(descriptor, _MAX_SHOWN, 0).decode(errors="replace")
                return owner or "another process"
            finally:
                if self._descriptor != descriptor:
                    os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False
