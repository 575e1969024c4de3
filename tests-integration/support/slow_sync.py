"""The server, with a SQLite whose syncs take their time and are noted: `slow_sync.py LOG ARGS`.

Every file that SQLite opens gets another `xSync`. A sync is preceded by a pause and followed by a
line in LOG, with the time: an answer that does not wait for its sync comes before that line.
"""

from __future__ import annotations

import ctypes
import sqlite3
import sys
import time
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_void_p
from pathlib import Path

from seamless_database.cli.main import main

#: seconds before each sync
PAUSE = 0.15
#: words before a VFS's `xOpen`, and before the `xSync` of a file's methods
X_OPEN, X_SYNC = 5, 5
#: words of a table of methods, of version 3
METHODS = 19

XOpen = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
XSync = CFUNCTYPE(c_int, c_void_p, c_int)
Table = c_void_p * METHODS


def library() -> ctypes.CDLL:
    """Find the SQLite that Python's own module uses; raises OSError where it cannot be shared."""
    import _sqlite3

    # what Python has loaded is found through the module that needs it
    loaded = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        loaded.sqlite3_vfs_find.restype = c_void_p
    except AttributeError as error:
        raise OSError("SQLite is built into Python") from error
    version = ctypes.cast(loaded.sqlite3_libversion, CFUNCTYPE(c_char_p))()
    if version.decode() != sqlite3.sqlite_version:
        raise OSError("another SQLite is found first")
    return loaded


class SlowSync:
    """The VFS; it must live as long as SQLite is used."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a", buffering=1)
        self._sqlite = library()
        address = self._sqlite.sqlite3_vfs_find(None)
        # three numbers in two words, then the next one, its name, its own data, and `xOpen`
        self._vfs = ctypes.cast(address, POINTER(c_void_p * (X_OPEN + 1))).contents
        self._open = XOpen(self._vfs[X_OPEN] or 0)
        self._opened = XOpen(self.open)
        self._tables: dict[int, tuple[object, ...]] = {}
        self._vfs[X_OPEN] = ctypes.cast(self._opened, c_void_p).value

    def open(self, vfs: int, name: int | None, file: int, flags: int, reported: int | None) -> int:
        """Open a file as ever, then put another table of methods in its place."""
        # the name stays a pointer: SQLite keeps more behind it
        result = int(self._open(vfs, name, file, flags, reported))
        methods = ctypes.cast(file, POINTER(c_void_p))
        if result == 0 and methods[0]:
            methods[0] = self._slowed(int(methods[0]))
        return result

    def _slowed(self, address: int) -> int:
        """Copy a table of methods, with another `xSync`."""
        if address not in self._tables:
            original = ctypes.cast(address, POINTER(Table)).contents
            sync = XSync(original[X_SYNC] or 0)

            def slow(file: int, flags: int) -> int:
                time.sleep(PAUSE)
                result = int(sync(file, flags))
                self._log.write(f"{time.monotonic()}\n")
                return result

            slowed = XSync(slow)
            table = Table(*original)
            table[X_SYNC] = ctypes.cast(slowed, c_void_p).value
            self._tables[address] = (table, slowed, sync)
            self._tables[ctypes.addressof(table)] = self._tables[address]
        return ctypes.addressof(self._tables[address][0])  # type: ignore[arg-type]  # a table


if __name__ == "__main__":
    kept = SlowSync(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
