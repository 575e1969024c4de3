from __future__ import annotations

import gc
import itertools
import math
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from small_cache import ABSENT, buffer, register, tempref
from threads_at_once import run_at_once

from seamless import Buffer, Checksum, set_is_worker
from seamless.caching.buffer_cache import BufferCache, get_buffer_cache
from seamless.caching.weak_table import WeakTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from small_cache import Clock


def test_an_unreferenced_buffer_is_found_while_it_lives(cache: BufferCache[Buffer]) -> None:
    made = buffer(10)
    checksum = register(cache, made)
    assert cache.get(checksum) is made
    del made
    assert cache.get(checksum) is None


def test_incref_holds_until_decref(cache: BufferCache[Buffer]) -> None:
    checksum = register(cache, made := buffer(10))
    cache.incref(checksum)
    del made
    assert cache.get(checksum) is not None
    cache.decref(checksum)
    assert cache.get(checksum) is None


def test_a_tempref_fades_by_half_in_two_seconds_by_default(
    cache: BufferCache[Buffer],
) -> None:
    tempref = cache.tempref(ABSENT)
    terms = (tempref.interest, tempref.fade_factor, tempref.fade_interval)
    assert terms == (128.0, 2.0, 2.0)


def test_each_incref_asks_for_a_decref(cache: BufferCache[Buffer]) -> None:
    checksum = register(cache, made := buffer(10))
    cache.incref(checksum)
    cache.incref(checksum)
    del made
    cache.decref(checksum)
    assert cache.get(checksum) is not None
    cache.decref(checksum)
    assert cache.get(checksum) is None


def test_on_store_gets_the_buffers_that_are_referenced_without_scratch() -> None:
    stored: list[Buffer] = []
    cache: BufferCache[Buffer] = BufferCache(on_store=stored.append)
    first, later, scratch = buffer(1), buffer(2), buffer(3)
    cache.incref(first.get_checksum(), buffer=first)
    cache.incref(later.get_checksum())
    cache.incref(scratch.get_checksum(), buffer=scratch, scratch=True)
    assert stored == [first]
    cache.register(later.get_checksum(), later)
    assert stored == [first, later]
    cache.note_stored(first.get_checksum())
    cache.incref(first.get_checksum())
    assert stored == [first, later]


@pytest.mark.parametrize("is_given", [True, False])
def test_a_buffer_that_can_not_be_stored_is_not_referenced(is_given: bool) -> None:
    def refuse(_: Buffer) -> None:
        raise RuntimeError("closed")

    cache: BufferCache[Buffer] = BufferCache(on_store=refuse)
    made = buffer(10)
    if not is_given:
        register(cache, made)
    with pytest.raises(RuntimeError, match="closed"):
        cache.incref(made.get_checksum(), buffer=made if is_given else None)
    assert made.get_checksum() not in cache.strong_cache


def test_a_buffer_that_was_held_as_scratch_is_stored_before_the_next_reference() -> None:
    stored: list[int] = []
    cache: BufferCache[Buffer] = BufferCache(
        on_store=lambda made: stored.append(cache.strong_cache[made.get_checksum()].normal_refs)
    )
    checksum = register(cache, made := buffer(10))
    cache.incref(checksum, scratch=True)
    cache.incref(checksum)
    assert len(made) == 10
    assert stored == [1]


def test_decref_below_zero_changes_nothing(cache: BufferCache[Buffer]) -> None:
    checksum = register(cache, made := buffer(10))
    cache.decref(checksum)
    cache.incref(checksum)
    del made
    assert cache.get(checksum) is not None
    cache.decref(ABSENT)


def test_incref_brings_the_buffer_along(cache: BufferCache[Buffer]) -> None:
    made = buffer(10)
    checksum = made.get_checksum()
    cache.incref(checksum, buffer=made)
    del made
    assert cache.get(checksum) is not None


