"""Many files at once, on all cores: processes for small files, threads for large ones.

A small file is a dozen microseconds of Python and system calls, so threads would wait for
one another; a large one is spent in the digest, which runs without Python's lock. The first
pass takes the small ones and finds the large ones by reading no more than their beginning,
without a look at any file's size before; the second pass takes what the first has left.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
from hashlib import sha256

from seamless.cli.command import CommandError
from seamless.cli.files import plain_checksum
from seamless.cli.interrupts import uninterrupted
from seamless.cli.progress import Progress
from seamless.compression_utils import COMPRESSION_SUFFIXES

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["hash_files"]

#: Files below this are small: hashed whole, in the first pass.
SMALL = 1 << 16
#: Fewer files than this are not worth another process.
FEW = 512
#: Less than this is not worth starting threads.
LITTLE = 1 << 23
_DIGEST_SIZE = 32
_NONE = bytes(_DIGEST_SIZE)  # no file is known whose SHA-256 this is


def hash_files(paths: Sequence[str]) -> list[str]:
    """Hex digests of the plain content of files, in their order.

    Raises
    ------
    OSError
        Of the first file that can't be read.
    CommandError
        Of the first file whose compressed content is damaged.
    """
    digests = _hash_small_files(paths)
    left = [number for number, digest in enumerate(digests) if digest is None]
    for number, digest in zip(left, _hash_large_files([paths[n] for n in left]), strict=True):
        digests[number] = digest
    return [digest for digest in digests if digest is not None]


def core_count() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hash_small_files(paths: Sequence[str]) -> list[str | None]:
    """Digests of the small files; None for what is large, or failed and has to fail again.

    Each process owns every n-th file and writes into its slots of one shared memory. So there
    is nothing to send, to order or to wait for; and whatever becomes of a process, its empty
    slots are simply left to the second pass. (A pool of `concurrent.futures` costs 40 ms more,
    which is a third of the time of 20,000 files.)
    """
    if not paths:
        return []
    processes = core_count() if len(paths) >= FEW else 1
    with mmap.mmap(-1, len(paths) * _DIGEST_SIZE) as slots:
        children: list[int] = []
        try:
            for number in range(1, processes):
                with uninterrupted():  # a child must not begin unknown to `_stop`
                    children.append(_fork(paths, slots, number, processes))
            with Progress(len(paths), " files") as advance:
                _fill_slots(paths, slots, 0, processes, advance)
                while children:
                    os.waitpid(children[-1], 0)
                    children.pop()
        finally:
            _stop(children)
        content = slots.read()
    parts = (content[n : n + _DIGEST_SIZE] for n in range(0, len(content), _DIGEST_SIZE))
    return [None if part == _NONE else part.hex() for part in parts]


def _fork(paths: Sequence[str], slots: mmap.mmap, first: int, step: int) -> int:
    """Fill a share of the slots in a child process; returns its number."""
    child = os.fork()
    if child == 0:
        try:
            _fill_slots(paths, slots, first, step, None)
        finally:
            # whatever happened, this copy of the command must not go on as the command
            os._exit(0)
    return child


def _stop(children: Sequence[int]) -> None:
    """End what is left of the children after a failure or Ctrl-C."""
    for child in children:
        # gone if Ctrl-C came between its end and its being struck off
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _fill_slots(
    paths: Sequence[str],
    slots: mmap.mmap,
    first: int,
    step: int,
    advance: Callable[[int], None] | None,
) -> None:
    buffer = bytearray(SMALL)
    for number in range(first, len(paths), step):
        if digest := _small_digest(paths[number], buffer):
            slots[number * _DIGEST_SIZE : (number + 1) * _DIGEST_SIZE] = digest
        if advance is not None:
            advance(min(step, len(paths) - number))


def _small_digest(path: str, buffer: bytearray) -> bytes | None:
    """Digest of a small file; None if it is large or can't be read."""
    try:
        if path.endswith(COMPRESSION_SUFFIXES):
            if os.path.getsize(path) > SMALL:  # noqa: PTH202 - pathlib would slow every start
                return None
            return bytes.fromhex(plain_checksum(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            count = os.readv(descriptor, [buffer])
            if count == SMALL or (count and os.read(descriptor, 1)):
                return None
            return sha256(memoryview(buffer)[:count]).digest()
        finally:
            os.close(descriptor)
    except (OSError, CommandError):
        return None  # the second pass meets the same failure, where it can be reported


def _hash_large_files(paths: Sequence[str]) -> list[str]:
    sizes = [os.path.getsize(path) for path in paths]  # noqa: PTH202 - as above
    with Progress(sum(sizes), "B") as advance:
        if len(paths) < 2 or core_count() < 2 or sum(sizes) < LITTLE:
            return [plain_checksum(path, advance) for path in paths]
        return _hash_in_threads(paths, sizes, advance)


def _hash_in_threads(
    paths: Sequence[str], sizes: Sequence[int], advance: Callable[[int], None] | None
) -> list[str]:
    """Digests in the order of the files; the largest are begun first, so that none is late."""
    import threading
    from concurrent.futures import CancelledError, ThreadPoolExecutor

    stop = threading.Event()

    def advance_or_stop(count: int) -> None:
        if stop.is_set():
            raise CancelledError
        if advance is not None:
            advance(count)

    order = sorted(range(len(paths)), key=lambda number: -sizes[number])
    pool = ThreadPoolExecutor(core_count())
    try:
        futures = {n: pool.submit(plain_checksum, paths[n], advance_or_stop) for n in order}
        return [futures[number].result() for number in range(len(paths))]
    finally:
        # after a failure or Ctrl-C, even one among the submissions, nobody reads to the end
        stop.set()
        pool.shutdown(cancel_futures=True)
