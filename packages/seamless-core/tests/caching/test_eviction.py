from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest
from small_cache import ABSENT, buffer, register, tempref
from threads_at_once import run_at_once

from seamless import Buffer, Checksum
from seamless.caching import strong_table
from seamless.caching.buffer_cache import BufferCache
from seamless.caching.cost_model import CostModel
from seamless.caching.scratch_set import RecentSet

if TYPE_CHECKING:
    from small_cache import Clock


def test_the_soft_cap_is_kept_when_referencing(cache: BufferCache[Buffer]) -> None:
    for number in range(20):
        made = buffer(100, chr(ord("a") + number))
        cache.tempref(made.get_checksum(), buffer=made)
        assert cache.stats()["strong_bytes"] <= 1000 + 100
    assert cache.stats()["evictions"] >= 9


def test_the_soft_cap_is_kept_when_registering(cache: BufferCache[Buffer]) -> None:
    made = [buffer(100, chr(ord("a") + number)) for number in range(20)]
    for each in made:
        cache.tempref(each.get_checksum())
    for each in made:
        cache.register(each.get_checksum(), each)
        assert cache.stats()["strong_bytes"] <= 1000 + 100


def test_the_lowest_interest_is_evicted_first(cache: BufferCache[Buffer], clock: Clock) -> None:
    old, new = buffer(600, "o"), buffer(300, "n")
    tempref(cache, old)
    clock.now = 60.0
    tempref(cache, new)
    name = old.get_checksum()
    del old
    tempref(cache, buffer(500, "z"))
    assert cache.get(name) is None
    assert new.get_checksum() in cache.strong_cache


def test_counted_references_stay_between_the_caps(cache: BufferCache[Buffer]) -> None:
    held = [buffer(150, chr(ord("a") + number)) for number in range(12)]
    for each in held:
        cache.incref(register(cache, each))
    names = [each.get_checksum() for each in held]
    del held, each
    assert all(cache.get(name) is not None for name in names)
    assert cache.stats()["strong_bytes"] == 1800


def test_above_the_hard_cap_counted_references_lose_their_buffers(
    cache: BufferCache[Buffer],
) -> None:
    for number in range(30):
        made = buffer(150, chr(ord("a") + number))
        cache.incref(made.get_checksum(), buffer=made)
        assert cache.stats()["strong_bytes"] <= 2000 + 150
    assert cache.stats()["strong_count"] == 30


def test_a_counted_reference_holds_an_evicted_buffer_again_when_it_is_registered(
    cache: BufferCache[Buffer],
) -> None:
    for number in range(30):
        made = buffer(150, chr(ord("a") + number))
        cache.incref(made.get_checksum(), buffer=made)
    del made
    lost = next(name for name, entry in cache.strong_cache.items() if entry.buffer is None)
    content = next(
        each for n in range(30) if (each := buffer(150, chr(ord("a") + n))).get_checksum() == lost
    )
    cache.register(lost, content)
    del content
    assert cache.get(lost) is not None


def test_stored_buffers_are_evicted_before_others(cache: BufferCache[Buffer]) -> None:
    kept, stored = buffer(400, "k"), buffer(400, "s")
    for made in (kept, stored):
        tempref(cache, made)
    cache.note_stored(stored.get_checksum())
    tempref(cache, buffer(400, "z"))
    assert kept.get_checksum() in cache.strong_cache
    assert stored.get_checksum() not in cache.strong_cache


def test_an_eviction_pass_returns_the_number_and_the_bytes(cache: BufferCache[Buffer]) -> None:
    for fill in "abc":
        tempref(cache, buffer(300, fill))
    cache.soft_cap = 500
    assert cache.run_eviction_once() == (2, 600)
    assert cache.run_eviction_once() == (0, 0)
    stats = cache.stats()
    assert (stats["evictions"], stats["evicted_bytes"]) == (2, 600)


