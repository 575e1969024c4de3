"""Deferred ranking does not change the order of eviction."""

from __future__ import annotations

import pytest
from small_cache import Clock

from seamless import Buffer, Checksum
from seamless.caching import strong_table
from seamless.caching.references import TempRef
from seamless.caching.strong_table import StrongTable


def key(number: int) -> Checksum:
    return Checksum(digest(number))


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def order_of_eviction(ranked_per_step: int) -> list[bytes]:
    """Hold buffers of various sizes, interests and uses; return their order of eviction."""
    clock = Clock()
    table: StrongTable[Buffer] = StrongTable(clock)
    for number in range(40):
        clock.now += 0.5
        size, interest = number * 7 % 11 + 1, float(number * 5 % 13 + 1)
        asked = None if number % 5 == 0 else TempRef(interest, 2.0, 2.0, clock.now, clock.now)
        entry = table.add_reference(key(number), asked, Buffer(b"x" * size), False)
        for _ in range(number % 4):
            table.record_hit(entry)
        table._rank_dirty(clock.now, ranked_per_step)
    for number in range(0, 40, 10):  # counted references are released
        entry = table.entries[digest(number)]
        entry.normal_refs, entry.tempref = 0, TempRef(4.0, 2.0, 2.0, clock.now, clock.now)
        table.mark_dirty(digest(number), entry)
    order = []
    while table.size:
        before = list(table.entries)
        table.evict_until_within(table.size - 1, table.size - 1)
        order += [
            name
            for name in before
            if name not in table.entries or table.entries[name].buffer is None
        ]
        for name in order:
            table.entries.pop(name, None)
    return order


@pytest.mark.parametrize("ranked_per_step", [0, 1, 2])
def test_the_eviction_order_does_not_depend_on_the_time_of_ranking(ranked_per_step: int) -> None:
    at_once = order_of_eviction(1000)
    assert len(at_once) == 40
    assert order_of_eviction(ranked_per_step) == at_once


def test_nothing_is_ranked_while_half_of_the_cap_is_free() -> None:
    table: StrongTable[Buffer] = StrongTable(Clock())
    for number in range(1000):
        table.add_reference(key(number), None, Buffer(b"x"), False)
        table.evict_until_within(2000, 4000)
    assert len(table._dirty) == 1000


def test_the_dirty_entries_are_ranked_before_the_cache_is_full() -> None:
    table: StrongTable[Buffer] = StrongTable(Clock())
    for number in range(1999):
        table.add_reference(key(number), None, Buffer(b"x"), False)
        table.evict_until_within(2000, 4000)
    assert len(table._dirty) == 0
    assert len(table._pinned) == 1999


@pytest.mark.parametrize("max_ranked", [1, 5])
def test_more_dirty_entries_than_are_ranked_at_once_are_evicted_too(
    max_ranked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strong_table, "MAX_RANKED", max_ranked)
    table: StrongTable[Buffer] = StrongTable(Clock())
    for number in range(20):
        table.add_reference(key(number), TempRef(2.0), Buffer(b"x"), False)
    assert len(table.evict_until_within(0, 0)) == 20
    assert not table.entries


def test_a_ranked_entry_that_was_pinned_meanwhile_is_not_evicted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strong_table, "MAX_RANKED", 1)
    table: StrongTable[Buffer] = StrongTable(Clock())
    for number in range(10):
        table.add_reference(key(number), TempRef(2.0), Buffer(b"x"), False)
    table._rank_dirty(0.0, 10)
    for number in range(5):
        table.add_reference(key(number), None, None, False)
    assert len(table.evict_until_within(0, 100)) == 5
    assert set(table.entries) == {digest(number) for number in range(5)}


def test_an_entry_released_before_it_is_ranked_leaves_nothing() -> None:
    table: StrongTable[Buffer] = StrongTable(Clock())
    for number in range(1000):
        entry = table.add_reference(key(number), None, Buffer(b"x"), False)
        table.remove(digest(number), entry)
    assert (table.size, len(table.entries), len(table._dirty)) == (0, 0, 0)
    assert (len(table._pinned), len(table._temporary)) == (0, 0)


def test_a_ranked_entry_that_is_hit_later_is_ranked_again() -> None:
    clock = Clock()
    table: StrongTable[Buffer] = StrongTable(clock)
    for number in range(2):
        asked = TempRef(1.0, 2.0, 2.0, clock.now, clock.now)
        table.add_reference(key(number), asked, Buffer(b"x" * 10), False)
    table._rank_dirty(clock.now, 2)
    for _ in range(5):
        table.record_hit(table.entries[digest(0)])
    table.evict_until_within(10, 10)
    assert [name for name, entry in table.entries.items() if entry.buffer] == [digest(0)]
