"""What the age of a file in a buffer directory says: whether it is on disk, and may be deleted."""

from __future__ import annotations

import contextlib
import os
import time

from seamless.util.atomic_file import sync_path

# paths are text, as in `stores.directory`
# ruff: noqa: PTH116

__all__ = ["renew_time", "sync_recent"]

#: Seconds after which the system has written a change to the disk without being asked.
RECENT_SECONDS = 120.0
#: Age in seconds up to which a buffer that is written again keeps its time.
RENEWED_SECONDS = 30.0


def sync_recent(changed: str, *others: str) -> None:
    """Sync paths if the first has changed lately, maybe by a writer that has not synced it."""
    with contextlib.suppress(PermissionError):  # a folder may be writable and not readable
        if abs(time.time() - os.stat(changed).st_ctime) < RECENT_SECONDS:
            for path in (changed, *others):
                sync_path(path)


def renew_time(path: str | os.PathLike[str]) -> bool:
    """Let a file look newly written; return whether it is there and does.

    `seamless-buffers gc` deletes no buffer that was written lately. A buffer that is written again
    must look so, because it may be needed only now. The file of another user can't be changed.
    """
    try:
        age = time.time() - os.lstat(path).st_mtime
        if not 0 <= age < RENEWED_SECONDS:
            os.utime(path, follow_symlinks=False)
            os.lstat(path)  # it may have been renamed before its time was changed
    except OSError:
        return False
    return True
