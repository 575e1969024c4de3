"""A limit on the memory that the tasks of one event loop hold together."""

from __future__ import annotations

import asyncio
from collections import deque


class MemoryBudget:
    """Bytes that may be taken at a time; whoever waits gets them in turn.

    What is larger than all of it may be taken while nothing else is.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_take(self, size: int) -> bool:
        """Take so many bytes, unless that has to wait."""
        if self._waiting or not self._fits(size):
            return False
        self._taken += size
        return True

    async def take(self, size: int, timeout: float) -> None:
        """Take so many bytes, or raise `asyncio.TimeoutError` after so many seconds."""
        if self.try_take(size):
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append((size, turn))
        expiry = loop.call_later(timeout, _expire, turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # the turn came together with the cancellation
                self._taken -= size
            # others may fit where this one did not
            self._wake()
            raise
        finally:
            expiry.cancel()

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self._taken -= size
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done():
                if not self._fits(size):
                    return
                self._taken += size
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, size: int) -> bool:
        return self._taken == 0 or self._taken + size <= self._size


def _expire(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_exception(asyncio.TimeoutError())
