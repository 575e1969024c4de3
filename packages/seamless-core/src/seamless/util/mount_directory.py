"""`write_to_directory`: writes a dictionary of relative paths and contents as files of a folder."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from seamless.buffer_class import Buffer
from seamless.checksum_class import Checksum
from seamless.util.atomic_file import write_atomically

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["write_to_directory"]


def write_to_directory(
    directory: str | os.PathLike[str],
    data: dict[str, Any],
    *,
    cleanup: bool = False,
    deep: bool = False,
    text_only: bool = False,
    compression_suffix: str | None = None,
) -> None:
    """Write each item of `data` to the file below `directory` that its key names.

    Parameters
    ----------
    directory
        The folder; missing folders are created.
    data
        Relative path (with `/`) → content: bytes, `Buffer`, text, or any other value,
        which is written as `plain`, `binary` or `mixed`.
    cleanup
        Whether to remove all other entries of the folder.
    deep
        Whether the contents are checksums, to be resolved.
    text_only
        Whether to leave out contents that are not UTF-8 text.
    compression_suffix
        `.zst` or `.gz`: is appended to each file name, and determines the compression.

    Raises
    ------
    TypeError
        When `data` is not a dict.
    ValueError
        For a path outside of the folder, or an unknown suffix.
    CacheMissError
        When a checksum can't be resolved.
    """
    if not isinstance(data, dict):
        raise TypeError(f"a folder is written from a dict of files, not {type(data).__name__}")
    if compression_suffix not in _COMPRESSIONS:
        raise ValueError(
            f"unknown compression suffix {compression_suffix!r}: it must be '.zst' or '.gz'"
        )
    top = Path(directory)
    written: set[Path] = set()
    for name, item in data.items():
        path = top / _checked(name)
        content = _content_of(item, deep)
        if text_only and not _is_text(content):
            continue
        if compression_suffix is not None:
            path = path.with_name(path.name + compression_suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _COMPRESSIONS[compression_suffix](content))
        written.add(path)
    if cleanup:
        _remove_others(top, written)


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{name!r} is not a relative path of a file inside the folder")
    return path


def _content_of(item: Any, deep: bool) -> bytes:
    if deep:
        item = Checksum(item).resolve()
    if isinstance(item, bytes):
        return item
    if isinstance(item, Buffer):
        return item.content
    return Buffer(item, "text" if isinstance(item, str) else "mixed").content


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _gzip(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, mtime=0)


def _zstd(content: bytes) -> bytes:
    import zstandard

    return zstandard.compress(content)


_COMPRESSIONS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    ".gz": _gzip,
    ".zst": _zstd,
}


def _remove_others(folder: Path, keep: set[Path]) -> None:
    folders = {parent for path in keep for parent in path.parents}
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path in folders:
            if not path.is_symlink():  # the target of a link is outside of the folder
                _remove_others(path, keep)
        elif path not in keep:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
