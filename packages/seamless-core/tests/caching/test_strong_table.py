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


def order_of_eviction(unranked: int, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Hold buffers of various sizes, interests and uses; return their order of eviction."""
    monkeypatch.setattr(strong_table, "MAX_DIRTY", unranked)
    clock = Clock()
    table: StrongTable[Buffer] = StrongTable(clock)
    for number in range(40):
        clock.now += 0.5
        size, interest = number * 7 % 11 + 1, float(number * 5 % 13 + 1)
        asked = None if number % 5 == 0 else TempRef(interest, 2.0, 2.0, clock.now, clock.now)
        entry = table.add_reference(key(number), asked, Buffer(b"x" * size), False)
        for _ in range(number % 4):
            table.record_hit(entry)
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


@pytest.mark.parametrize("unranked", [1, 7, 1000])
def test_the_eviction_order_does_not_depend_on_the_time_of_ranking(
    unranked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = order_of_eviction(0, monkeypatch)
    assert len(at_once) == 40
    assert order_of_eviction(unranked, monkeypatch) == at_once


def test_the_dirty_set_is_bounded() -> None:
    table: StrongTable[Buffer] = StrongTable(Clock())
    for number in range(1000):
        table.add_reference(key(number), None, Buffer(b"x"), False)
        assert len(table._dirty) <= strong_table.MAX_DIRTY


def test_an_entry_released_before_it_is_ranked_leaves_nothing() -> None:
    table: StrongTable[Buffer] = StrongTable(Clock())
    for number in range(1000):
        entry = table.add_reference(key(number), None, Buffer(b"x"), False)
        table.remove(digest(number), entry)
    assert (table.size, len(table.entries), len(table._dirty)) == (0, 0, 0)
    assert (len(table._pinned), len(table._temporary)) == (0, 0)
