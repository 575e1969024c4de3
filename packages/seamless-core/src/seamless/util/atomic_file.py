"""Atomic writes of files: a reader sees the old content or the new, never a part.

The bytes are written to a temporary file in the same folder, which is then renamed: a rename is
atomic only within one file system. `write_atomically` is for a file that a user names: it
follows links and writes to named pipes and devices, as `open` does. `replace_entry` is for a
store that owns its folder: it replaces any entry of the name, and follows no link.
"""

from __future__ import annotations

import contextlib
import os
import stat

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

# the import of pathlib would cost the commands more time than their writes
# ruff: noqa: PTH108, PTH118, PTH120

#: bytes of a file name that its temporary file repeats: some file systems allow only 143
_NAME_BYTES = 100
#: Bytes of a file from which its transfer takes longer than the sync of its metadata.
_MAX_EARLY_BYTES = 1 << 20
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`; a regular file is replaced and keeps its permissions.

    A symbolic link is followed. A named pipe or device is written to. After a failure the old
    file is unchanged and no temporary file remains.

    Raises
    ------
    OSError
        When the file can't be written, or the folder can't be changed.
    """
    write_together([(path, content)])


def write_together(files: Sequence[tuple[str | os.PathLike[str], bytes]]) -> None:
    """Write several files like `write_atomically`; a failure or Ctrl-C changes none of them.

    Raises
    ------
    OSError
        When a file can't be written, or a folder can't be changed.
    """
    renamed: dict[str, str] = {}
    with _removed_on_failure(renamed):
        for path, content in files:
            with _named_after(path):
                _write_beside(path, content, renamed)
        try:
            # one call of a C function: KeyboardInterrupt is not raised between two renames
            list(map(os.replace, renamed, renamed.values()))
        except OSError as error:
            error.filename = error.filename2
            del error.filename2  # None would be shown as "-> None"
            raise


def replace_entry(path: str | os.PathLike[str], content: bytes, mode: int) -> None:
    """Replace the directory entry `path` by a new file, and sync the file and its folder.

    A file, link, named pipe or device of this name is replaced; no link is followed. After a
    failure the old entry is unchanged and no temporary file remains.

    Raises
    ------
    OSError
        When the folder can't be changed, or `path` is itself a folder.
    """
    (error,) = replace_entries([(path, content, lambda: None)], mode)
    if error is not None:
        raise error


def replace_entries(
    entries: Sequence[tuple[str | os.PathLike[str], bytes, Callable[[], object]]], mode: int
) -> list[OSError | ValueError | None]:
    """Replace several entries like `replace_entry`; return the error of each, or None.

    The third item of an entry is called before the rename, and raises if there must be none.

    All files are written before the first is synced, and each folder is synced once: the file
    system then writes many of them to the disk together.
    """
    synced: dict[str, OSError | None] = {}
    errors: list[OSError | ValueError | None] = [None] * len(entries)
    with contextlib.ExitStack() as stack:
        steps = [
            stack.enter_context(contextlib.closing(_replacement(*entry, mode, synced)))
            for entry in entries
        ]
        for _ in range(3):
            errors = [error or _error_of(step) for error, step in zip(errors, steps, strict=True)]
    return errors


def _replacement(
    path: str | os.PathLike[str],
    content: bytes,
    check: Callable[[], object],
    mode: int,
    synced: dict[str, OSError | None],
) -> Generator[None, None, None]:
    """Replace an entry in three steps: write a file; sync and rename it; sync its folder."""
    temporary = temporary_name(os.fspath(path))
    with _named_after(path):
        with _removed_on_failure([temporary]):
            descriptor = os.open(temporary, _NEW_FILE, mode)
            try:
                os.fchmod(descriptor, mode)
                _write_all(descriptor, content)
                _start_writing_back(descriptor, len(content))
                yield
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            check()
            os.replace(temporary, path)  # noqa: PTH105 - pathlib is slow to import
        yield
        folder = os.path.dirname(path) or "."
        if folder not in synced:
            synced[folder] = _sync_error(folder)
        if (error := synced[folder]) is not None:  # a second sync would not report it
            raise OSError(error.errno, error.strerror)


def _sync_error(folder: str) -> OSError | None:
    try:
        sync_path(folder)
    except OSError as error:
        return error
    return None


def _start_writing_back(descriptor: int, size: int) -> None:
    """Start the transfer to the disk, so that the first sync of several files waits for all."""
    if 1 < size < _MAX_EARLY_BYTES and hasattr(os, "posix_fadvise"):  # macOS lacks it
        with contextlib.suppress(OSError):  # the sync reports what has failed
            # Linux starts the transfer, and then drops the whole pages of the range: not the last
            os.posix_fadvise(descriptor, 0, size - 1, os.POSIX_FADV_DONTNEED)


def _error_of(step: Generator[None, None, None]) -> OSError | ValueError | None:
    """Run one step; return its error."""
    try:
        next(step, None)
    except (OSError, ValueError) as error:
        return error
    return None


def _write_beside(path: str | os.PathLike[str], content: bytes, renamed: dict[str, str]) -> None:
    """Write a temporary file and add it to `renamed` with its final name; or write to a pipe."""
    status = None
    with contextlib.suppress(FileNotFoundError):
        # not "wb", which would create or truncate; opening checks the permissions
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or _is_open_elsewhere(path):
                if stat.S_ISREG(status.st_mode):
                    os.ftruncate(descriptor, 0)
                _write_all(descriptor, content)
                return
        finally:
            os.close(descriptor)
    target = os.path.realpath(path)
    temporary = temporary_name(target)
    renamed[temporary] = target
    descriptor = os.open(temporary, _NEW_FILE, 0o666 if status is None else 0o600)
    try:
        if status is not None:
            _copy_permissions(status, descriptor)
        _write_all(descriptor, content)
    finally:
        os.close(descriptor)


def temporary_name(target: str) -> str:
    """Return a new name for the unfinished file, beside the target."""
    folder, name = os.path.split(target)
    shown = os.fsencode(name)[:_NAME_BYTES].decode(errors="ignore")
    return os.path.join(folder, f".{shown}.{os.urandom(6).hex()}.tmp")


@contextlib.contextmanager
def _removed_on_failure(temporaries: Iterable[str]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for temporary in temporaries:
            with contextlib.suppress(OSError):  # the first error is raised
                os.unlink(temporary)
        raise


def _write_all(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content)
    while written < len(content):  # one call writes 2 GiB at most
        written += os.write(descriptor, memoryview(content)[written:])


def _is_open_elsewhere(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` refers to an open file, as `/dev/stdout` does."""
    folder = os.path.dirname(os.fspath(path))
    return folder in {"/dev", "/dev/fd"} or folder.startswith("/proc/")


def _copy_permissions(status: os.stat_result, new: int) -> None:
    """Copy owner and mode to a new file, without granting access to another group."""
    mode = status.st_mode & 0o777
    created = os.fstat(new)
    if (created.st_uid, created.st_gid) != (status.st_uid, status.st_gid):
        try:
            os.fchown(new, status.st_uid, status.st_gid)
        except PermissionError:
            try:
                os.fchown(new, -1, status.st_gid)
            except PermissionError:  # the group bits would apply to another group
                mode &= ~0o070 | (mode & 0o007) << 3
    os.fchmod(new, mode)


def sync_path(path: str | os.PathLike[str]) -> None:
    """Sync the content of a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named_after(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an OSError name `path`, not the temporary file."""
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        del error.filename2  # None would be shown as "-> None"
        raise
