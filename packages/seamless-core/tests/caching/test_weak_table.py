from __future__ import annotations

import sys
import threading

from seamless import Buffer, Checksum
from seamless.caching.weak_table import WeakTable

KEY = Checksum(bytes(32))
DIGEST = KEY.bytes()


def new_table() -> WeakTable[Buffer]:
    return WeakTable()


def test_a_buffer_is_found_while_it_lives() -> None:
    table, made = new_table(), Buffer(b"x")
    assert table.add(KEY, made) is made
    assert table.get(DIGEST) is made
    del made
    assert table.get(DIGEST) is None


def test_add_returns_the_existing_buffer() -> None:
    table, existing, newer = new_table(), Buffer(b"x"), Buffer(b"x")
    table.add(KEY, existing)
    assert table.add(KEY, newer) is existing
    assert table.get(DIGEST) is existing


def test_a_dead_buffer_is_replaced() -> None:
    table, existing, newer = new_table(), Buffer(b"x"), Buffer(b"x")
    table.add(KEY, existing)
    del existing
    assert table.add(KEY, newer) is None
    table.replace(KEY, newer)
    assert table.get(DIGEST) is newer


def test_purging_keeps_the_replacement_of_a_dead_buffer() -> None:
    table, existing, newer = new_table(), Buffer(b"x"), Buffer(b"x")
    table.add(KEY, existing)
    del existing
    table.replace(KEY, newer)
    assert len(table.dead_refs) == 1
    table.purge_dead()
    assert len(table.dead_refs) == 0
    assert table.get(DIGEST) is newer
    assert table.count() == 1


def test_a_living_buffer_can_be_removed() -> None:
    table, made = new_table(), Buffer(b"x")
    table.add(KEY, made)
    table.pop(DIGEST)
    table.pop(DIGEST)
    assert table.get(DIGEST) is None
    del made
    assert table.count() == 0


def test_only_the_living_are_counted_and_iterated() -> None:
    table = new_table()
    buffers = [Buffer(b"%d" % number) for number in range(5)]
    for number, made in enumerate(buffers):
        table.add(Checksum(bytes([number]) * 32), made)
    del made
    del buffers[1:4]
    assert table.keys() == [Checksum(bytes([number]) * 32) for number in (0, 4)]
    assert table.count() == 2


def test_dead_buffers_are_purged_in_batches() -> None:
    table = new_table()
    for number in range(10):
        table.add(Checksum(bytes([number]) * 32), Buffer(b"%d" % number))
    table.purge_dead(4)
    assert len(table.dead_refs) == 6
    table.purge_dead(100)
    assert len(table.dead_refs) == 0


def test_concurrent_threads_that_add_get_the_same_buffer() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            table, buffers = new_table(), [Buffer(b"x") for _ in range(4)]
            found: list[Buffer | None] = []
            threads = [
                threading.Thread(target=lambda each=each: found.append(table.add(KEY, each)))  # noqa: B023 - joined below
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
