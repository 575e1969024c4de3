"""`Deadline`: the total time of one read or write, however slowly the peer sends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Deadline"]

#: Bytes per second below which a transfer of known length is aborted.
MIN_BYTES_PER_SECOND = 100_000


class Deadline:
    """A point in time that transferred bytes extend. For one thread.

    The remaining time never exceeds the initial time: a transfer that stops, or is slower than
    `MIN_BYTES_PER_SECOND`, ends within that time.

    Parameters
    ----------
    seconds
        From now.
    clock
        Returns the time, in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, at least 0."""
        return max(0.0, self._end - self._clock())

    def extend_for(self, count: int) -> None:
        """Extend the deadline for `count` bytes that have been transferred."""
        self._end = min(self._end + count / MIN_BYTES_PER_SECOND, self._clock() + self._seconds)

    def check(self) -> None:
        """Raise after the deadline.

        Raises
        ------
        TimeoutError
            With a message for the log.
        """
        if not self.left():
            raise TimeoutError("it could not be read in time")
