from __future__ import annotations

import gc
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from seamless import Buffer, CacheMissError, Checksum, set_is_worker
from seamless.caching.buffer_cache import BufferCache, get_buffer_cache
from seamless.caching.cache_report import Leak
from seamless.caching.cost_book import CostBook
from seamless.caching.scratch_marks import ScratchMarks

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT = Checksum("ab" * 32)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> BufferCache:
    return BufferCache(1000, 2000, clock=clock)


def buffer(size: int, fill: str = "x") -> Buffer:
    return Buffer(fill.encode() * size)


def register(cache: BufferCache, made: Buffer) -> Checksum:
    checksum = made.get_checksum()
    cache.register(checksum, made)
    return checksum


def tempref(cache: BufferCache, made: Buffer, *, scratch: bool = False) -> Checksum:
    cache.tempref(made.get_checksum(), buffer=made, scratch=scratch)
    return made.get_checksum()


# -- references -----------------------------------------------------------------------


def test_an_unreferenced_buffer_is_found_while_it_lives(cache: BufferCache) -> None:
    made = buffer(10)
    checksum = register(cache, made)
    assert cache.get(checksum) is made
    del made
    assert cache.get(checksum) is None


def test_incref_holds_until_decref(cache: BufferCache) -> None:
    checksum = register(cache, made := buffer(10))
    cache.incref(checksum)
    del made
    assert cache.get(checksum) is not None
    cache.decref(checksum)
    assert cache.get(checksum) is None


def test_each_incref_asks_for_a_decref(cache: BufferCache) -> None:
    checksum = register(cache, made := buffer(10))
    cache.incref(checksum)
    cache.incref(checksum)
    del made
    cache.decref(checksum)
    assert cache.get(checksum) is not None
    cache.decref(checksum)
    assert cache.get(checksum) is None


def test_decref_below_zero_changes_nothing(cache: BufferCache) -> None:
    checksum = register(cache, made := buffer(10))
    cache.decref(checksum)
    cache.incref(checksum)
    del made
    assert cache.get(checksum) is not None
    cache.decref(ABSENT)


def test_incref_brings_the_buffer_along(cache: BufferCache) -> None:
    made = buffer(10)
    checksum = made.get_checksum()
    cache.incref(checksum, buffer=made)
    del made
    assert cache.get(checksum) is not None


def test_the_buffer_of_incref_is_keyword_only(cache: BufferCache) -> None:
    made = buffer(10)
    with pytest.raises(TypeError):
        cache.incref(made.get_checksum(), made)  # type: ignore[call-arg]  # neighbours rely on the error


def test_a_reference_waits_for_its_buffer(cache: BufferCache) -> None:
    made = buffer(10)
    checksum = made.get_checksum()
    cache.incref(checksum)
    assert cache.get(checksum) is None
    cache.register(checksum, made)
    del made
    assert cache.get(checksum) is not None


def test_a_tempref_outlives_its_interest_while_memory_is_not_short(
    cache: BufferCache, clock: Clock
) -> None:
    checksum = register(cache, made := buffer(10))
    cache.tempref(checksum)
    del made
    clock.now = 1e6
    cache.run_eviction_once()
    assert cache.get(checksum) is not None


def test_a_tempref_is_refreshed_by_a_second_one(cache: BufferCache, clock: Clock) -> None:
    first = cache.tempref(ABSENT)
    clock.now = 10.0
    assert cache.tempref(ABSENT) is first
    assert first.current_interest(10.0) == pytest.approx(128.0)


def test_a_tempref_is_refreshed_by_name(cache: BufferCache, clock: Clock) -> None:
    tempref = cache.tempref(ABSENT)
    clock.now = 10.0
    cache.refresh_tempref(ABSENT)
    assert tempref.current_interest(10.0) == pytest.approx(128.0)


def test_a_tempref_goes_on_when_the_counted_references_are_given_back(cache: BufferCache) -> None:
    checksum = register(cache, made := buffer(10))
    cache.tempref(checksum)
    cache.incref(checksum)
    cache.decref(checksum)
    del made
    assert cache.get(checksum) is not None


