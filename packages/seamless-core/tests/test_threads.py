"""Buffers, checksums and references from many threads and loops at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from seamless import Buffer, CacheMissError, Checksum
from seamless.caching import eviction_cost
from seamless.caching.buffer_cache import get_buffer_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENTS = [b"thread content %d" % number for number in range(50)]
DIGESTS = [hashlib.sha256(content).hexdigest() for content in CONTENTS]
VALUE_DIGESTS = [
    hashlib.sha256(
        json.dumps({"index": n, "row": list(range(n % 7))}, indent=2).encode() + b"\n"
    ).hexdigest()
    for n in range(len(CONTENTS))
]


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


def reference_and_resolve(index: int, random: random.Random) -> None:
    buffer = Buffer(CONTENTS[index])
    buffer.incref(scratch=bool(random.randrange(2)))
    checksum = buffer.get_checksum()
    assert checksum.hex() == DIGESTS[index]
    assert checksum.resolve().content == CONTENTS[index]
    checksum.decref()


def reference_for_a_while(index: int, random: random.Random) -> None:
    Buffer(CONTENTS[index]).tempref(scratch=bool(random.randrange(2)))


def purge(index: int, random: random.Random) -> None:
    get_buffer_cache().purge_scratch(Checksum(DIGESTS[index]))


def resolve_what_may_be_gone(index: int, random: random.Random) -> None:
    try:
        assert Checksum(DIGESTS[index]).resolve().content == CONTENTS[index]
    except CacheMissError:
        return  # another thread has purged it, or it has been evicted


def write_and_read_a_value(index: int, random: random.Random) -> None:
    value = {"index": index, "row": list(range(index % 7))}
    buffer = Buffer(value, "plain")
    buffer.tempref(scratch=True)
    assert buffer.get_checksum().hex() == VALUE_DIGESTS[index]
    assert buffer.get_value("plain") == value


def learn_a_cost(index: int, random: random.Random) -> None:
    checksum = Checksum(DIGESTS[index])
    eviction_cost.record_transformation_cost(checksum, random.random() * 100)
    assert eviction_cost.get_cost(checksum) > 0


def give_back_too_often(index: int, random: random.Random) -> None:
    absent = Checksum(bytes([index]) * 32)
    absent.incref()
    for _ in range(3):
        absent.decref()


def look_around(index: int, random: random.Random) -> None:
    cache = get_buffer_cache()
    assert cache.stats()["strong_bytes"] >= 0
    explained = cache.explain(Checksum(DIGESTS[index]))
    assert explained is None or explained.checksum == DIGESTS[index]
    assert all(leak.references > 0 for leak in cache.leaks())


OPERATIONS = [
    reference_and_resolve,
    reference_for_a_while,
    purge,
    resolve_what_may_be_gone,
    write_and_read_a_value,
    learn_a_cost,
    give_back_too_often,
    look_around,
]


def mix_operations(random: random.Random, rounds: int) -> None:
    for _ in range(rounds):
        random.choice(OPERATIONS)(random.randrange(len(CONTENTS)), random)


async def mix_in_a_loop(random: random.Random, rounds: int) -> None:
    """The same, with coroutines among them that wait in the middle of a number."""

    async def resolve_later(index: int) -> None:
        buffer = Buffer(CONTENTS[index])
        buffer.incref(scratch=True)
        await asyncio.sleep(0)
        assert (await buffer.get_checksum().resolution("bytes")).content == CONTENTS[index]
        buffer.decref()

    for number in range(rounds):
        if number % 4:
            mix_operations(random, 1)
        elif number % 400:
            await resolve_later(random.randrange(len(CONTENTS)))
        else:
            index = random.randrange(len(CONTENTS))
            assert (await Buffer(CONTENTS[index]).get_checksum_async()).hex() == DIGESTS[index]


def run_in_a_loop(random: random.Random, rounds: int) -> None:
    asyncio.run(mix_in_a_loop(random, rounds))


@pytest.fixture
def scarce_memory() -> Iterator[None]:
    """Caps so low that buffers are evicted all the time."""
    cache = get_buffer_cache()
    before = cache.soft_cap, cache.hard_cap
    cache.set_caps(200, 600)
    yield
    cache.purge_scratch()
    cache.set_caps(*before)


def assert_counts_add_up() -> None:
    cache = get_buffer_cache()
    assert [leak for leak in cache.leaks() if leak.checksum in (*DIGESTS, *VALUE_DIGESTS)] == []
    assert not any(Checksum(bytes([n]) * 32) in cache.strong_cache for n in range(len(CONTENTS)))
    held = sum(entry.size for entry in cache.strong_cache.values() if entry.buffer is not None)
    assert cache.stats()["strong_bytes"] == held


@pytest.mark.usefixtures("scarce_memory")
def test_threads_mix_all_operations() -> None:
    run_in_threads(lambda random: mix_operations(random, 400), 6)
    assert_counts_add_up()


@pytest.mark.usefixtures("scarce_memory")
def test_event_loops_mix_all_operations() -> None:
    run_in_threads(lambda random: run_in_a_loop(random, 400), 6)
    assert_counts_add_up()


@pytest.mark.stress
@pytest.mark.usefixtures("scarce_memory")
def test_sixteen_threads_mix_200_000_operations() -> None:
    run_in_threads(lambda random: mix_operations(random, 12_500), 16)
    assert_counts_add_up()
    assert get_buffer_cache().stats()["evictions"] > 1000


@pytest.mark.stress
@pytest.mark.usefixtures("scarce_memory")
def test_many_event_loops_mix_50_000_operations() -> None:
    run_in_threads(lambda random: run_in_a_loop(random, 6_250), 8)
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
