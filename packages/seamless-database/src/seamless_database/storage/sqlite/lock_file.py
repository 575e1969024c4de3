"""Who may write to a file on a network file system: one server, marked by a locked file beside it.

The lock is the mark, the file is only where it is held: the system gives the lock up when its
holder ends, in whatever way, so a mark that a killed server has left behind is in nobody's way.
It is not held on the database itself, because there network file systems treat it as one of the
locks that SQLite needs for itself.
"""

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

from seamless_database.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

SUFFIX = "-owner"
#: bytes of a mark that are believed to name its owner
_SHOWN = 200


class WriterLockFile:
    """The right to write to a database file; given up by `release`, or by the end of the process.

    Raises `FileError` if another process has it, here or on another machine.
    """

    def __init__(self, path: Path) -> None:
        self._mark = path.with_name(path.name + SUFFIX)
        try:
            self._descriptor = self._lock()
        except BlockingIOError:
            raise FileError(
                path,
                f"on a network file system only one server may write, and {self._owner()} does; "
                "end that one, or leave out --writable",
            ) from None
        except OSError as error:
            raise FileError(
                path,
                f"on a network file system only one server may write, and {self._mark.name} "
                f"beside it cannot be locked to make sure of that ({error.strerror})",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} of {socket.gethostname()}".encode(), 0)

    def release(self) -> None:
        """Give it up, and remove the mark."""
        if self._descriptor < 0:
            return
        # removed while it is still ours: a mark that another server has locked must stay
        self._mark.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> WriterLockFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _lock(self) -> int:
        while True:
            descriptor = os.open(self._mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_mark(descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            # its former owner has removed it between our two calls
            os.close(descriptor)

    def _is_mark(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._mark.stat())
        except FileNotFoundError:
            return False

    def _owner(self) -> str:
        try:
            name = self._mark.read_bytes()[:_SHOWN].decode(errors="replace")
        except OSError:
            name = ""
        return name or "another process"
