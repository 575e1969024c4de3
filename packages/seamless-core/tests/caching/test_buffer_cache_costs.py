"""Eviction by cost and hits, through the public methods of the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from small_cache import buffer, tempref

if TYPE_CHECKING:
    from small_cache import Clock

    from seamless import Buffer
    from seamless.caching.buffer_cache import BufferCache


def test_a_higher_recomputation_cost_keeps_a_buffer(cache: BufferCache[Buffer]) -> None:
    dear, cheap = buffer(400, "d"), buffer(400, "c")
    for made, seconds in ((dear, 1000.0), (cheap, 1.0)):
        with cache.update_costs(made.get_checksum()) as costs:
            costs.set_compute_seconds(made.get_checksum(), seconds)
        tempref(cache, made)
    tempref(cache, buffer(400, "z"))
    assert dear.get_checksum() in cache.strong_cache
    assert cheap.get_checksum() not in cache.strong_cache


def test_a_cost_recorded_later_changes_the_score(cache: BufferCache[Buffer]) -> None:
    names = [tempref(cache, buffer(400, fill)) for fill in "ab"]
    with cache.update_costs(names[0]) as costs:
        costs.set_compute_seconds(names[0], 0.001)
    tempref(cache, buffer(400, "z"))
    assert names[0] not in cache.strong_cache
    assert names[1] in cache.strong_cache


def test_more_hits_keep_a_buffer(cache: BufferCache[Buffer]) -> None:
    names = [tempref(cache, buffer(300, fill)) for fill in "abc"]
    for _ in range(3):
        cache.get(names[0])
        cache.get(names[2])
    tempref(cache, buffer(300, "z"))
    assert [name in cache.strong_cache for name in names] == [True, False, True]


def test_past_uses_count_when_a_buffer_is_registered_again(cache: BufferCache[Buffer]) -> None:
    made = buffer(600, "a")
    name = tempref(cache, made)
    cache.get(name)
    del made
    cache.set_caps(soft=0)
    cache.set_caps(soft=1000)
    assert cache.get(name) is None
    tempref(cache, buffer(600, "a"))
    explained = cache.explain(name)
    assert explained is not None
    assert 2.0 < explained.uses < 3.0


def test_expired_temprefs_are_evicted_by_cost(cache: BufferCache[Buffer], clock: Clock) -> None:
    dear, cheap = tempref(cache, buffer(100, "d")), buffer(800, "c")
    clock.now = 3600.0
    tempref(cache, cheap)
    clock.now = 7200.0
    tempref(cache, buffer(300, "z"))
    assert dear in cache.strong_cache
    assert cheap.get_checksum() not in cache.strong_cache


def test_the_lowest_score_is_evicted_first(cache: BufferCache[Buffer], clock: Clock) -> None:
    names = []
    for number, size in enumerate((90, 200, 50, 150, 300)):
        clock.now += 5.0
        names.append(tempref(cache, buffer(size, chr(97 + number))))
        with cache.update_costs(names[-1]) as costs:
            costs.set_compute_seconds(names[-1], 1.0 + 7 * number % 5)
    clock.now += 5.0
    while names:
        scores = {name: cache.explain(name) for name in names}
        lowest = min(names, key=lambda name: scores[name].score)  # type: ignore[union-attr]  # all are there
        cache.set_caps(soft=cache.stats()["strong_bytes"] - 1)
        left = [name for name in names if name not in cache.strong_cache]
        assert left == [lowest]
        names.remove(lowest)
