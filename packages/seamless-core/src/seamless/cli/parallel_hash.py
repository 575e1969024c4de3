"""Hashes many files on all cores: small files in worker processes, large files in threads.

A small file takes five microseconds of Python and system calls, so threads would contend for the
GIL; most of the time of a large file is spent in SHA-256, which releases the GIL. The first pass
reads the beginning of every file and hashes the small ones, without a system call for their
size. The second pass hashes the other files.
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

__all__ = ["NO_STAMP", "FileStamp", "hash_files"]

#: smaller files are hashed in the first pass
SMALL_BYTES = 1 << 16
#: least number of files for which worker processes are forked
MIN_FILES = 512
#: least number of bytes for which threads are started
MIN_BYTES = 1 << 23
#: The numbers of all chunks, of four bytes each, must fit into the buffer of a pipe, which may be
#: a single page for a user who has many pipes.
MAX_CHUNKS = 1 << 10
#: least number of files in a chunk: taking a chunk costs a microsecond
MIN_CHUNK_FILES = 64
_NUMBER_SIZE = 4
_DIGEST_SIZE = 32


class FileStamp:
    """Data recorded beside the digest of a file when it is opened: `size` bytes of `of(fd)`."""

    def __init__(self, size: int, of: Callable[[int], bytes]) -> None:
        #: returns the stamp of an open file, by its descriptor
        self.of = of
        #: bytes of a digest and its stamp
        self.entry_size = _DIGEST_SIZE + size
        #: the entry of a file that was not hashed: no file is known whose SHA-256 is zero
        self.no_entry = bytes(self.entry_size)


if TYPE_CHECKING:
    #: the stamp of each file, and the memory that decompressing one file may take
    HashOptions = tuple[FileStamp, int]

#: an empty stamp
NO_STAMP = FileStamp(0, lambda _: b"")


def hash_files(
    paths: Sequence[str],
    stamp: FileStamp = NO_STAMP,
    memory: int = MEMORY,
    failed: Failed | None = None,
) -> list[str]:
    """Return the hex digest of the plain content of each file, followed by its stamp in hex.

    Parameters
    ----------
    paths
        The files; the results have their order.
    stamp
        The data to record for each file.
    memory
        Bytes that decompressing a file may take.
    failed
        Called with the error of each file that can't be read, from any thread; the result of such
        a file is an empty text. None raises the first error.

    Raises
    ------
    OSError
        When a file can't be read.
    CommandError
        When compressed content is damaged.
    """
    options = stamp, memory
    entries = _hash_small_files(paths, options)
    missing = stamp.no_entry.hex()
    remaining = [number for number, entry in enumerate(entries) if entry == missing]
    large = _hash_large_files([paths[number] for number in remaining], options, failed)
    for number, entry in zip(remaining, large, strict=True):
        entries[number] = entry
    return entries


def core_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hash_small_files(paths: Sequence[str], options: HashOptions) -> list[str]:
    """Return the entries of the small files, and `no_entry` for files that are large or fail.

    Each process takes chunk after chunk and writes into its slots of one shared memory, so the
    results need no sorting and no communication. If a process dies, the second pass hashes the
    files of its empty slots. (A pool of `concurrent.futures` costs 40 ms more, which is half the
    time of 20,000 files.)
    """
    if not paths:
        return []
    entry_size = options[0].entry_size
    processes = core_count() if len(paths) >= MIN_FILES else 1
    with mmap.mmap(-1, len(paths) * entry_size) as slots, _chunks(len(paths)) as next_chunk:
        children: list[int] = []
        try:
            for _ in range(1, processes):
                _add_child(children, lambda: _fill_slots(paths, slots, options, next_chunk))
            with Progress(len(paths), " files") as advance:
                _fill_slots(paths, slots, options, next_chunk, advance)
                while children:
                    os.waitpid(children[-1], 0)
                    children.pop()
        finally:
            _stop(children)
        text = slots.read().hex()
    width = 2 * entry_size
    return [text[start : start + width] for start in range(0, len(text), width)]


@contextlib.contextmanager
def _chunks(count: int) -> Iterator[Callable[[], range]]:
    """Yield a function that returns the next chunk of the numbers below `count`.

    Each chunk is returned to one process only; an empty range is the end. The queue is a pipe:
    reading four bytes of it is atomic, so processes need no lock.
    """
    size = max(MIN_CHUNK_FILES, -(-count // MAX_CHUNKS))
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
    """Fork a worker process and append its process id."""
    from seamless.cli.interrupts import defer_sigint

    with defer_sigint():  # `_stop` must know every child
        children.append(_fork(work))


def _fork(work: Callable[[], None]) -> int:
    """Do the work in a child process; return its process id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            # the child must never continue as a second copy of the command
            os._exit(0)
    return child


def _stop(children: Sequence[int]) -> None:
    """Kill the remaining children after a failure or Ctrl-C."""
    if not children:
        return
    import signal

    for child in children:
        # the child has ended already if Ctrl-C arrived between waitpid() and pop()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _fill_slots(
    paths: Sequence[str],
    slots: mmap.mmap,
    options: HashOptions,
    next_chunk: Callable[[], range],
    advance: Callable[[int], None] | None = None,
) -> None:
    """Hash the small files of chunk after chunk, until no chunk remains."""
    stamp, memory = options
    while chunk := next_chunk():
        first, end = chunk.start, chunk.stop
        entries = b"".join([_small_entry(path, stamp, memory) for path in paths[first:end]])
        slots[first * stamp.entry_size : end * stamp.entry_size] = entries
        if advance is not None:
            advance(len(chunk))


def _small_entry(path: str, stamp: FileStamp, memory: int) -> bytes:
    """Return the digest and stamp of a small file; `no_entry` if it is large or can't be read."""
    try:
        if path.endswith(COMPRESSION_SUFFIXES):
            if os.path.getsize(path) > SMALL_BYTES:  # noqa: PTH202 - pathlib would slow every start
                return stamp.no_entry
            return bytes.fromhex(_entry(path, (stamp, memory)))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = stamp.of(descriptor)
            content = os.read(descriptor, SMALL_BYTES)
            # a short read is usually the end of the file, but not on every file system
            if len(content) == SMALL_BYTES or (content and os.read(descriptor, 1)):
                return stamp.no_entry
            return sha256(content).digest() + data
        finally:
            os.close(descriptor)
    except (OSError, CommandError):
        return stamp.no_entry  # the second pass reports the failure


def _entry(path: str, options: HashOptions, advance: Callable[[int], None] | None = None) -> str:
    """Return the digest and stamp of any file, in hex."""
    stamp, memory = options
    stamps: list[bytes] = []
    digest = plain_checksum(
        path, advance, lambda descriptor: stamps.append(stamp.of(descriptor)), memory
    )
    return digest + stamps[0].hex()


def _hash_large_files(
    paths: Sequence[str], options: HashOptions, failed: Failed | None = None
) -> list[str]:
    sizes = [_size(path, failed) for path in paths]

    def entry(path: str, advance: Callable[[int], None] | None) -> str:
        try:
            return _entry(path, options, advance)
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
        return 0  # reading the file fails too, and reports the failure


def _hash_in_threads(
    paths: Sequence[str],
    sizes: Sequence[int],
    entry: Callable[[str, Callable[[int], None] | None], str],
    advance: Callable[[int], None] | None,
) -> list[str]:
    """Hash files in a thread pool, the largest first; the entries have the order of the paths."""
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
        # after a failure or Ctrl-C the threads must stop reading
        stopped = True
        pool.shutdown(cancel_futures=True)
