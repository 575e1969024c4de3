from __future__ import annotations

import sys
import threading

from seamless import Buffer
from seamless.caching.weak_table import WeakTable

DIGEST = bytes(32)


def test_a_buffer_is_found_while_it_lives() -> None:
    table, made = WeakTable(), Buffer(b"x")
    assert table.add(DIGEST, made) is made
    assert table.get(DIGEST) is made
    del made
    assert table.get(DIGEST) is None


def test_the_elder_of_two_is_told_and_stays() -> None:
    table, existing, younger = WeakTable(), Buffer(b"x"), Buffer(b"x")
    table.add(DIGEST, existing)
    assert table.add(DIGEST, younger) is existing
    assert table.get(DIGEST) is existing


def test_where_the_elder_has_died_the_younger_replaces_it() -> None:
    table, existing, younger = WeakTable(), Buffer(b"x"), Buffer(b"x")
    table.add(DIGEST, existing)
    del existing
    assert table.add(DIGEST, younger) is None
    table.replace(DIGEST, younger)
    assert table.get(DIGEST) is younger


def test_clearing_away_spares_what_has_replaced_the_dead() -> None:
    table, existing, younger = WeakTable(), Buffer(b"x"), Buffer(b"x")
    table.add(DIGEST, existing)
    del existing
    table.replace(DIGEST, younger)
    assert len(table.dead_refs) == 1
    table.purge_dead()
    assert len(table.dead_refs) == 0
    assert table.get(DIGEST) is younger
    assert table.count() == 1


def test_a_living_buffer_can_be_forgotten() -> None:
    table, made = WeakTable(), Buffer(b"x")
    table.add(DIGEST, made)
    table.pop(DIGEST)
    table.pop(DIGEST)
    assert table.get(DIGEST) is None
    del made
    assert table.count() == 0


def test_only_the_living_are_counted_and_iterated() -> None:
    table = WeakTable()
    buffers = [Buffer(b"%d" % number) for number in range(5)]
    for number, made in enumerate(buffers):
        table.add(bytes([number]) * 32, made)
    del made
    del buffers[1:4]
    assert list(table) == [bytes([number]) * 32 for number in (0, 4)]
    assert len(table) == table.count() == 2


def test_the_dead_are_cleared_away_some_at_a_time() -> None:
    table = WeakTable()
    for number in range(10):
        table.add(bytes([number]) * 32, Buffer(b"%d" % number))
    table.purge_dead(4)
    assert len(table.dead_refs) == 6
    table.purge_dead(100)
    assert len(table.dead_refs) == 0


def test_of_many_threads_that_add_at_once_one_wins_and_all_see_it() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            table, buffers = WeakTable(), [Buffer(b"x") for _ in range(4)]
            found: list[Buffer | None] = []
            threads = [
                threading.Thread(target=lambda each=each: found.append(table.add(DIGEST, each)))  # noqa: B023 - joined below
                for each in buffers
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            winner = table.get(DIGEST)
            assert winner is not None
            assert all(each is winner for each in found)
    finally:
        sys.setswitchinterval(before)
