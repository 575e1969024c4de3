"""Many files at once, on all cores: processes for small files, threads for large ones.

A small file is five microseconds of Python and system calls, so threads would wait for one
another; a large one is spent in the digest, which runs without Python's lock. The first pass
takes the small ones and finds the large ones by reading no more than their beginning, without
a look at any file's size before; the second pass takes what the first has left.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from hashlib import sha256

from seamless.cli.command import CommandError
from seamless.cli.progress import Progress
from seamless.cli.tree import plain_checksum
from seamless.compression_utils import COMPRESSION_SUFFIXES, MEMORY

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seamless.cli.tree import Failed

__all__ = ["NO_MARK", "FileStamp", "hash_files"]

#: Files below this are small: hashed whole, in the first pass.
SMALL = 1 << 16
#: Fewer files than this are not worth another process.
MIN_FILES = 512
#: Less than this is not worth starting threads.
MIN_BYTES = 1 << 23
#: Shares whose numbers, of four bytes each, fit in any pipe while nobody reads it: the kernel
#: may give a user who has many of them no more than a page.
MOST_SHARES = 1 << 10
#: Files of a share at least: taking one costs a microsecond.
CHUNK_BYTES = 64
_NUMBER_SIZE = 4
_DIGEST_SIZE = 32


class FileStamp:
    """What is noted of each file beside its digest, as soon as it is open: bytes of one length."""

    def __init__(self, size: int, of: Callable[[int], bytes]) -> None:
        #: bytes of a descriptor
        self.of = of
        #: bytes of a digest with its mark
        self.entry_size = _DIGEST_SIZE + size
        #: in the place of an entry that is not there: no file is known whose SHA-256 is zero
        self.no_entry = bytes(self.entry_size)


if TYPE_CHECKING:
    #: what is noted of each file, and the memory that decompressing one may take
    How = tuple[FileStamp, int]

#: Nothing is noted.
NO_MARK = FileStamp(0, lambda _: b"")


def hash_files(
    paths: Sequence[str],
    mark: FileStamp = NO_MARK,
    memory: int = MEMORY,
    failed: Failed | None = None,
) -> list[str]:
    """Hex digests of the plain content of files, in their order; behind each its mark, in hex.

    Decompressing a file may take so many bytes of `memory`. With `failed`, which any thread may
    call, a file that can't be read does not end the work: its error goes there, and an empty text
    stands in its place.

    Raises
    ------
    OSError
        Of the first file that can't be read.
    CommandError
        Of the first file whose compressed content is damaged.
    """
    how = mark, memory
    entries = _hash_small_files(paths, how)
    missing = mark.no_entry.hex()
    left = [number for number, entry in enumerate(entries) if entry == missing]
    large = _hash_large_files([paths[number] for number in left], how, failed)
    for number, entry in zip(left, large, strict=True):
        entries[number] = entry
    return entries


def core_count() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hash_small_files(paths: Sequence[str], how: How) -> list[str]:
    """Entries of the small files; none for what is large, or failed and has to fail again.

    Each process takes share after share, and writes into the slots of one shared memory. So
    there is nothing to order and nobody to wait for; and whatever becomes of a process, its
    empty slots are simply left to the second pass. (A pool of `concurrent.futures` costs 40 ms
    more, which is half of the time of 20,000 files.)
    """
    if not paths:
        return []
    entry_size = how[0].entry_size
    processes = core_count() if len(paths) >= MIN_FILES else 1
    with mmap.mmap(-1, len(paths) * entry_size) as slots, _shares(len(paths)) as next_chunk:
        children: list[int] = []
        try:
            for _ in range(1, processes):
                _add_child(children, lambda: _fill_slots(paths, slots, how, next_chunk))
            with Progress(len(paths), " files") as advance:
                _fill_slots(paths, slots, how, next_chunk, advance)
                while children:
                    os.waitpid(children[-1], 0)
                    children.pop()
        finally:
            _stop(children)
        text = slots.read().hex()
    width = 2 * entry_size
    return [text[start : start + width] for start in range(0, len(text), width)]


@contextlib.contextmanager
def _shares(count: int) -> Iterator[Callable[[], range]]:
    """Yield what gives away the numbers below `count`, a range at a time, each to one process.

    An empty range is the end. A pipe is what processes can take from without a lock: reading
    four bytes of it is one step.
    """
    size = max(CHUNK_BYTES, -(-count // MOST_SHARES))
    numbers = range(-(-count // size))
    source, sink = os.pipe()
    try:
        try:
            os.write(sink, b"".join(number.to_bytes(_NUMBER_SIZE, "little") for number in numbers))
        finally:
            os.close(sink)

        def next_chunk() -> range:
            number = os.read(source, _NUMBER_SIZE)
            start = int.from_bytes(number, "little") * size if number else count
            return range(start, min(start + size, count))

        yield next_chunk
    finally:
        os.close(source)


def _add_child(children: list[int], work: Callable[[], None]) -> None:
    """Let a child process do the work, and note its number."""
    from seamless.cli.interrupts import defer_sigint

    with defer_sigint():  # a child must not begin unknown to `_stop`
        children.append(_fork(work))


def _fork(work: Callable[[], None]) -> int:
    """Do the work in a child process; returns its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            # whatever happened, this copy of the command must not go on as the command
            os._exit(0)
    return child


