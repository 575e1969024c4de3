"""Files as the commands see them: their plain content, their sidecars, the tree below a folder."""

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

    #: takes the error of a file that can't be read or listed
    Failed = Callable[[Exception], None]

__all__ = ["checksum_sidecar", "list_tree", "plain_checksum", "write_sidecars"]


class _WatchedFile(io.FileIO):
    """A file that reports how many bytes have been read."""

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
    """Hex digest of the content of a file, decompressed if its last suffix says so.

    `advance` is called with the number of bytes read: compressed bytes, where they are.
    `opened` is called with the descriptor before the first is read. Decompressing may take
    so many bytes of `memory`.
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
    """Name of the sidecar of a file or folder: `x`, `x.gz` and `x.INDEX` share `x.CHECKSUM`."""
    stem = strip_compression_suffix(path)[0]
    base, extension = os.path.splitext(stem)  # noqa: PTH122 - pathlib would slow every start
    return (base if extension == ".INDEX" else stem) + ".CHECKSUM"


def write_sidecars(*files: tuple[str, bytes]) -> None:
    """Replace sidecars as a whole: path and content of each. A failure changes none of them."""
    from seamless.util.atomic_file import write_together

    write_together(files)


def list_tree(
    folder: str, leave_out: Set[str] = frozenset(), failed: Failed | None = None
) -> dict[str, str]:
    """Index name → path of every file below a folder, in the order of the names.

    The index name is relative, has `/` between its parts and no compression suffix. Links to
    files count as files, links to folders are left out; what is neither (a named pipe, a
    socket, a device) is an error, and so are two files of one index name, and names that are
    not UTF-8. With `failed`, errors go there, and what they are about is left out.
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
    """Tell whether a name has a compression suffix; a tenth of the time of one after the other."""
    joined = "/".join((*files, ""))
    return any(f"{suffix}/" in joined for suffix in COMPRESSION_SUFFIXES)


def _add_one_by_one(
    found: dict[str, str],
    named: Iterable[tuple[str, str]],
    leave_out: Set[str],
    refuse: Failed,
) -> None:
    """Add the files of a folder in which some are left out, or stand for what is in them."""
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
    """Names that are not UTF-8, in order: those hold what the system's bytes became."""
    return sorted(name for name in names if any("\udc80" <= char <= "\udcff" for char in name))


def _walk(folder: str, refuse: Failed) -> Iterator[tuple[str, str, list[str]]]:
    """Yield for each folder: what comes before a name in the index and in a path, and the names.

    In almost the order of the index, which makes that one quick to sort. An explicit stack, for
    trees deeper than Python's.
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
    """Tell of a link or special file whether it counts; of an error, `refuse` decides."""
    try:
        return _is_file(entry)
    except (OSError, CommandError) as error:
        refuse(error)
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell of a link or special file whether it counts; a dangling link is an OSError."""
    mode = os.stat(entry.path).st_mode  # noqa: PTH116 - as above; entry.stat() says no path
    if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
        return stat.S_ISREG(mode)
    raise CommandError(
        f"{entry.path!r} is neither a file nor a folder, and can't be indexed: remove it"
    )
