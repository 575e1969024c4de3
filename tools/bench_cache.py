"""Whether the buffer cache stays quick and small when there is a lot of everything.

    python tools/bench_cache.py [--entries N] [--buffers N]

Prints what a registration with a tempref costs while the cache holds 1,000 entries and while
it holds N (below the caps, and while each one drives another out), the largest overshoot over
the caps, and how much memory is left behind by as many short-lived buffers.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from pathlib import Path

from seamless import Buffer, Checksum
from seamless.caching.buffer_cache import BufferCache

FEW = 1_000
BATCH = 1_000
BATCHES = 25
SIZE = 64


def new_buffers(start: int, count: int) -> list[tuple[Checksum, Buffer]]:
    """Return distinct buffers with made-up checksums, so that hashing is not measured."""
    numbers = range(start, start + count)
    return [(Checksum(n.to_bytes(32, "big")), Buffer(b"%064d" % n)) for n in numbers]


def register(cache: BufferCache, made: list[tuple[Checksum, Buffer]]) -> float:
    """Register and reference buffers; returns the seconds of computing that each took."""
    start = time.thread_time()
    for checksum, buffer in made:
        cache.register(checksum, buffer)
        cache.tempref(checksum, scratch=True)
    return (time.thread_time() - start) / len(made)


def filled(entries: int, *, full: bool) -> BufferCache:
    """Return a cache of so many entries, in which the next one fits unless it is full."""
    room = entries * SIZE if full else 1 << 40
    cache = BufferCache(room, 1 << 41)
    for start in range(0, entries, BATCH):
        register(cache, new_buffers(start, min(BATCH, entries - start)))
    return cache


def compare(entries: int, *, full: bool) -> tuple[float, float]:
    """Return the median seconds of a registration with few and with many entries, by turns."""
    few, many = filled(FEW, full=full), filled(entries, full=full)
    times: tuple[list[float], list[float]] = ([], [])
    for batch in range(BATCHES):
        for cache, measured in zip((few, many), times, strict=True):
            made = new_buffers((1 << 40) + batch * BATCH, BATCH)
            measured.append(register(cache, made))
            if not full:  # so that each keeps its number of entries
                for checksum, _ in made:
                    cache.purge_scratch(checksum)
    return statistics.median(times[0]), statistics.median(times[1])


def overshoot() -> int:
    """Return by how many bytes the hard cap is exceeded at most, with references that count."""
    cache = BufferCache(10_000, 20_000)
    worst = 0
    for number in range(5_000):
        buffer = Buffer(b"%08d" % number * (number % 40 + 1))
        cache.incref(buffer.get_checksum(), buffer=buffer, scratch=True)
        worst = max(worst, cache.stats()["strong_bytes"] - 20_000)
    return worst


def resident() -> int:
    """Return the memory that this process has, in bytes."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


def left_behind(buffers: int) -> int:
    """Return how much more memory there is after as many buffers have come and gone."""
    cache = BufferCache("1MB", "2MB")
    gc.collect()
    before = resident()
    for start in range(0, buffers, BATCH):
        for number in range(start, min(start + BATCH, buffers)):
            buffer = Buffer(b"%0512d" % number)
            checksum = buffer.get_checksum()
            cache.register(checksum, buffer)
            if number % 3 == 0:
                cache.incref(checksum, scratch=True)
                cache.decref(checksum)
            elif number % 3 == 1:
                cache.tempref(checksum, scratch=True)
    del buffer, checksum
    gc.collect()
    return resident() - before


def main() -> int:
    """Print the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--buffers", type=int, default=1_000_000)
    options = parser.parse_args()
    left = left_behind(options.buffers)
    print(f"left behind by {options.buffers} short-lived buffers: {left / 1e6:.1f} MB")
    print(f"overshoot over the hard cap: {max(0, overshoot())} bytes")
    for full in (False, True):
        few, many = compare(options.entries, full=full)
        what = "while others are driven out" if full else "below the caps"
        print(
            f"registration {what}: {few * 1e6:.2f} us at {FEW} entries, "
            f"{many * 1e6:.2f} us at {options.entries}: {many / few:.2f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
