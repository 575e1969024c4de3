"""Buffers, checksums and references from many threads and loops at once."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from seamless import Buffer, CacheMissError, Checksum
from seamless.caching.buffer_cache import get_buffer_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENTS = [b"thread content %d" % number for number in range(50)]
DIGESTS = [hashlib.sha256(content).hexdigest() for content in CONTENTS]


@pytest.fixture(autouse=True)
def hasty_switching(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SEAMLESS_BUFFER_DIR", raising=False)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_in_threads(work: Callable[[random.Random], None], count: int) -> None:
    errors: list[Exception] = []

    def guarded(seed: int) -> None:
        try:
            work(random.Random(seed))
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def mix_operations(random: random.Random, turns: int) -> None:
    for _ in range(turns):
        index = random.randrange(len(CONTENTS))
        buffer = Buffer(CONTENTS[index])
        checksum = buffer.get_checksum()
        assert checksum.hex() == DIGESTS[index]
        choice = random.randrange(4)
        if choice == 0:
            buffer.incref()
            assert checksum.resolve().content == CONTENTS[index]
            checksum.decref()
        elif choice == 1:
            checksum.tempref(scratch=bool(random.randrange(2)))
        elif choice == 2:
            get_buffer_cache().purge_scratch(checksum)
        else:
            try:
                assert Checksum(DIGESTS[index]).resolve().content == CONTENTS[index]
            except CacheMissError:
                continue  # another thread has purged it


def assert_counts_add_up() -> None:
    cache = get_buffer_cache()
    entries = [cache.strong_cache.get(Checksum(digest)) for digest in DIGESTS]
    assert [entry.normal_refs for entry in entries if entry is not None and entry.normal_refs] == []
    held = sum(entry.size for entry in cache.strong_cache.values() if entry.buffer is not None)
    assert cache.stats()["strong_bytes"] == held


def test_threads_mix_all_operations() -> None:
    run_in_threads(lambda random: mix_operations(random, 500), 8)
    assert_counts_add_up()


@pytest.mark.stress
def test_many_threads_mix_all_operations_for_long() -> None:
    run_in_threads(lambda random: mix_operations(random, 12_500), 16)
    assert_counts_add_up()


def test_many_event_loops_resolve_at_once() -> None:
    buffers = [Buffer(content) for content in CONTENTS]
    checksums = [buffer.get_checksum() for buffer in buffers]

    async def resolve_all(random: random.Random) -> None:
        for checksum in random.sample(checksums, len(checksums)):
            found = await checksum.resolution("bytes")
            assert found.get_checksum() == checksum
            assert checksum.resolve().content == found.content
            fresh = Buffer(found.content)
            assert await fresh.get_checksum_async() == checksum

    run_in_threads(lambda random: asyncio.run(resolve_all(random)), 8)
    assert buffers


def test_finalizers_that_give_back_references_do_not_block() -> None:
    class Holder:
        def __init__(self, content: bytes) -> None:
            self.checksum = Buffer(content).get_checksum()
            self.checksum.incref()
            self.itself = self  # only the garbage collector frees it

        def __del__(self) -> None:
            self.checksum.decref()

    def work(random: random.Random) -> None:
        for _ in range(300):
            Holder(random.choice(CONTENTS))

    run_in_threads(work, 6)
    import gc

    gc.collect()
    assert_counts_add_up()