@pytest.mark.parametrize("counted", [False, True])
def test_an_evicted_buffer_dies_outside_of_the_lock(
    cache: BufferCache[Buffer], counted: bool
) -> None:
    blocked: list[bool] = []

    def reference_from_another_thread() -> None:
        thread = threading.Thread(target=lambda: cache.tempref(ABSENT, scratch=True))
        thread.start()
        thread.join(10)
        blocked.append(thread.is_alive())

    made = buffer(300)
    weakref.finalize(made, reference_from_another_thread)
    checksum = tempref(cache, made)
    if counted:
        cache.incref(checksum)
    del made
    cache.soft_cap = cache.hard_cap = 0
    cache.run_eviction_once()
    assert blocked == [False]


def test_a_soft_cap_above_the_hard_one_is_rejected() -> None:
    with pytest.raises(ValueError, match="soft cap"):
        BufferCache("2GB", "1GB")


def test_caps_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_SOFT_CAP", "512MB")
    monkeypatch.setenv("SEAMLESS_BUFFER_HARD_CAP", "8GiB")
    cache: BufferCache[Buffer] = BufferCache()
    assert (cache.soft_cap, cache.hard_cap) == (512_000_000, 8 * 1024**3)


def test_the_error_of_a_bad_cap_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_SOFT_CAP", "much")
    with pytest.raises(ValueError, match="SEAMLESS_BUFFER_SOFT_CAP"):
        BufferCache()


def test_caps_are_five_and_fifty_gib_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAMLESS_BUFFER_SOFT_CAP", raising=False)
    monkeypatch.delenv("SEAMLESS_BUFFER_HARD_CAP", raising=False)
    cache: BufferCache[Buffer] = BufferCache()
    assert (cache.soft_cap, cache.hard_cap) == (5 * 1024**3, 50 * 1024**3)


def test_caps_are_changed_by_a_call_and_kept_at_once(cache: BufferCache[Buffer]) -> None:
    for fill in "abc":
        tempref(cache, buffer(300, fill))
    cache.set_caps(soft="0.5kB", hard=3000)
    assert (cache.soft_cap, cache.hard_cap) == (500, 3000)
    assert cache.stats()["strong_bytes"] <= 500


def test_one_cap_may_be_changed_alone(cache: BufferCache[Buffer]) -> None:
    cache.set_caps(hard="1MB")
    assert (cache.soft_cap, cache.hard_cap) == (1000, 1_000_000)


@pytest.mark.parametrize("caps", [{"soft": "3kB"}, {"hard": 10}, {"soft": "lots"}])
def test_invalid_caps_change_nothing(cache: BufferCache[Buffer], caps: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"cap|size"):
        cache.set_caps(**caps)
    assert (cache.soft_cap, cache.hard_cap) == (1000, 2000)


def test_an_incoming_buffer_may_exceed_the_soft_cap(
    cache: BufferCache[Buffer],
) -> None:
    dear = tempref(cache, buffer(900, "d"))
    with cache.update_costs(dear) as costs:
        costs.set_compute_seconds(dear, 1e6)
    first, second = (tempref(cache, buffer(size, fill)) for size, fill in ((400, "f"), (300, "s")))
    assert dear in cache.strong_cache
    assert first not in cache.strong_cache
    assert second in cache.strong_cache
    assert cache.stats()["strong_bytes"] == 1200


def test_a_reference_without_a_buffer_evicts_nothing(cache: BufferCache[Buffer]) -> None:
    cache.incref(register(cache, counted := buffer(900, "c")))
    incoming = tempref(cache, buffer(300, "i"))
    cache.incref(ABSENT)
    assert incoming in cache.strong_cache
    assert cache.stats()["strong_bytes"] == 300 + len(counted)


def test_a_buffer_that_was_looked_up_is_evicted_after_others(cache: BufferCache[Buffer]) -> None:
    older, newer = (tempref(cache, buffer(400, fill)) for fill in "on")
    cache.run_eviction_once()  # ranks both
    cache.get(older)
    tempref(cache, buffer(400, "i"))
    assert older in cache.strong_cache
    assert newer not in cache.strong_cache