def test_equal_buffers_share_one_entry(cache: BufferCache) -> None:
    first, second = buffer(10), buffer(10)
    cache.incref(register(cache, first))
    cache.incref(register(cache, second))
    assert cache.stats()["strong_bytes"] == 10


@pytest.mark.parametrize("survivor", [0, 1])
def test_a_buffer_is_found_while_any_of_equal_ones_lives(cache: BufferCache, survivor: int) -> None:
    buffers = [buffer(10), buffer(10)]
    for made in buffers:
        checksum = register(cache, made)
    kept = buffers.pop(survivor)
    buffers.clear()
    del made
    gc.collect()
    assert cache.get(checksum) == kept


def test_equal_buffers_share_their_bytes(cache: BufferCache) -> None:
    first, second = buffer(10), buffer(10)
    register(cache, first)
    register(cache, second)
    assert second.content is first.content


def test_a_checksum_that_was_trusted_wrongly_does_not_spread_its_bytes(cache: BufferCache) -> None:
    first, second = buffer(10), buffer(20)
    cache.register(ABSENT, first)
    cache.register(ABSENT, second)
    assert (len(first), len(second)) == (10, 20)
    assert cache.get(ABSENT) is second


def test_membership_is_seen_in_the_two_tables(cache: BufferCache) -> None:
    checksum = register(cache, made := buffer(10))
    with cache.lock:
        assert checksum in cache.weak_cache
        assert checksum not in cache.strong_cache
    cache.incref(checksum, buffer=made)
    with cache.lock:
        assert checksum in cache.strong_cache


# -- scratch --------------------------------------------------------------------------


def test_the_last_reference_decides_about_scratch(cache: BufferCache) -> None:
    assert not cache.is_scratch_ref(ABSENT)
    cache.tempref(ABSENT, scratch=True)
    assert cache.is_scratch_ref(ABSENT)
    cache.incref(ABSENT)
    assert not cache.is_scratch_ref(ABSENT)


def test_purging_forgets_even_a_living_buffer(cache: BufferCache) -> None:
    made = buffer(10)
    checksum = register(cache, made)
    cache.tempref(checksum, scratch=True)
    assert cache.purge_scratch(checksum) == 1
    assert cache.get(checksum) is None
    assert len(made) == 10


def test_purging_leaves_what_is_held_otherwise(cache: BufferCache) -> None:
    counted, normal = buffer(10, "a"), buffer(10, "b")
    cache.incref(register(cache, counted), scratch=True)
    tempref(cache, normal)
    assert cache.purge_scratch() == 0
    assert cache.get(counted.get_checksum()) is counted
    assert cache.get(normal.get_checksum()) is normal


def test_purging_without_a_name_forgets_all_scratch(cache: BufferCache) -> None:
    for fill in "abc":
        tempref(cache, buffer(5, fill), scratch=True)
    assert cache.purge_scratch() == 3
    assert cache.stats()["strong_bytes"] == 0


def test_a_result_stays_scratch_after_its_buffer_is_gone(cache: BufferCache) -> None:
    cache.tempref(ABSENT, scratch=True)
    cache.purge_scratch(ABSENT)
    assert cache.is_scratch_ref(ABSENT)


def test_a_purged_checksum_can_not_be_resolved() -> None:
    made = Buffer(b"purged and still alive")
    made.tempref(scratch=True)
    get_buffer_cache().purge_scratch(made.get_checksum())
    with pytest.raises(CacheMissError):
        made.get_checksum().resolve()


# -- caps -----------------------------------------------------------------------------


def test_the_soft_cap_is_kept_when_referencing(cache: BufferCache) -> None:
    for number in range(20):
        made = buffer(100, chr(ord("a") + number))
        cache.tempref(made.get_checksum(), buffer=made)
        assert cache.stats()["strong_bytes"] <= 1000 + 100
    assert cache.stats()["evictions"] >= 9


