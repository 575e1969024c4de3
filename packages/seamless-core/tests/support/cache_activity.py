"""Random operations on the cache, and a consistency check of its tables.

Used by tests that interrupt the cache, fork, or call it in finalizers during these operations.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from seamless import Buffer, Checksum
from seamless.caching.buffer_cache import BufferCache
from seamless.caching.finalizer_lock import CLEAN
from seamless.util.lru import LRU

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENTS = [b"%03d" % number * (1 + number % 40) for number in range(80)]


class Activity:
    """Operations on one cache, one LRU and the codecs, chosen by a seeded generator.

    Parameters
    ----------
    cache
        Its caps should be low, for buffers to be evicted all the time.
    seed
        Of the generator.
    """

    def __init__(self, cache: BufferCache[Buffer], seed: object) -> None:
        self.cache = cache
        self.random = random.Random(repr(seed))
        self.lru: LRU[Checksum, int] = LRU(20)
        self.operations: list[Callable[[Buffer, Checksum], object]] = [
            self.reference,
            self.reference,
            self.reference_for_a_while,
            self.reference_before_it_comes,
            self.register,
            self.look_up,
            self.purge,
            self.learn,
            self.look_around,
            self.change_caps,
            self.use_lru,
        ]

    def act(self) -> None:
        """Do one operation."""
        made = Buffer(self.random.choice(CONTENTS))
        self.random.choice(self.operations)(made, made.get_checksum())

    def reference(self, made: Buffer, name: Checksum) -> None:
        self.cache.incref(name, buffer=made, scratch=True)
        self.cache.decref(name)

    def reference_for_a_while(self, made: Buffer, name: Checksum) -> None:
        interest = self.random.choice([0.5, 128.0])
        self.cache.tempref(name, buffer=made, interest=interest, scratch=True)
        self.cache.refresh_tempref(name)

    def reference_before_it_comes(self, made: Buffer, name: Checksum) -> None:
        self.cache.incref(name, scratch=True)
        self.cache.register(name, made)
        self.cache.decref(name)

    def register(self, made: Buffer, name: Checksum) -> None:
        self.cache.register(name, made)
        self.cache.register(name, Buffer(made.content))

    def look_up(self, made: Buffer, name: Checksum) -> None:
        found = self.cache.get(name)
        assert found is None or found.content == made.content
        self.cache.is_scratch_ref(name)

    def purge(self, made: Buffer, name: Checksum) -> None:
        self.cache.purge_scratch(name if self.random.randrange(20) else None)

    def learn(self, made: Buffer, name: Checksum) -> None:
        with self.cache.update_costs(name) as costs:
            costs.set_compute_seconds(name, self.random.random())
        self.cache.note_stored(name)

    def look_around(self, made: Buffer, name: Checksum) -> None:
        self.cache.explain(name)
        self.cache.leaks()
        self.cache.stats()
        assert all(len(found) > 0 for found in self.cache.weak_cache.values())

    def change_caps(self, made: Buffer, name: Checksum) -> None:
        self.cache.set_caps(soft=self.random.randrange(500, 1500), hard=3000)
        self.cache.run_eviction_once()

    def use_lru(self, made: Buffer, name: Checksum) -> None:
        self.lru[name] = len(made)
        assert self.lru.get(name, len(made)) == len(made)
        assert len(self.lru) <= self.lru.size + 1  # one more after an interrupt


def small_cache() -> BufferCache[Buffer]:
    return BufferCache(1000, 3000)


def assert_tables_add_up(cache: BufferCache[Buffer]) -> None:
    """Compare every table of the cache with the entries. No other thread may use it."""
    cache.run_eviction_once()  # completes interrupted operations
    guard, table = cache._guard, cache._strong
    assert guard.state == CLEAN
    assert not guard.pending
    sizes = {digest: entry.size for digest, entry in table.entries.items()}
    assert cache.stats()["strong_bytes"] == table.size == sum(sizes.values())
    for digest, entry in table.entries.items():
        assert entry.size == (0 if entry.buffer is None else len(entry.buffer))
        assert entry.normal_refs > 0 or entry.tempref is not None
        queued = [digest in queue for queue in (table._pinned, table._temporary, table._absent)]
        expected = [False, False, False]
        if entry.normal_refs:
            expected[0] = entry.buffer is not None
        else:
            expected[1 if entry.buffer is not None else 2] = True
        assert digest in table._dirty or queued == expected
    queued_digests = {*table._pinned._tickets, *table._temporary._tickets, *table._absent}
    assert queued_digests <= set(sizes)
    assert set(table._dirty) <= set(sizes)
    for queue in (table._pinned, table._temporary):
        items = sum(map(len, queue._heaps.values()))
        assert items == len(queue) + queue._stale
    weak = cache._weak
    dead = [reference for reference in weak.references.copy().values() if reference() is None]
    assert set(map(id, dead)) <= set(map(id, weak.dead_refs.copy()))
    assert table.size <= cache.hard_cap
