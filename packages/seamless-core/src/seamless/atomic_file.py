"""Replacing a file as a whole: a reader sees the old content or the new, never a part.

The bytes go to a temporary file in the same folder, which then takes the name: a rename is
atomic only within one file system.
"""

from __future__ import annotations

import contextlib
import os
import stat

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Iterator

# pathlib would cost the commands more than all the writing they do
# ruff: noqa: PTH105, PTH108, PTH116, PTH118


def write_atomically(
    path: str | os.PathLike[str],
    content: bytes | memoryview,
    *,
    mode: int | None = None,
    durable: bool = False,
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
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:200]}.{os.urandom(6).hex()}.tmp")
    # "x" never follows or truncates a file that somebody else has put there
    with _named_after(path), open(temporary, "xb") as handle:
        try:
            handle.write(content)
            handle.flush()
            if mode is None:
                mode = _mode_of(target)
            if mode is not None:
                os.fchmod(handle.fileno(), mode)
            if durable:
                os.fsync(handle.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    if durable:
        sync_folder(folder)


def _mode_of(path: str) -> int | None:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named_after(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an error name the file that was asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise
