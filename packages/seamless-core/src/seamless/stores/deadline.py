"""The time by which one read or write has to be over, however slowly the other side goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Deadline"]

#: Bytes a second below which a transfer of known length is given up.
SLOWEST = 100_000


class Deadline:
    """A point in time that moves on as bytes are transferred. For one thread.

    However many have been transferred, no more time is left than at the beginning: a transfer
    that comes to a stop, or slows down to less than `SLOWEST`, ends within that.

    Parameters
    ----------
    seconds
        From now.
    clock
        Gives the time, in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 when the time is up."""
        return max(0.0, self._end - self._clock())

    def extend_for(self, count: int) -> None:
        """Allow the time that `count` bytes may take, which have been transferred."""
        self._end = min(self._end + count / SLOWEST, self._clock() + self._seconds)

    def check(self) -> None:
        """Raise if the time is up.

        Raises
        ------
        TimeoutError
            With a text for the log.
        """
        if not self.left():
            raise TimeoutError("it could not be read in time")