def _stop(children: Sequence[int]) -> None:
    """End what is left of the children after a failure or Ctrl-C."""
    if not children:
        return
    import signal

    for child in children:
        # gone if Ctrl-C came between its end and its being struck off
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _fill_slots(
    paths: Sequence[str],
    slots: mmap.mmap,
    how: How,
    next_chunk: Callable[[], range],
    advance: Callable[[int], None] | None = None,
) -> None:
    """Hash the small files of share after share, until there is none left."""
    mark, memory = how
    while share := next_chunk():
        first, end = share.start, share.stop
        entries = b"".join([_small_entry(path, mark, memory) for path in paths[first:end]])
        slots[first * mark.entry_size : end * mark.entry_size] = entries
        if advance is not None:
            advance(len(share))


def _small_entry(path: str, mark: FileStamp, memory: int) -> bytes:
    """Digest and mark of a small file; no entry if it is large or can't be read."""
    try:
        if path.endswith(COMPRESSION_SUFFIXES):
            if os.path.getsize(path) > SMALL:  # noqa: PTH202 - pathlib would slow every start
                return mark.no_entry
            return bytes.fromhex(_entry(path, (mark, memory)))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            noted = mark.of(descriptor)
            content = os.read(descriptor, SMALL)
            # less than asked for is the end, but on a file system that gives files in parts
            if len(content) == SMALL or (content and os.read(descriptor, 1)):
                return mark.no_entry
            return sha256(content).digest() + noted
        finally:
            os.close(descriptor)
    except (OSError, CommandError):
        return mark.no_entry  # the second pass meets the same failure, where it can be reported


def _entry(path: str, how: How, advance: Callable[[int], None] | None = None) -> str:
    """Digest and mark of any file, in hex."""
    mark, memory = how
    noted: list[bytes] = []
    digest = plain_checksum(
        path, advance, lambda descriptor: noted.append(mark.of(descriptor)), memory
    )
    return digest + noted[0].hex()


def _hash_large_files(paths: Sequence[str], how: How, failed: Failed | None = None) -> list[str]:
    sizes = [_size(path, failed) for path in paths]

    def entry(path: str, advance: Callable[[int], None] | None) -> str:
        try:
            return _entry(path, how, advance)
        except (OSError, CommandError) as error:
            if failed is None:
                raise
            failed(error)
            return ""

    with Progress(sum(sizes), "B") as advance:
        if len(paths) < 2 or core_count() < 2 or sum(sizes) < MIN_BYTES:
            return [entry(path, advance) for path in paths]
        return _hash_in_threads(paths, sizes, entry, advance)


def _size(path: str, failed: Failed | None) -> int:
    try:
        return os.path.getsize(path)  # noqa: PTH202 - pathlib would slow every start
    except OSError:
        if failed is None:
            raise
        return 0  # reading it fails too, and that failure is noted


def _hash_in_threads(
    paths: Sequence[str],
    sizes: Sequence[int],
    entry: Callable[[str, Callable[[int], None] | None], str],
    advance: Callable[[int], None] | None,
) -> list[str]:
    """Entries in the order of the files; the largest are begun first, so that none is late."""
    from concurrent.futures import CancelledError, ThreadPoolExecutor

    stopped = False

    def advance_or_stop(count: int) -> None:
        if stopped:
            raise CancelledError
        if advance is not None:
            advance(count)

    order = sorted(range(len(paths)), key=lambda number: -sizes[number])
    pool = ThreadPoolExecutor(core_count())
    try:
        futures = {n: pool.submit(entry, paths[n], advance_or_stop) for n in order}
        return [futures[number].result() for number in range(len(paths))]
    finally:
        # after a failure or Ctrl-C, even one among the submissions, nobody reads to the end
        stopped = True
        pool.shutdown(cancel_futures=True)
