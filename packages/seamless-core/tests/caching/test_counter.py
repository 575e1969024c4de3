from __future__ import annotations

from threads_at_once import run_at_once

from seamless.caching.counter import AtomicCounter


def test_next_increments_and_total_does_not() -> None:
    counter = AtomicCounter()
    assert [counter.total(), counter.total()] == [0, 0]
    next(counter)
    next(counter)
    assert [counter.total(), counter.total()] == [2, 2]


def test_no_increment_of_many_threads_is_lost() -> None:
    counter = AtomicCounter()

    def count() -> None:
        for _ in range(5000):
            next(counter)

    run_at_once(count, 8)
    assert counter.total() == 40_000