def test_the_soft_cap_is_kept_when_registering(cache: BufferCache) -> None:
    made = [buffer(100, chr(ord("a") + number)) for number in range(20)]
    for each in made:
        cache.tempref(each.get_checksum())
    for each in made:
        cache.register(each.get_checksum(), each)
        assert cache.stats()["strong_bytes"] <= 1000 + 100


def test_the_least_interesting_leaves_first(cache: BufferCache, clock: Clock) -> None:
    old, new = buffer(600, "o"), buffer(300, "n")
    tempref(cache, old)
    clock.now = 60.0
    tempref(cache, new)
    name = old.get_checksum()
    del old
    tempref(cache, buffer(500, "z"))
    assert cache.get(name) is None
    assert new.get_checksum() in cache.strong_cache


def test_counted_references_stay_between_the_caps(cache: BufferCache) -> None:
    held = [buffer(150, chr(ord("a") + number)) for number in range(12)]
    for each in held:
        cache.incref(register(cache, each))
    names = [each.get_checksum() for each in held]
    del held, each
    assert all(cache.get(name) is not None for name in names)
    assert cache.stats()["strong_bytes"] == 1800


def test_above_the_hard_cap_counted_references_lose_their_buffers(cache: BufferCache) -> None:
    for number in range(30):
        made = buffer(150, chr(ord("a") + number))
        cache.incref(made.get_checksum(), buffer=made)
        assert cache.stats()["strong_bytes"] <= 2000 + 150
    assert cache.stats()["strong_count"] == 30


def test_a_reference_that_lost_its_buffer_takes_hold_when_it_comes_back(cache: BufferCache) -> None:
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


def test_what_a_write_backend_has_leaves_before_what_it_has_not(cache: BufferCache) -> None:
    kept, stored = buffer(400, "k"), buffer(400, "s")
    for made in (kept, stored):
        tempref(cache, made)
    cache.note_stored(stored.get_checksum())
    tempref(cache, buffer(400, "z"))
    assert kept.get_checksum() in cache.strong_cache
    assert stored.get_checksum() not in cache.strong_cache


def test_an_eviction_pass_tells_how_many_and_how_much(cache: BufferCache) -> None:
    for fill in "abc":
        tempref(cache, buffer(300, fill))
    cache.soft_cap = 500
    assert cache.run_eviction_once() == (2, 600)
    assert cache.run_eviction_once() == (0, 0)


def test_an_eviction_loop_runs_by_itself_and_ends(cache: BufferCache) -> None:
    tempref(cache, buffer(300))
    cache.soft_cap = 0
    cache.start_eviction_loop(0.001)
    cache.start_eviction_loop(0.001)
    loops = [t for t in threading.enumerate() if t.name == "seamless-eviction"]
    assert len(loops) == 1
    while cache.stats()["strong_bytes"]:
        loops[0].join(0.001)
    cache.stop_eviction_loop()
    loops[0].join(30)
    assert not loops[0].is_alive()


def test_a_soft_cap_above_the_hard_one_is_refused() -> None:
    with pytest.raises(ValueError, match="soft cap"):
        BufferCache("2GB", "1GB")


def test_caps_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_SOFT_CAP", "512MB")
    monkeypatch.setenv("SEAMLESS_BUFFER_HARD_CAP", "8GiB")
    cache = BufferCache()
    assert (cache.soft_cap, cache.hard_cap) == (512_000_000, 8 * 1024**3)


def test_a_bad_cap_is_told_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_SOFT_CAP", "much")
    with pytest.raises(ValueError, match="SEAMLESS_BUFFER_SOFT_CAP"):
        BufferCache()


def test_caps_are_five_and_fifty_gib_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAMLESS_BUFFER_SOFT_CAP", raising=False)
    monkeypatch.delenv("SEAMLESS_BUFFER_HARD_CAP", raising=False)
    cache = BufferCache()
    assert (cache.soft_cap, cache.hard_cap) == (5 * 1024**3, 50 * 1024**3)


