from __future__ import annotations

import sys
import threading

from seamless.caching.tally import Tally


def test_it_counts_and_looking_does_not() -> None:
    tally = Tally()
    assert [tally.total(), tally.total()] == [0, 0]
    next(tally)
    next(tally)
    assert [tally.total(), tally.total()] == [2, 2]


def test_no_count_of_many_threads_is_lost() -> None:
    tally = Tally()

    def count() -> None:
        for _ in range(5000):
            next(tally)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert tally.total() == 40_000