def test_the_buffer_of_incref_is_keyword_only(cache: BufferCache[Buffer]) -> None:
    made = buffer(10)
    with pytest.raises(TypeError):
        cache.incref(made.get_checksum(), made)  # type: ignore[call-arg]  # companion packages rely on the error


def test_a_reference_may_precede_its_buffer(cache: BufferCache[Buffer]) -> None:
    made = buffer(10)
    checksum = made.get_checksum()
    cache.incref(checksum)
    assert cache.get(checksum) is None
    cache.register(checksum, made)
    del made
    assert cache.get(checksum) is not None


class _TableWithVisitor(WeakTable[Buffer]):
    """A table of which a visitor uses the moment after a vain look-up, as a thread may."""

    __slots__ = ("visit",)

    visit: Callable[[], None]

    def get(self, digest: bytes) -> Buffer | None:
        found = super().get(digest)
        if found is None:
            self.visit()
        return found


@pytest.mark.parametrize("moment", [1, 2])
def test_a_buffer_registered_during_a_reference_is_held(
    cache: BufferCache[Buffer], moment: int
) -> None:
    made = buffer(10)
    checksum = made.get_checksum()
    look_ups = itertools.count(1)

    def visit() -> None:
        if next(look_ups) == moment:
            cache.register(checksum, made)

    table = _TableWithVisitor()
    table.visit = visit
    cache._weak = table
    cache.incref(checksum)
    held = cache.strong_cache[checksum].buffer
    assert held is made


def test_an_expired_tempref_stays_below_the_soft_cap(
    cache: BufferCache[Buffer], clock: Clock
) -> None:
    checksum = register(cache, made := buffer(10))
    cache.tempref(checksum)
    del made
    clock.now = 1e6
    cache.run_eviction_once()
    assert cache.get(checksum) is not None


def test_a_tempref_is_refreshed_by_a_second_one(cache: BufferCache[Buffer], clock: Clock) -> None:
    first = cache.tempref(ABSENT)
    clock.now = 10.0
    assert cache.tempref(ABSENT) is first
    assert first.current_interest(10.0) == pytest.approx(128.0)


def test_refresh_tempref_restores_the_interest(cache: BufferCache[Buffer], clock: Clock) -> None:
    tempref = cache.tempref(ABSENT)
    clock.now = 10.0
    cache.refresh_tempref(ABSENT)
    assert tempref.current_interest(10.0) == pytest.approx(128.0)


def test_a_tempref_stays_when_the_counted_references_are_released(
    cache: BufferCache[Buffer],
) -> None:
    checksum = register(cache, made := buffer(10))
    cache.tempref(checksum)
    cache.incref(checksum)
    cache.decref(checksum)
    del made
    assert cache.get(checksum) is not None


def test_equal_buffers_share_one_entry(cache: BufferCache[Buffer]) -> None:
    first, second = buffer(10), buffer(10)
    cache.incref(register(cache, first))
    cache.incref(register(cache, second))
    assert cache.stats()["strong_bytes"] == 10


@pytest.mark.parametrize("survivor", [0, 1])
def test_a_buffer_is_found_while_any_of_equal_ones_lives(
    cache: BufferCache[Buffer], survivor: int
) -> None:
    buffers = [buffer(10), buffer(10)]
    for made in buffers:
        checksum = register(cache, made)
    kept = buffers.pop(survivor)
    buffers.clear()
    del made
    gc.collect()
    assert cache.get(checksum) == kept


def test_equal_buffers_share_their_bytes(cache: BufferCache[Buffer]) -> None:
    first, second = buffer(10), buffer(10)
    register(cache, first)
    register(cache, second)
    assert second.content is first.content


def test_a_wrong_checksum_does_not_replace_the_bytes_of_others(
    cache: BufferCache[Buffer],
) -> None:
    first, second = buffer(10), buffer(20)
    cache.register(ABSENT, first)
    cache.register(ABSENT, second)
    assert (len(first), len(second)) == (10, 20)
    assert cache.get(ABSENT) is second