def test_caps_are_changed_by_a_call_and_kept_at_once(cache: BufferCache) -> None:
    for fill in "abc":
        tempref(cache, buffer(300, fill))
    cache.set_caps(soft="0.5kB", hard=3000)
    assert (cache.soft_cap, cache.hard_cap) == (500, 3000)
    assert cache.stats()["strong_bytes"] <= 500


def test_one_cap_may_be_changed_alone(cache: BufferCache) -> None:
    cache.set_caps(hard="1MB")
    assert (cache.soft_cap, cache.hard_cap) == (1000, 1_000_000)


@pytest.mark.parametrize("caps", [{"soft": "3kB"}, {"hard": 10}, {"soft": "lots"}])
def test_impossible_caps_change_nothing(cache: BufferCache, caps: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"cap|size"):
        cache.set_caps(**caps)
    assert (cache.soft_cap, cache.hard_cap) == (1000, 2000)


def test_a_newcomer_worth_little_is_a_guest_above_the_soft_cap(cache: BufferCache) -> None:
    dear = tempref(cache, buffer(900, "d"))
    with cache.learning(dear) as costs:
        costs.set_compute_seconds(dear, 1e6)
    first, second = (tempref(cache, buffer(size, fill)) for size, fill in ((400, "f"), (300, "s")))
    assert dear in cache.strong_cache
    assert first not in cache.strong_cache
    assert second in cache.strong_cache
    assert cache.stats()["strong_bytes"] == 1200


def test_guests_do_not_add_up(cache: BufferCache) -> None:
    dear = tempref(cache, buffer(1000, "d"))
    with cache.learning(dear) as costs:
        costs.set_compute_seconds(dear, 1e6)
    for number in range(1, 20):
        made = Buffer(b"%d" % number * 50)
        with cache.learning(made.get_checksum()) as costs:
            costs.set_compute_seconds(made.get_checksum(), 1.0 / number)
        tempref(cache, made)
        assert cache.stats()["strong_bytes"] <= 1000 + len(made)
    assert dear in cache.strong_cache


def test_nobody_is_a_guest_above_the_hard_cap(cache: BufferCache) -> None:
    cache.set_caps(hard=1000)
    dear = tempref(cache, buffer(900, "d"))
    with cache.learning(dear) as costs:
        costs.set_compute_seconds(dear, 1e6)
    cheap = tempref(cache, buffer(400, "c"))
    assert cheap in cache.strong_cache
    assert cache.stats()["strong_bytes"] == 400


# -- costs and uses -------------------------------------------------------------------


def test_what_is_dearer_to_compute_stays(cache: BufferCache) -> None:
    dear, cheap = buffer(400, "d"), buffer(400, "c")
    for made, seconds in ((dear, 1000.0), (cheap, 1.0)):
        with cache.learning(made.get_checksum()) as costs:
            costs.set_compute_seconds(made.get_checksum(), seconds)
        tempref(cache, made)
    tempref(cache, buffer(400, "z"))
    assert dear.get_checksum() in cache.strong_cache
    assert cheap.get_checksum() not in cache.strong_cache


def test_a_cost_learned_while_a_buffer_is_held_counts(cache: BufferCache) -> None:
    names = [tempref(cache, buffer(400, fill)) for fill in "ab"]
    with cache.learning(names[0]) as costs:
        costs.set_compute_seconds(names[0], 0.001)
    tempref(cache, buffer(400, "z"))
    assert names[0] not in cache.strong_cache
    assert names[1] in cache.strong_cache


def test_what_is_found_often_stays(cache: BufferCache) -> None:
    names = [tempref(cache, buffer(300, fill)) for fill in "abc"]
    for _ in range(3):
        cache.get(names[0])
        cache.get(names[2])
    tempref(cache, buffer(300, "z"))
    assert [name in cache.strong_cache for name in names] == [True, False, True]


