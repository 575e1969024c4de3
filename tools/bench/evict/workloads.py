"""What is timed of the buffer cache while it holds many entries, and a heap beside it.

Runs in the environment of ours and in that of the published package. A call registers 1,000
buffers that were made before, with checksums that are made up, so that no hashing is measured.
"""

from __future__ import annotations

import heapq
from functools import partial
from typing import TYPE_CHECKING, Any

from tools.bench.workload import Prepared, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 1_000
SIZE = 64  # bytes of a buffer
ENTRIES = (1_000, 100_000, 1_000_000)
PLENTY = 1 << 40
SHORT_LIVED = 100_000
MEGABYTE = 10**6


class Supply:
    """Buffers with made-up checksums, never the same ones again."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, count: int) -> list[tuple[Any, Any]]:
        """Return the next so many."""
        from seamless import Buffer, Checksum

        numbers = range(self._next, self._next + count)
        self._next += count
        # multiplied, so that the order of the checksums says nothing about that of arrival
        return [
            (Checksum((n * 0x9E3779B97F4A7C15 % 2**255).to_bytes(32, "big")), Buffer(b"%064d" % n))
            for n in numbers
        ]


def register(cache: Any, made: list[tuple[Any, Any]]) -> None:
    for checksum, buffer in made:
        cache.register(checksum, buffer)
        cache.tempref(checksum, scratch=True)


def filled(entries: int, supply: Supply, room: int) -> Any:
    from seamless.caching.buffer_cache import BufferCache

    cache: BufferCache[Any] = BufferCache(room, 2 * room)
    for _ in range(entries // BATCH):
        register(cache, supply.take(BATCH))
    return cache


def with_room(entries: int) -> Callable[[], Callable[..., Any]]:
    """Register what fits; before the next time, it is taken out again."""

    def make() -> Prepared:
        supply, added = Supply(), list[Any]()
        cache = filled(entries, supply, PLENTY)

        def prepare() -> list[tuple[Any, Any]]:
            for checksum, _ in added:
                cache.purge_scratch(checksum)
            made = supply.take(BATCH)
            added[:] = made
            return made

        return Prepared(prepare, lambda made: register(cache, made))

    return make


def without_room(entries: int) -> Callable[[], Callable[..., Any]]:
    """Register what drives others out; the published cache does that on request."""

    def make() -> Prepared:
        supply = Supply()
        cache = filled(entries, supply, entries * SIZE)
        evict = getattr(cache, "run_eviction_once", None)

        def work(made: list[tuple[Any, Any]]) -> None:
            register(cache, made)
            if evict is not None:
                evict()

        return Prepared(lambda: supply.take(BATCH), work)

    return make


def heap(entries: int, *, full: bool) -> Prepared:
    """Keep buffers in a dict, and in a heap the numbers by which they leave."""
    supply = Supply()
    pairs = [pair for _ in range(entries // BATCH) for pair in supply.take(BATCH)]
    table = dict(pairs)
    scores = [(number * 0.5, checksum) for number, (checksum, _) in enumerate(pairs)]

    def work(made: list[tuple[Any, Any]]) -> None:
        for number, (checksum, buffer) in enumerate(made, len(scores)):
            table[checksum] = buffer
            if full:
                del table[heapq.heappushpop(scores, (number * 0.5, checksum))[1]]
            else:
                heapq.heappush(scores, (number * 0.5, checksum))

    return Prepared(lambda: supply.take(BATCH), work)


def short_lived() -> Callable[[], None]:
    """Let buffers come and go, referenced in one way, in another, or not at all."""
    from seamless import Buffer
    from seamless.caching.buffer_cache import BufferCache

    cache: BufferCache[Any] = BufferCache(MEGABYTE, 2 * MEGABYTE)

    def one(number: int) -> None:
        buffer = Buffer(b"%0512d" % number)
        checksum = buffer.get_checksum()
        cache.register(checksum, buffer)
        if number % 3 == 0:
            cache.incref(checksum, scratch=True)
            cache.decref(checksum)
        elif number % 3 == 1:
            cache.tempref(checksum, scratch=True)

    def work() -> None:
        for number in range(SHORT_LIVED):
            one(number)
            if number % BATCH == 0:
                cache.run_eviction_once()

    return work


def passing() -> Callable[[], None]:
    """Let as many bytes pass through a dict."""
    table: dict[int, bytes] = {}

    def work() -> None:
        for number in range(SHORT_LIVED):
            table[number] = b"%0512d" % number
            del table[number]

    return work


def workloads(entries: int) -> dict[str, Workload]:
    """What is timed with so many entries there."""
    return {
        f"register 1,000 beside {entries:,}, with room": Workload(
            with_room(entries), partial(heap, entries, full=False), at_least=1.5
        ),
        f"register 1,000 beside {entries:,}, others leave": Workload(
            without_room(entries), partial(heap, entries, full=True)
        ),
    }


WORKLOADS: dict[str, Workload] = {
    name: workload for entries in ENTRIES for name, workload in workloads(entries).items()
}

#: what is asked of this is the memory that it leaves
LEFT = f"memory left by {SHORT_LIVED:,} short-lived buffers"
WORKLOADS[LEFT] = Workload(short_lived, passing)
