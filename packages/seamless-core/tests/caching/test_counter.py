from __future__ import annotations

from threads_at_once import run_at_once

from seamless.caching.counter import AtomicCounter


def test_next_increments_and_total_does_not() -> None:
    tally = AtomicCounter()
    assert [tally.total(), tally.total()] == [0, 0]
    next(tally)
    next(tally)
    assert [tally.total(), tally.total()] == [2, 2]


def test_no_increment_of_many_threads_is_lost() -> None:
    tally = AtomicCounter()

    def count() -> None:
        for _ in range(5000):
            next(tally)

    run_at_once(count, 8)
    assert tally.total() == 40_000
