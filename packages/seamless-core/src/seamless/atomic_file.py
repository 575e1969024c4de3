"""Replacing a file as a whole: a reader sees the old content or the new, never a part.

The bytes go to a temporary file in the same folder, which then takes the name: a rename is
atomic only within one file system.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_atomically(
    path: Path, content: bytes | memoryview, *, mode: int | None = None, durable: bool = False
) -> None:
    """Write `content` to `path`, replacing what is there; a symbolic link is followed.

    On failure nothing is left behind and the old file is untouched.

    Parameters
    ----------
    path, content
        Where, and what.
    mode
        Permissions of the file; by default those it has, or that `open` would give a new one.
    durable
        If true, the file and its name are on the disk when this returns.

    Raises
    ------
    OSError
        When the folder or the file can't be written.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.tmp")
    # "x" never follows or truncates a file that somebody else has put there
    with _named_after(path), temporary.open("xb") as handle:
        try:
            handle.write(content)
            handle.flush()
            if mode is None:
                mode = _mode_of(target)
            if mode is not None:
                os.fchmod(handle.fileno(), mode)
            if durable:
                os.fsync(handle.fileno())
            os.replace(temporary, target)  # noqa: PTH105 - the handle is still open
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    if durable:
        sync_folder(target.parent)


def _mode_of(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named_after(path: Path) -> Iterator[None]:
    """Let an error name the file that was asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
