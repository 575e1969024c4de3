"""A limit on the memory that the tasks of one event loop hold together."""

from __future__ import annotations

import asyncio
from collections import deque


class MemoryBudget:
    """A number of bytes that tasks take and give back; waiting tasks are served in order.

    A task may take more than the whole budget while nothing else is taken.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_take(self, size: int) -> bool:
        """Take bytes if they are available; returns whether they were."""
        if self._waiting or not self._fits(size):
            return False
        self._taken += size
        return True

    async def take(self, size: int, timeout: float) -> None:
        """Wait for bytes and take them; raises `asyncio.TimeoutError` after the timeout."""
        if self.try_take(size):
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append((size, waiter))
        expiry = loop.call_later(timeout, _expire, waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # the bytes were assigned at the moment of the cancellation
                self._taken -= size
            # the bytes may be enough for another task
            self._wake()
            raise
        finally:
            expiry.cancel()

    def give_back(self, size: int) -> None:
        """Give bytes back, and wake the tasks that fit now."""
        self._taken -= size
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        while self._waiting:
            size, waiter = self._waiting[0]
            if not waiter.done():
                if not self._fits(size):
                    return
                self._taken += size
                waiter.set_result(None)
            self._waiting.popleft()

    def _fits(self, size: int) -> bool:
        return self._taken == 0 or self._taken + size <= self._size


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(asyncio.TimeoutError())
