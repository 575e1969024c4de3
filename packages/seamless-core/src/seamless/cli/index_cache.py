"""What an earlier run of `seamless-checksum-index` has learnt, for files that are still the same.

A file is taken for the same while its device, inode, size, time of modification and time of
change of the inode are. The last of them nobody can set back, so it tells a file that was
overwritten and given its old date. But a clock has ticks, and a file that is written twice within
one of them, before and after it was hashed, would look the same: what has changed shortly before a
run is therefore not remembered by it. That minute is also longer than the kernel lets a program
write into a file that it has mapped to memory before the times tell of it (half a minute). What is
remembered was asked of the open file before it was read: whatever comes to lie under its name
meanwhile, or is written into it, shows in other facts the next time.
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

    #: what tells a file from its other states, and the digest of its plain content
    Entry = tuple[bytes, bytes]

__all__ = ["SETTLED", "IndexCache"]

#: Nanoseconds for which a file must have been as it is, to be remembered.
SETTLED = 60 * 10**9

_FAMILY = b"seamless-checksum-index cache "
_HEAD = _FAMILY + b"2\n"
_COUNT = struct.Struct("<Q")
_FACTS = struct.Struct("<QQqqq")
_ENTRY = struct.Struct(f"<{_FACTS.size}s32s")
_DIGEST_SIZE = 32


class IndexCache:
    """Checksums of the files of one folder, kept in a file between runs.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    clock
        Nanoseconds of the time of day.

    Raises
    ------
    CommandError
        When there is something else in that place.
    OSError
        When it can't be read.
    """

    def __init__(self, path: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._path, self._clock = path, clock
        self._known = _read(path)
        self._found = self._known

    def hash_tree(
        self, tree: Mapping[str, str], memory: int = MEMORY, failed: Failed | None = None
    ) -> list[str]:
        """Hex digests of the files of a tree of name → path, as `hash_files` gives them."""
        latest = self._clock() - SETTLED
        keys = [_key(name, path) for name, path in tree.items()]
        entries = {}
        for key, path in zip(keys, tree.values(), strict=True):
            entry = self._known.get(key)
            if entry is not None and entry[0] == _facts_now(path):
                entries[key] = entry
        unknown = {
            key: path for key, path in zip(keys, tree.values(), strict=True) if key not in entries
        }
        texts = hash_files(list(unknown.values()), MARK, memory, failed)
        for key, text in zip(unknown, texts, strict=True):
            if not text:
                continue  # its failure has been noted
            content = bytes.fromhex(text)
            entries[key] = content[_DIGEST_SIZE:], content[:_DIGEST_SIZE]
        self._found = {key: entry for key, entry in entries.items() if _changed(entry[0]) < latest}
        return [entries[key][1].hex() if key in entries else "" for key in keys]

    def save(self) -> None:
        """Keep what `hash_tree` has found, for the next run."""
        if self._known and self._found == self._known:
            return
        from seamless.util.atomic_file import write_atomically

        entries = b"".join([_ENTRY.pack(*entry) for entry in self._found.values()])
        names = b"\0".join([os.fsencode(name) for name in self._found])
        content = _COUNT.pack(len(self._found)) + entries + names
        write_atomically(self._path, _HEAD + sha256(content).digest() + content)


def _key(name: str, path: str) -> str:
    """Name of a file with its suffix, which decides of what the checksum is."""
    return name + (strip_compression_suffix(path)[1] or "")


def _facts_now(path: str) -> bytes | None:
    """Return what tells a file from its other states; None if it can't be asked."""
    try:
        return _facts(os.stat(path))  # noqa: PTH116 - pathlib would slow every start
    except OSError:
        return None  # and reading it fails, where that can be told


def _facts(status: os.stat_result) -> bytes:
    """Pack what tells a file from its other states."""
    times = status.st_mtime_ns, status.st_ctime_ns
    # another file system may be mounted in the place of one, and numbers its inodes alike
    return _FACTS.pack(status.st_dev, status.st_ino, status.st_size, *times)


def _changed(facts: bytes) -> int:
    """When the file was changed last, as far as it says."""
    *_, written, changed = _FACTS.unpack(facts)
    return max(int(written), int(changed))


#: The facts of a file as it was when it was opened.
MARK = FileStamp(_FACTS.size, lambda descriptor: _facts(os.fstat(descriptor)))


def _read(path: str) -> dict[str, Entry]:
    """Entries of a cache file; none if it is not there, damaged, or of another version."""
    try:
        # before it is opened: a named pipe would wait, and a device must not be replaced
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
    """Take apart what `save` has put together."""
    (count,) = _COUNT.unpack_from(body)
    if not count:
        return {}
    end = _COUNT.size + count * _ENTRY.size
    names = os.fsdecode(body[end:]).split("\0")
    entries: list[Entry] = list(_ENTRY.iter_unpack(body[_COUNT.size : end]))
    return dict(zip(names, entries, strict=True))


def _no_cache(path: str) -> CommandError:
    return CommandError(
        f"{path!r} is there, but no cache of seamless-checksum-index: name another file"
    )
