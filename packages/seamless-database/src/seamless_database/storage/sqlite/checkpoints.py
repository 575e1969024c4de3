"""Checkpoints: a thread copies the WAL into the database file, so that no commit waits for that.

SQLite would run a checkpoint inside the commit that makes the WAL long enough, and the writes of
that commit would wait for a sync of the database file. Here a thread runs them on connections of
its own.

SQLite begins the WAL anew if a transaction begins while all of it is copied and no connection reads
from it. A writer that never pauses adds frames during each checkpoint of the thread. So the writer
runs one itself, before its next transaction, when the WAL is long. Little is left to copy by then,
because the thread has just copied the rest, but SQLite syncs the file only when nothing is left.
So this is rare: less than one commit in a hundred waits for it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from seamless_database.storage.sqlite.connection import Connection, retry_while_locked
from seamless_database.storage.sqlite.wal_file import WalFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seamless_database.storage.sqlite.file_identity import FileIdentity

#: bytes by which the WAL grows between two checkpoints of the thread: short ones keep commits from
#: waiting long for the disk
COPY_STEP = 4 * 1024 * 1024
#: bytes of the WAL above which the writer completes a checkpoint, if little is left to copy. The
#: WAL keeps its size on the disk: to write over former frames is faster than to make it longer.
RESTART_SIZE = 32 * 1024 * 1024
#: bytes that are little: the writes that wait for the writer hardly notice
LITTLE = 512 * 1024
#: bytes of the WAL above which the writer copies all that is left, and waits for readers
WAIT_SIZE = 64 * 1024 * 1024
#: how often the writer looks whether a connection reads from the WAL, and seconds between two looks
WAITS, PAUSE = 50, 0.01


class WriterStep(Enum):
    """What the writer does about a long WAL before its next transaction."""

    NONE = auto()
    #: complete the checkpoint
    COPY = auto()
    #: complete the checkpoint, and wait until no connection reads from the WAL
    WAIT = auto()


def writer_step(size: int, waited_at: int, *, is_little_left: bool) -> WriterStep:
    """Decide what the writer does.

    Parameters
    ----------
    size
        bytes of the WAL in use
    waited_at
        bytes of the WAL when the writer last waited in vain; it waits again at twice that size
    is_little_left
        whether nearly all of the WAL is copied
    """
    if size > max(WAIT_SIZE, 2 * waited_at):
        return WriterStep.WAIT
    return WriterStep.COPY if size > RESTART_SIZE and is_little_left else WriterStep.NONE


class Checkpoints:
    """The thread that runs checkpoints of one file in WAL mode.

    Parameters
    ----------
    path
        the absolute path of the file
    identity
        checks whether the path still names the file that the writer has open
    lock_wait
        seconds to wait while another process holds the lock of the file, as after a crash
    """

    def __init__(self, path: Path, identity: FileIdentity, lock_wait: float) -> None:
        self._identity = identity
        #: guards the two connections
        self._lock = threading.Lock()
        #: salts of the WAL at the last checkpoint, and the bytes of it that were in use
        self._seen = b"", 0
        self._waited_at = 0
        self._writer_step = WriterStep.NONE
        self._wake = threading.Event()
        self._is_closed = False
        with ExitStack() as opened:
            self._copier = _connect(path, opened, lock_wait)
            self._guard = _connect(path, opened, lock_wait)
            # the path may name another file by now
            identity.check()
            self._wal = WalFile(path.with_name(f"{path.name}-wal"), _page_size(self._copier))
            opened.callback(self._wal.close)
            self._opened = opened.pop_all()
        self._thread = threading.Thread(
            target=self._loop, name="seamless-database-checkpoints", daemon=True
        )
        self._thread.start()

    def note_commit(self) -> None:
        """Wake the thread if the WAL has grown enough; called by the writer after a commit."""
        # an error of the disk must not spoil an acknowledged commit; the next one looks again
        with suppress(OSError):
            if not self._wake.is_set():
                salts = self._wal.salts()
                if self._wal.is_longer(self._size_seen(salts) + COPY_STEP, salts):
                    self._wake.set()

    def before_transaction(self) -> None:
        """Complete the checkpoint of a long WAL; called by the writer, which then adds nothing."""
        step, self._writer_step = self._writer_step, WriterStep.NONE
        if step is WriterStep.COPY:
            self._copy("PASSIVE")
        elif step is WriterStep.WAIT:
            self._wait_for_readers()

    def close(self) -> None:
        """Stop the thread and close the connections."""
        self._is_closed = True
        self._wake.set()
        self._thread.join()
        self._opened.close()

    def _loop(self) -> None:
        # looked at after `clear`, which may undo the `set` of `close`
        while not self._is_closed:
            self._wake.wait()
            if not self._is_closed:
                self._writer_step = self._copy_beside_writer()
            self._wake.clear()

    def _copy_beside_writer(self) -> WriterStep:
        self._copy("PASSIVE")
        if self._seen[1] > RESTART_SIZE:
            # what was committed during the first one
            self._copy("PASSIVE")
        salts, size = self._seen
        is_little_left = not self._wal.is_longer(size + LITTLE, salts)
        return writer_step(size, self._waited_at, is_little_left=is_little_left)

    def _wait_for_readers(self) -> None:
        self._copy("PASSIVE")
        self._waited_at = self._seen[1]
        for _ in range(WAITS):
            if self._copy("RESTART"):
                return
            time.sleep(PAUSE)

    def _copy(self, mode: str) -> bool:
        """Run a checkpoint; returns whether neither a reader nor another checkpoint was in its way.

        After a failure the frames are still in the WAL, so that nothing is lost, and the next
        write reports the error if it lasts. SQLite ignores errors of its own checkpoints too.
        """
        with self._lock, suppress(sqlite3.Error, OSError):
            salts = self._wal.salts()
            if salts != self._seen[0]:
                self._waited_at = 0
            # if nothing comes of it, or another process copies: not again before one more step
            self._seen = salts, self._size_seen(salts) + COPY_STEP
            self._identity.check()
            with self._no_restart():
                row = self._copier.command(f"PRAGMA wal_checkpoint({mode})")
            if row is not None and row[1] >= 0:
                self._seen = salts, self._wal.size_of(row[1])
            return row is not None and row[0] == 0
        return False

    @contextmanager
    def _no_restart(self) -> Iterator[None]:
        """Keep other connections from beginning the WAL anew during a checkpoint.

        Until version 3.51.2 of SQLite, a checkpoint of a WAL that is copied already may overlook
        that a commit begins it anew, and later commits are lost
        (https://sqlite.org/wal.html#walresetbug). A read transaction prevents that: it reads from
        the WAL, or, if all of it is copied, from the file, which then no checkpoint changes.
        """
        self._guard.command("BEGIN")
        try:
            self._guard.command("PRAGMA schema_version")
            yield
        finally:
            self._guard.rollback()

    def _size_seen(self, salts: bytes) -> int:
        seen, size = self._seen
        return size if seen == salts else 0


def _connect(path: Path, opened: ExitStack, lock_wait: float) -> Connection:
    connection = Connection.open(path, "rw")
    opened.callback(connection.close)
    # SQLite opens the WAL at the first statement
    retry_while_locked(lambda: connection.command("PRAGMA schema_version"), lock_wait)
    # the default of SQLite, unless it was built otherwise: a checkpoint syncs WAL and file
    connection.command("PRAGMA synchronous=FULL")
    return connection


def _page_size(connection: Connection) -> int:
    row = connection.command("PRAGMA page_size")
    assert row is not None
    return int(row[0])
