"""`delete_garbage`: deletes a file unless a writer renews it in the same moment.

A writer that finds its buffer in the directory renews the time of the file, and writes the buffer
anew if the file is gone (`BufferDirectory.write`). So the file is renamed first: a time that is
renewed before the rename is seen and the file is renamed back, and later the writer finds no
file. A process that is killed between leaves `*.deleted`, with which the next run does the same.
Each process gives the file another name, since it must not delete what another one renames back.
"""

from __future__ import annotations

import os
import re

from seamless.cli.buffers.folder import DAMAGED_SUFFIX, DELETED_SUFFIX, Kind, is_being_written
from seamless.cli.buffers.renaming import has_digest, rename_back

# paths are text, as those of the scan
# ruff: noqa: PTH104, PTH108

_RENAMED = re.compile(r"(\.[0-9a-f]{12})?\.deleted\Z")
_NO_BUFFERS = (DAMAGED_SUFFIX, Kind.TEMPORARY.value)

__all__ = ["delete_garbage", "put_back"]


def delete_garbage(path: str, digest: str, before: float) -> bool:
    """Delete a file that was last written before a time; return whether it was deleted.

    Parameters
    ----------
    path
        A buffer, what a run that was killed has left of it, or a damaged or temporary file.
    digest
        The name of the buffer.
    before
        In seconds; a file that was written later is kept.

    Raises
    ------
    OSError
        When the folder can't be changed.
    """
    try:
        changed = os.lstat(path).st_mtime
        if path.endswith(DELETED_SUFFIX):
            renamed = path
        elif changed >= before:
            return False
        elif path.endswith(_NO_BUFFERS):
            os.unlink(path)
            return True
        elif is_being_written(path, digest, changed):
            return False
        else:
            renamed = f"{path}.{os.urandom(6).hex()}{DELETED_SUFFIX}"
            os.rename(path, renamed)
        if os.lstat(renamed).st_mtime >= before:
            put_back(renamed, digest)
            return False
        os.unlink(renamed)
    except FileNotFoundError:
        return False  # another process has deleted it
    return True


def put_back(renamed: str, digest: str) -> None:
    """Rename a file back that should have been deleted, unless the buffer has been written anew.

    It stays where it is while the new file is damaged or unfinished.

    Raises
    ------
    OSError
        When the folder can't be changed, or the new file can't be read.
    """
    original = _RENAMED.sub("", renamed)
    if not rename_back(renamed, original) and has_digest(original, digest):
        os.unlink(renamed)