def test_uses_are_remembered_when_a_buffer_comes_back(cache: BufferCache) -> None:
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


def test_an_interest_that_is_over_leaves_the_cost_to_decide(
    cache: BufferCache, clock: Clock
) -> None:
    dear, cheap = tempref(cache, buffer(100, "d")), buffer(800, "c")
    clock.now = 3600.0
    tempref(cache, cheap)
    clock.now = 7200.0
    tempref(cache, buffer(300, "z"))
    assert dear in cache.strong_cache
    assert cheap.get_checksum() not in cache.strong_cache


def test_the_terms_of_a_score_are_explained(cache: BufferCache, clock: Clock) -> None:
    name = tempref(cache, buffer(100))
    with cache.learning(name) as costs:
        costs.set_compute_seconds(name, 50.0)
    cache.get(name)
    clock.now = 4.0
    explained = cache.explain(name)
    assert explained is not None
    assert (explained.checksum, explained.held_by, explained.way) == (
        name.hex(),
        "tempref",
        "recomputation",
    )
    assert (explained.size, explained.uses, explained.age) == (100, 2.0, 0.0)
    assert explained.interest == pytest.approx(32.0)
    assert explained.score == pytest.approx(2 * 32**0.5 * explained.seconds / 100)


def test_what_is_not_referenced_is_not_explained(cache: BufferCache) -> None:
    assert cache.explain(register(cache, buffer(10))) is None


def test_the_lowest_score_is_the_first_to_leave(cache: BufferCache, clock: Clock) -> None:
    names = []
    for number, size in enumerate((90, 200, 50, 150, 300)):
        clock.now += 5.0
        names.append(tempref(cache, buffer(size, chr(97 + number))))
        with cache.learning(names[-1]) as costs:
            costs.set_compute_seconds(names[-1], 1.0 + 7 * number % 5)
    clock.now += 5.0
    while names:
        scores = {name: cache.explain(name) for name in names}
        lowest = min(names, key=lambda name: scores[name].score)  # type: ignore[union-attr]  # all are there
        cache.set_caps(soft=cache.stats()["strong_bytes"] - 1)
        left = [name for name in names if name not in cache.strong_cache]
        assert left == [lowest]
        names.remove(lowest)


# -- leaks ----------------------------------------------------------------------------


def test_leaks_name_what_counted_references_hold(cache: BufferCache) -> None:
    name = register(cache, made := buffer(10))
    cache.incref(name)
    cache.incref(name)
    tempref(cache, buffer(20, "t"))
    assert cache.leaks() == [Leak(name.hex(), 2, 10, ())]
    assert cache.report_leaks() == f"{name.hex()}: 2 references, 10 bytes"
    cache.decref(name)
    cache.decref(name)
    assert cache.leaks() == []
    assert cache.report_leaks() == ""
    assert len(made) == 10


def test_a_trace_tells_where_references_were_taken(cache: BufferCache) -> None:
    cache.trace_references()
    for _ in range(2):
        cache.incref(ABSENT)
    (leak,) = cache.leaks()
    assert len(leak.places) == 1
    assert leak.places[0].startswith(f"{__file__}:")
    assert leak.places[0].endswith("(2 times)")
    assert leak.places[0] in cache.report_leaks()


