"""Slow readers: detect a client that reads its responses too slowly, or not at all.

The detection is based on samples of how many bytes the connection has not sent yet. `limits.py`
rejects the clients that send their requests too slowly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seamless_database.http.request_cycle import RequestCycle


class ReadingProgress:
    """How far the client of one connection has read its responses.

    Parameters
    ----------
    now
        the time of the event loop
    timeout
        seconds in which a client may read nothing
    min_rate
        bytes a second that a client has to read of a response after that time
    """

    def __init__(self, now: float, timeout: float, min_rate: int) -> None:
        self._timeout = timeout
        self._min_rate = min_rate
        #: bytes that wait to be sent
        self.unsent = 0
        #: the time of the last sample in which the client had read more than before, or everything
        self.last_read_at = now
        # the response that is being sent: its request, the time of its first sample, the bytes that
        # the client had not read then, and those that it had not read in the last sample
        self._cycle: RequestCycle | None = None
        self._first_sampled_at, self._first_left, self._left = now, 0, 0

    def sample(self, now: float, unsent: int, cycle: RequestCycle | None) -> None:
        """Record how many bytes wait to be sent, and which request is being answered."""
        if cycle is not None and (cycle.response_complete or not cycle.response_started):
            cycle = None
        left = 0 if cycle is None else cycle.unsent_length + unsent
        if not unsent or (unsent, left) != (self.unsent, self._left):
            self.last_read_at = now
        if cycle is not self._cycle:
            self._cycle, self._first_sampled_at, self._first_left = cycle, now, left
        self.unsent, self._left = unsent, left

    def is_too_slow(self, now: float) -> bool:
        """Whether the client has read nothing for too long, or too little of a response."""
        if now - self.last_read_at > self._timeout:
            return True
        if self._cycle is None:
            return False
        counted_seconds = now - self._first_sampled_at - self._timeout
        return self._first_left - self._left < counted_seconds * self._min_rate
