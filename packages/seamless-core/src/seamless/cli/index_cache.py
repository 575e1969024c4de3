"""`IndexCache`: checksums of unchanged files, kept between runs of `seamless-checksum-index`.

A file counts as unchanged if its device, inode, size, modification time and inode change time
are the same. The change time can't be set, so it reveals a file that was overwritten and given its
old modification time. A file that is written before and after it is hashed within one tick of the
file system's clock would look unchanged, so the cache ignores files that changed in the minute
before a run. The minute also covers writes through a memory mapping, which may take half a minute
to update the times. The state of a file is read from its descriptor before its content: a file
that is replaced or written in the meantime has another state in the next run.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from hashlib import sha256

from seamless.cli.command import CommandError
from seamless.cli.parallel_hash import FileStamp, hash_files
from seamless.compression_utils import MEMORY, strip_compression_suffix

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seamless.cli.tree import Failed

    #: the state of a file, and the digest of its plain content
    Entry = tuple[bytes, bytes]

__all__ = ["SETTLED_NS", "IndexCache"]

#: least age in nanoseconds of the last change of a file that is cached
SETTLED_NS = 60 * 10**9

_FAMILY = b"seamless-checksum-index cache "
_HEAD = _FAMILY + b"2\n"
_COUNT = struct.Struct("<Q")
_STATE = struct.Struct("<QQqqq")
_ENTRY = struct.Struct(f"<{_STATE.size}s32s")
_DIGEST_SIZE = 32


class IndexCache:
    """Checksums of the files of one folder, kept in a cache file between runs.

    Parameters
    ----------
    path
        The cache file; it may be missing.
    clock
        Returns the time of day in nanoseconds.

    Raises
    ------
    CommandError
        When the path is another kind of file.
    OSError
        When the cache file can't be read.
    """

    def __init__(self, path: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._path, self._clock = path, clock
        self._known = _read(path)
        self._found = self._known

    def hash_tree(
        self, tree: Mapping[str, str], memory: int = MEMORY, failed: Failed | None = None
    ) -> list[str]:
        """Return the hex digests of a tree of name → path, like `hash_files`."""
        latest = self._clock() - SETTLED_NS
        keys = [_key(name, path) for name, path in tree.items()]
        entries = {}
        for key, path in zip(keys, tree.values(), strict=True):
            entry = self._known.get(key)
            if entry is not None and entry[0] == _current_state(path):
                entries[key] = entry
        unknown = {
            key: path for key, path in zip(keys, tree.values(), strict=True) if key not in entries
        }
        texts = hash_files(list(unknown.values()), STAMP, memory, failed)
        for key, text in zip(unknown, texts, strict=True):
            if not text:
                continue  # its failure has been noted
            content = bytes.fromhex(text)
            entries[key] = content[_DIGEST_SIZE:], content[:_DIGEST_SIZE]
        self._found = {key: entry for key, entry in entries.items() if _changed(entry[0]) < latest}
        return [entries[key][1].hex() if key in entries else "" for key in keys]

    def save(self) -> None:
        """Write the checksums of the last `hash_tree` to the cache file."""
        if self._known and self._found == self._known:
            return
        from seamless.util.atomic_file import write_atomically

        entries = b"".join([_ENTRY.pack(*entry) for entry in self._found.values()])
        names = b"\0".join([os.fsencode(name) for name in self._found])
        content = _COUNT.pack(len(self._found)) + entries + names
        write_atomically(self._path, _HEAD + sha256(content).digest() + content)


def _key(name: str, path: str) -> str:
    """Return the name of a file with its compression suffix, on which the checksum depends."""
    return name + (strip_compression_suffix(path)[1] or "")


def _current_state(path: str) -> bytes | None:
    """Return the state of a file; None if it can't be read."""
    try:
        return _file_state(os.stat(path))  # noqa: PTH116 - pathlib would slow every start
    except OSError:
        return None  # reading the file reports the failure


def _file_state(status: os.stat_result) -> bytes:
    """Pack the state of a file, which differs after every change."""
    times = status.st_mtime_ns, status.st_ctime_ns
    # the device: another file system may be mounted at the same path, with the same inodes
    return _STATE.pack(status.st_dev, status.st_ino, status.st_size, *times)


def _changed(state: bytes) -> int:
    """Return the later of modification time and change time, in nanoseconds."""
    *_, written, changed = _STATE.unpack(state)
    return max(int(written), int(changed))


#: the state of a file when it is opened
STAMP = FileStamp(_STATE.size, lambda descriptor: _file_state(os.fstat(descriptor)))


def _read(path: str) -> dict[str, Entry]:
    """Return the entries of a cache file; none if it is missing, damaged or of another version."""
    try:
        # before it is opened: opening a named pipe would block
        is_file = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - pathlib is slow to start
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(path) or "."):  # noqa: PTH112, PTH120 - as above
            raise
        return {}
    if not is_file:
        raise _no_cache(path)
    with open(path, "rb") as stream:
        content = stream.read()
    if content and not content.startswith(_FAMILY):
        raise _no_cache(path)
    start = len(_HEAD) + _DIGEST_SIZE
    body = content[start:]
    if not content.startswith(_HEAD) or content[len(_HEAD) : start] != sha256(body).digest():
        return {}
    return _entries(body)


def _entries(body: bytes) -> dict[str, Entry]:
    """Unpack the entries that `save` has written."""
    (count,) = _COUNT.unpack_from(body)
    if not count:
        return {}
    end = _COUNT.size + count * _ENTRY.size
    names = os.fsdecode(body[end:]).split("\0")
    entries: list[Entry] = list(_ENTRY.iter_unpack(body[_COUNT.size : end]))
    return dict(zip(names, entries, strict=True))


def _no_cache(path: str) -> CommandError:
    return CommandError(
        f"{path!r} exists and is not a cache of seamless-checksum-index: name another file"
    )