def test_only_the_incoming_buffer_may_exceed_the_soft_cap(cache: BufferCache[Buffer]) -> None:
    dear = tempref(cache, buffer(1000, "d"))
    with cache.update_costs(dear) as costs:
        costs.set_compute_seconds(dear, 1e6)
    for number in range(1, 20):
        made = Buffer(b"%d" % number * 50)
        with cache.update_costs(made.get_checksum()) as costs:
            costs.set_compute_seconds(made.get_checksum(), 1.0 / number)
        tempref(cache, made)
        assert cache.stats()["strong_bytes"] <= 1000 + len(made)
    assert dear in cache.strong_cache


def test_no_buffer_may_exceed_the_hard_cap(cache: BufferCache[Buffer]) -> None:
    cache.set_caps(hard=1000)
    dear = tempref(cache, buffer(900, "d"))
    with cache.update_costs(dear) as costs:
        costs.set_compute_seconds(dear, 1e6)
    cheap = tempref(cache, buffer(400, "c"))
    assert cheap in cache.strong_cache
    assert cache.stats()["strong_bytes"] == 400


@pytest.mark.parametrize("counted", [True, False])
def test_a_buffer_larger_than_the_hard_cap_is_not_held(
    cache: BufferCache[Buffer], counted: bool
) -> None:
    others = [tempref(cache, buffer(300, fill)) for fill in "abc"]
    made = buffer(2001)
    if counted:
        cache.incref(made.get_checksum(), buffer=made)
    else:
        tempref(cache, made)
    assert cache.stats()["strong_bytes"] == 900
    assert all(name in cache.strong_cache for name in others)
    assert cache.get(made.get_checksum()) is made
    assert (made.get_checksum() in cache.strong_cache) == counted


def test_a_buffer_as_large_as_the_hard_cap_is_held(cache: BufferCache[Buffer]) -> None:
    made = tempref(cache, buffer(2000))
    assert cache.get(made) is not None
    assert cache.stats()["strong_bytes"] == 2000


def test_a_referenced_buffer_larger_than_the_hard_cap_is_not_held(
    cache: BufferCache[Buffer],
) -> None:
    made = buffer(2001)
    cache.incref(made.get_checksum())
    cache.register(made.get_checksum(), made)
    assert cache.stats()["strong_bytes"] == 0
    assert cache.strong_cache[made.get_checksum()].normal_refs == 1


def test_an_eviction_pass_removes_expired_temprefs_without_a_buffer(
    cache: BufferCache[Buffer], clock: Clock
) -> None:
    names = [Checksum(number.to_bytes(32, "big")) for number in range(300)]
    for name in names[:200]:
        cache.tempref(name)
    cache.incref(names[0])
    clock.now = 14.0  # 128 is halved seven times
    for name in names[200:]:
        cache.tempref(name)
    held = tempref(cache, buffer(10))
    cache.run_eviction_once()
    assert set(cache.strong_cache) == {names[0], *names[200:], held}
    cache.decref(names[0])
    clock.now = 28.0
    cache.run_eviction_once()
    assert set(cache.strong_cache) == {held}


