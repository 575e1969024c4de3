"""How fast a client reads its responses, judged by samples of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seamless_database.http.request_cycle import RequestCycle


class SendProgress:
    """The progress of the responses of one connection.

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
        #: when the client was last seen to have read something, or to have read everything
        self.moved_at = now
        # the response that is being sent: its request, its first sample, its size, and what is left
        self._cycle: RequestCycle | None = None
        self._since, self._size, self._left = now, 0, 0

    def sample(self, now: float, unsent: int, cycle: RequestCycle | None) -> None:
        """Record how many bytes wait to be sent, and which request is being answered."""
        if cycle is not None and (cycle.response_complete or not cycle.response_started):
            cycle = None
        left = 0 if cycle is None else cycle.unsent_length + unsent
        if not unsent or (unsent, left) != (self.unsent, self._left):
            self.moved_at = now
        if cycle is not self._cycle:
            self._cycle, self._since, self._size = cycle, now, left
        self.unsent, self._left = unsent, left

    def is_too_slow(self, now: float) -> bool:
        """Whether the client has read nothing for too long, or too little of a response."""
        if now - self.moved_at > self._timeout:
            return True
        if self._cycle is None:
            return False
        return self._size - self._left < (now - self._since - self._timeout) * self._min_rate