def test_a_trace_sees_through_the_methods_of_the_package(
    cache: BufferCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless.caching.buffer_cache.get_buffer_cache", lambda: cache)
    cache.trace_references()
    ABSENT.incref(scratch=True)
    assert cache.leaks()[0].places[0].startswith(f"{__file__}:")


def test_a_trace_forgets_what_is_given_back(cache: BufferCache) -> None:
    cache.trace_references()
    cache.incref(ABSENT)
    cache.decref(ABSENT)
    cache.incref(ABSENT)
    assert len(cache.leaks()[0].places) == 1
    assert "times" not in cache.leaks()[0].places[0]


def test_a_trace_can_be_switched_off(cache: BufferCache) -> None:
    cache.trace_references()
    cache.trace_references(False)
    cache.incref(ABSENT)
    assert cache.leaks()[0].places == ()


@pytest.mark.parametrize(("text", "traced"), [("1", 1), ("0", 0), ("", 0)])
def test_the_environment_switches_the_trace_on(
    monkeypatch: pytest.MonkeyPatch, text: str, traced: int
) -> None:
    monkeypatch.setenv("SEAMLESS_DEBUG_REFERENCES", text)
    cache = BufferCache()
    cache.incref(ABSENT)
    assert len(cache.leaks()[0].places) == traced


# -- bookkeeping ----------------------------------------------------------------------


def test_nothing_is_kept_of_buffers_that_are_gone(cache: BufferCache) -> None:
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
    assert (len(table._held), len(table._loose), len(table.scratch_marks)) == (0, 0, 0)


def test_100_000_short_lived_scratch_buffers_leave_bounded_traces(cache: BufferCache) -> None:
    table = cache._strong
    table.costs = CostBook(remembered=1000)
    table.scratch_marks = ScratchMarks(remembered=1000)
    for number in range(100_000):
        digest = Checksum(number.to_bytes(32, "big"))
        cache.tempref(digest, buffer=Buffer(b"%06d" % number), scratch=True)
    numbers = cache.stats()
    assert numbers["strong_bytes"] <= 1000
    assert numbers["strong_count"] == numbers["weak_count"] <= 167
    queued = sum(len(heap) for heap in table._loose._heaps.values())
    assert queued < 1000
    assert len(table.costs) <= 2000
    assert len(table.scratch_marks) <= 2001


def test_stats_count_hits_and_misses_and_name_the_largest(cache: BufferCache) -> None:
    small, large = buffer(10, "s"), buffer(500, "l")
    for made in (small, large):
        cache.incref(register(cache, made))
    cache.get(small.get_checksum())
    cache.get(ABSENT)
    numbers = cache.stats()
    assert (numbers["hits"], numbers["misses"]) == (1, 1)
    assert numbers["largest"][0] == {"checksum": large.get_checksum().hex(), "size": 500}


def test_a_decref_from_a_finalizer_inside_the_lock_is_not_lost(cache: BufferCache) -> None:
    checksum = register(cache, made := buffer(10))
    cache.incref(checksum)
    del made

    class Holder:
        def __del__(self) -> None:
            cache.decref(checksum)

    with cache._section:
        Holder()
        assert checksum in cache.strong_cache
    assert checksum not in cache.strong_cache


# -- the one of this process ----------------------------------------------------------


@pytest.fixture
def as_worker() -> Iterator[None]:
    set_is_worker(True)
    yield
    set_is_worker(False)


def test_there_is_one_cache_in_a_process() -> None:
    assert get_buffer_cache() is get_buffer_cache()


@pytest.mark.usefixtures("as_worker")
def test_a_worker_has_no_cache_of_its_own() -> None:
    with pytest.raises(RuntimeError, match="worker"):
        get_buffer_cache()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_is_not_locked_out() -> None:
    cache = get_buffer_cache()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with cache.lock:
            entered.set()
            leave.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(30)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of fork with threads
        child = os.fork()
    if child == 0:
        os._exit(0 if cache.get(ABSENT) is None else 1)
    leave.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_counts_add_up_after_many_threads(cache: BufferCache) -> None:
    made = [buffer(1, chr(ord("a") + number)) for number in range(8)]
    errors: list[Exception] = []

    def work() -> None:
        try:
            for turn in range(400):
                each = made[turn % 8]
                name = each.get_checksum()
                cache.incref(name, buffer=each)
                cache.tempref(name, scratch=bool(turn % 3))
                assert cache.get(name) is not None
                cache.decref(name)
        except Exception as error:  # noqa: BLE001 - the thread's outcome is asserted below
            errors.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert errors == []
    assert all(entry.normal_refs == 0 for entry in cache.strong_cache.values())
    assert cache.stats()["strong_bytes"] == 8
