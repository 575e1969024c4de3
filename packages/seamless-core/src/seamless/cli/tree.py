"""Files for the commands: checksums of plain content, sidecars, the tree below a folder."""

from __future__ import annotations

import io
import os
import stat

from seamless.checksum.calculate_checksum import calculate_chunks_checksum
from seamless.cli.command import CommandError
from seamless.compression_utils import (
    COMPRESSION_SUFFIXES,
    MEMORY,
    CompressedDataError,
    WindowTooLargeError,
    open_chunks,
    strip_compression_suffix,
)

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Set

    from _typeshed import WriteableBuffer

    #: called with the error of a file that can't be read or listed
    Failed = Callable[[Exception], None]

__all__ = [
    "checksum_sidecar",
    "index_targets",
    "list_tree",
    "own_files",
    "plain_checksum",
    "relative_path",
    "write_sidecars",
]


class _WatchedFile(io.FileIO):
    """A file that calls `advance` with the number of bytes of each read."""

    def __init__(self, path: str, advance: Callable[[int], None]) -> None:
        super().__init__(path)
        self._advance = advance

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer) or 0
        self._advance(count)
        return count


def plain_checksum(
    path: str,
    advance: Callable[[int], None] | None = None,
    opened: Callable[[int], None] | None = None,
    memory: int = MEMORY,
) -> str:
    """Return the hex digest of a file's content, which is decompressed according to its suffix.

    `advance` is called with the number of bytes read from the file, before decompression.
    `opened` is called with the descriptor before the first read. Decompression takes at most
    `memory` bytes.
    """
    suffix = strip_compression_suffix(path)[1]
    with io.FileIO(path) if advance is None else _WatchedFile(path, advance) as stream:
        if opened is not None:
            opened(stream.fileno())
        try:
            return calculate_chunks_checksum(open_chunks(stream, suffix, memory))
        except WindowTooLargeError as error:
            raise CommandError(f"{path!r}: {error}: give --memory SIZE") from error
        except CompressedDataError as error:
            raise CommandError(f"{path!r}: {error}") from error


def checksum_sidecar(path: str) -> str:
    """Return the path of a sidecar: `x`, `x.gz` and `x.INDEX` share `x.CHECKSUM`."""
    stem = strip_compression_suffix(path)[0]
    base, extension = os.path.splitext(stem)  # noqa: PTH122 - pathlib would slow every start
    return (base if extension == ".INDEX" else stem) + ".CHECKSUM"


def index_targets(folder: str) -> tuple[str, str]:
    """Return the paths of the index of a folder and of its checksum.

    Raises
    ------
    CommandError
        When the path is not a folder, or a target is a folder.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - pathlib would slow every start
        raise CommandError(f"{folder!r} is not a directory")
    stem = folder.rstrip("/") or "/"
    targets = f"{stem}.INDEX", checksum_sidecar(stem)
    for target in targets:
        if os.path.isdir(target):  # noqa: PTH112 - as above
            raise CommandError(f"{target!r} has to be written, but is a directory: rename it")
    return targets


def own_files(folder: str, targets: Iterable[str]) -> set[str]:
    """Return the names of the command's own files in a folder, which the index leaves out."""
    return {relative_path(target, folder) for target in targets}


def relative_path(target: str, folder: str) -> str:
    """Return the path of a target relative to the folder; begins with `..` outside of it."""
    parent, name = os.path.split(target)
    beside = os.path.realpath(parent or ".")
    return os.path.relpath(os.path.join(beside, name), os.path.realpath(folder))  # noqa: PTH118 - as above


def write_sidecars(*files: tuple[str, bytes]) -> None:
    """Replace several sidecars, given as path and content; a failure changes none of them."""
    from seamless.util.atomic_file import write_together

    write_together(files)


def list_tree(
    folder: str, leave_out: Set[str] = frozenset(), failed: Failed | None = None
) -> dict[str, str]:
    """Return index name → path of every file below a folder, sorted by index name.

    The index name is the relative path with `/` as separator, without a compression suffix.
    Links to files count as files; links to folders are left out. Errors are: a named pipe, socket
    or device; two files with the same index name; a name that is not UTF-8. If `failed` is given,
    it is called with each error, and the file is left out.
    """
    found: dict[str, str] = {}
    refuse = failed or _raise
    for prefix, base, files in _walk(folder, refuse):
        names = [prefix + file for file in files]
        named = zip(names, [base + file for file in files], strict=True)
        if _any_compressed(files) or not leave_out.isdisjoint(names):
            _add_one_by_one(found, named, leave_out, refuse)
        else:
            found.update(named)
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        for name in _unencodable(found):
            path = found.pop(name)
            refuse(
                CommandError(f"{path!r}: the name is not UTF-8, which an index needs: rename it")
            )
    return {name: found[name] for name in sorted(found)}


def _any_compressed(files: Iterable[str]) -> bool:
    """Return whether a name has a compression suffix; ten times as fast as a test of each name."""
    joined = "/".join((*files, ""))
    return any(f"{suffix}/" in joined for suffix in COMPRESSION_SUFFIXES)


def _add_one_by_one(
    found: dict[str, str],
    named: Iterable[tuple[str, str]],
    leave_out: Set[str],
    refuse: Failed,
) -> None:
    """Add the files of a folder in which some are left out or compressed."""
    for relative, path in named:
        if relative in leave_out:
            continue
        name = strip_compression_suffix(relative)[0]
        if name in found:
            refuse(
                CommandError(
                    f"{found[name]!r} and {path!r} would both be {name!r} in the index: remove one"
                )
            )
        found[name] = path


def _raise(error: Exception) -> None:
    raise error


def _unencodable(names: Iterable[str]) -> list[str]:
    """Return the names that are not UTF-8, sorted: Python decodes their bytes as surrogates."""
    return sorted(name for name in names if any("\udc80" <= char <= "\udcff" for char in name))


def _walk(folder: str, refuse: Failed) -> Iterator[tuple[str, str, list[str]]]:
    """Yield for each folder: the prefix of its index names, that of its paths, and its file names.

    The order is nearly that of the index, so that sorting it is fast. The stack is explicit,
    because a tree may be deeper than Python's recursion limit.
    """
    pending = [("", folder if folder.endswith("/") else f"{folder}/")]
    while pending:
        prefix, base = pending.pop()
        files, folders = [], []
        try:
            with os.scandir(base) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        files.append(entry.name)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif _counts(entry, refuse):
                        files.append(entry.name)
        except OSError as error:
            refuse(error)
        files.sort()
        folders.sort(reverse=True)
        pending += [(f"{prefix}{name}/", f"{base}{name}/") for name in folders]
        yield prefix, base, files


def _counts(entry: os.DirEntry[str], refuse: Failed) -> bool:
    """Return whether a link or special file counts as a file; pass an error to `refuse`."""
    try:
        return _is_file(entry)
    except (OSError, CommandError) as error:
        refuse(error)
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether a link or special file leads to a file; a dangling link is an OSError."""
    mode = os.stat(entry.path).st_mode  # noqa: PTH116 - the error of entry.stat() has no path
    if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
        return stat.S_ISREG(mode)
    raise CommandError(
        f"{entry.path!r} is neither a file nor a folder, and can't be indexed: remove it"
    )