def test_both_views_show_membership(cache: BufferCache[Buffer]) -> None:
    checksum = register(cache, made := buffer(10))
    with cache.lock:
        assert checksum in cache.weak_cache
        assert checksum not in cache.strong_cache
    cache.incref(checksum, buffer=made)
    with cache.lock:
        assert checksum in cache.strong_cache


def test_an_empty_buffer_is_held_like_any_other(cache: BufferCache[Buffer]) -> None:
    made = Buffer(b"")
    cache.incref(made.get_checksum(), buffer=made)
    assert cache.strong_cache[made.get_checksum()].buffer is made


@pytest.mark.parametrize("survivor", range(4))
def test_any_of_equal_buffers_from_many_threads_keeps_the_checksum_resolvable(
    cache: BufferCache[Buffer], survivor: int
) -> None:
    buffers = [buffer(10) for _ in range(4)]
    start = threading.Barrier(4)

    def register_at_once(made: Buffer) -> None:
        start.wait(30)
        cache.register(checksum, made)

    checksum = buffers[0].get_checksum()
    threads = [threading.Thread(target=register_at_once, args=(each,)) for each in buffers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = buffers[survivor]
    buffers.clear()
    del threads, thread
    gc.collect()
    assert cache.get(checksum) == kept


def test_a_decref_from_a_finalizer_inside_the_lock_is_not_lost(cache: BufferCache[Buffer]) -> None:
    checksum = register(cache, made := buffer(10))
    cache.incref(checksum)
    del made

    class Holder:
        def __del__(self) -> None:
            cache.decref(checksum)

    def change() -> None:
        Holder()
        assert checksum in cache.strong_cache

    cache._guard.change(change)
    assert checksum not in cache.strong_cache


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


def test_dead_buffers_of_one_content_are_purged(
    cache: BufferCache[Buffer],
) -> None:
    for _ in range(1000):
        register(cache, buffer(1))
    assert len(cache._weak.dead_refs) < 10


def test_dead_buffers_that_were_only_referenced_are_purged(
    cache: BufferCache[Buffer],
) -> None:
    for number in range(1000):
        checksum = Checksum(number.to_bytes(32, "big"))
        cache.incref(checksum, buffer=buffer(1), scratch=True)
        cache.decref(checksum)
    assert len(cache._weak.dead_refs) < 100


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
        os._exit(1 if cache.is_scratch_ref(ABSENT) else 0)
    leave.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_counts_add_up_after_many_threads(cache: BufferCache[Buffer]) -> None:
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

    run_at_once(work, 8)
    assert errors == []
    assert all(entry.normal_refs == 0 for entry in cache.strong_cache.values())
    assert cache.stats()["strong_bytes"] == 8


@pytest.mark.parametrize("terms", [{"fade_interval": math.inf}, {"interest": 10**400}])
def test_a_rejected_tempref_leaves_no_entry(
    cache: BufferCache[Buffer], terms: dict[str, Any]
) -> None:
    checksum = register(cache, made := buffer(10))
    with pytest.raises(ValueError, match="of a tempref"):
        cache.tempref(checksum, **terms)
    assert cache.stats()["strong_count"] == 0
    assert len(made) == 10


def test_the_smallest_cost_of_all_is_accepted(cache: BufferCache[Buffer]) -> None:
    name = tempref(cache, buffer(400))
    with cache.update_costs(name) as costs:
        costs.set_download_seconds(name, 5e-324)
    explained = cache.explain(name)
    assert explained is not None
    assert math.isfinite(explained.log_score)
    for fill in "abcdef":
        tempref(cache, buffer(400, fill))
    assert name not in cache.strong_cache


def test_a_negative_size_is_rejected(cache: BufferCache[Buffer]) -> None:
    made = buffer(10)
    with pytest.raises(ValueError, match=f"{made.get_checksum()} is -1 bytes"):
        cache.register(made.get_checksum(), made, size=-1)
    assert made.get_checksum() not in cache.weak_cache
