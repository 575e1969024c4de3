"""Deadlines, with a clock that the test sets."""

from __future__ import annotations

import pytest

from seamless.stores.deadline import MIN_BYTES_PER_SECOND, Deadline


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_remaining_time_is_never_negative() -> None:
    clock = Clock()
    deadline = Deadline(2.0, clock)
    assert deadline.left() == 2.0
    deadline.check()
    clock.now += 1.5
    assert deadline.left() == 0.5
    deadline.check()
    for _ in range(2):
        clock.now += 0.5
        assert deadline.left() == 0.0
        with pytest.raises(TimeoutError, match="in time"):
            deadline.check()


def test_transferred_bytes_extend_the_deadline() -> None:
    clock = Clock()
    deadline = Deadline(2.0, clock)
    clock.now += 1.0
    deadline.extend_for(MIN_BYTES_PER_SECOND // 2)
    assert deadline.left() == 1.5


def test_the_remaining_time_never_exceeds_the_initial_time() -> None:
    clock = Clock()
    deadline = Deadline(2.0, clock)
    clock.now += 1.0
    deadline.extend_for(100 * MIN_BYTES_PER_SECOND)
    assert deadline.left() == 2.0