def test_the_number_of_temprefs_without_a_buffer_is_bounded(
    cache: BufferCache[Buffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strong_table, "MAX_ABSENT", 500)
    names = [Checksum(number.to_bytes(32, "big")) for number in range(2000)]
    for name in names:
        cache.tempref(name)
        cache.tempref(names[0])  # refreshed repeatedly
    assert set(cache.strong_cache) == {names[0], *names[-499:]}
    assert names[1] not in cache.strong_cache


def test_a_tempref_holds_a_buffer_that_is_registered_later(
    cache: BufferCache[Buffer], clock: Clock
) -> None:
    made = buffer(10)
    cache.tempref(made.get_checksum())
    cache._strong.remove_expired_absent(0.0)
    cache.register(made.get_checksum(), made)
    clock.now = 1e6
    cache.run_eviction_once()
    assert cache.strong_cache[made.get_checksum()].buffer is made


def test_caps_that_are_set_as_attributes_are_kept_too(cache: BufferCache[Buffer]) -> None:
    cache.soft_cap, cache.hard_cap = 1000, 500
    for fill in "abc":
        made = buffer(300, fill)
        cache.incref(made.get_checksum(), buffer=made)
        assert cache.stats()["strong_bytes"] <= 500


def test_released_buffers_leave_no_state(cache: BufferCache[Buffer]) -> None:
    for number in range(500):
        made = Buffer(b"%d" % number)
        checksum = register(cache, made)
        cache.incref(checksum)
        cache.decref(checksum)
        cache.get(checksum)
    del made, checksum
    gc.collect()
    numbers = cache.stats()
    assert (numbers["strong_count"], numbers["weak_count"], numbers["strong_bytes"]) == (0, 0, 0)
    table = cache._strong
    assert (len(table._pinned), len(table._temporary), len(table.scratch_marks)) == (0, 0, 0)


def test_dead_weak_references_are_purged(cache: BufferCache[Buffer]) -> None:
    buffers = [Buffer(b"%d" % number) for number in range(5000)]
    for made in buffers:
        register(cache, made)
    buffers.clear()
    assert len(cache._weak.dead_refs) > 4000
    for number in range(5000, 5100):
        register(cache, made := Buffer(b"%d" % number))
    assert len(cache._weak.dead_refs) < 100
    assert len(made) == 4


def test_100_000_short_lived_scratch_buffers_leave_bounded_state(
    cache: BufferCache[Buffer],
) -> None:
    table = cache._strong
    table.costs = CostModel(max_entries=1000)
    table.scratch_marks = RecentSet(max_entries=1000)
    for number in range(100_000):
        digest = Checksum(number.to_bytes(32, "big"))
        cache.tempref(digest, buffer=Buffer(b"%06d" % number), scratch=True)
    numbers = cache.stats()
    assert numbers["strong_bytes"] <= 1000
    assert numbers["strong_count"] == numbers["weak_count"] <= 167
    queued = sum(len(heap) for heap in table._temporary._heaps.values())
    assert queued < 1000
    assert len(table.costs) <= 2000
    assert len(table.scratch_marks) <= 2001


def test_stats_count_hits_and_misses_and_name_the_largest(cache: BufferCache[Buffer]) -> None:
    small, large = buffer(10, "s"), buffer(500, "l")
    for made in (small, large):
        cache.incref(register(cache, made))
    cache.get(small.get_checksum())
    cache.get(ABSENT)
    numbers = cache.stats()
    assert (numbers["hits"], numbers["misses"]) == (1, 1)
    assert numbers["largest"][0] == {"checksum": large.get_checksum().hex(), "size": 500}


def test_look_ups_of_many_threads_are_all_counted(cache: BufferCache[Buffer]) -> None:
    checksum = register(cache, made := buffer(10))

    def look_up() -> None:
        for _ in range(2000):
            cache.get(checksum)
            cache.get(ABSENT)

    run_at_once(look_up, 6)
    numbers = cache.stats()
    assert (numbers["hits"], numbers["misses"], len(made)) == (12_000, 12_000, 10)


def test_views_can_be_iterated_while_another_thread_changes_the_cache(
    cache: BufferCache[Buffer],
) -> None:
    stop = False

    def come_and_go() -> None:
        number = 0
        while not stop:
            made = Buffer(b"%d" % (number % 50))
            cache.incref(made.get_checksum(), buffer=made, scratch=True)
            cache.decref(made.get_checksum())
            number += 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(500):
            assert all(entry.normal_refs in {0, 1} for entry in cache.strong_cache.values())
            assert all(len(found) > 0 for _, found in cache.weak_cache.items())
            assert cache.stats()["strong_count"] <= 1
    finally:
        stop = True
        thread.join()
        sys.setswitchinterval(before)
