"""Who leaves first when memory is short: a queue of digests by worth. Pure.

One heap for each rate at which worth is lost: within a heap the order never changes, so an
item is put in once and the cheapest of all is the cheapest of the heads at that moment. In
practice there are two or three rates; beyond `MOST_RATES` a rate is replaced by a power of two,
so that the number of heaps, which every step looks at, stays bounded. Items that have become
stale are recognised when they surface, so that adding, changing, withdrawing and taking are all
O(log n).

An item whose worth has stopped falling is worth more than its place says. It moves to the heap
of those that are level when it surfaces, one at each step, so that no step is long. When
very many become level at once, and all of them are to be compared, the order is approximate
until they have moved.
"""

from __future__ import annotations

import heapq
import math

from seamless.caching.score import PriorityLine

__all__ = ["EvictionQueue"]

#: Items that one step moves to where those that are level are.
MAX_MOVES = 1
#: Stale items that a heap may hold before it is cleaned, however small it is.
_SLACK = 64

#: Heaps from which on the rates of further ones are powers of two.
MOST_RATES = 32
#: Loss in a second that is none: it lowers no score within a human life.
LOWEST_RATE = 2.0**-40


class EvictionQueue:
    """Digests in order of worth, the cheapest first. Not thread-safe by itself."""

    def __init__(self) -> None:
        #: loss in a second → worth at time zero, ticket, digest, and when it becomes level
        self._heaps: dict[float, list[tuple[float, int, bytes, float]]] = {}
        #: digest → the ticket of its only valid item
        self._tickets: dict[bytes, int] = {}
        self._last_ticket = 0
        self._stale = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, digest: object) -> bool:
        return digest in self._tickets

    def put(self, digest: bytes, worth: PriorityLine, now: float) -> None:
        """Add a digest, or give it another worth."""
        rate = worth.loss_per_second
        if rate and rate not in self._heaps and len(self._heaps) >= MOST_RATES:
            worth = _with_rounded_rate(worth, now)
        self._migrate_expired(worth.loss_per_second, now)
        self._push(digest, worth)

    def _push(self, digest: bytes, worth: PriorityLine) -> None:
        self.discard(digest)
        self._last_ticket += 1
        self._tickets[digest] = self._last_ticket
        heap = self._heaps.setdefault(worth.loss_per_second, [])
        heapq.heappush(heap, (worth.at_zero, self._last_ticket, digest, worth.until))

    def discard(self, digest: bytes) -> None:
        """Withdraw a digest; nothing happens if it is not there."""
        if self._tickets.pop(digest, None) is None:
            return
        self._stale += 1
        if self._stale > len(self._tickets) + _SLACK:
            self._drop_stale()

    def pop_lowest(self, now: float) -> bytes | None:
        """Remove and return the digest that is worth least at `now`, or None when empty."""
        cheapest: tuple[float, float] | None = None
        for rate in list(self._heaps):
            self._migrate_expired(rate, now)
        for rate in list(self._heaps):
            if self._pop_stale(rate):
                at_zero, _, _, until = self._heaps[rate][0]
                worth = PriorityLine(at_zero, rate, until).at(now)
                cheapest = min(cheapest or (worth, rate), (worth, rate))
        if cheapest is None:
            return None
        _, _, digest, _ = heapq.heappop(self._heaps[cheapest[1]])
        del self._tickets[digest]
        return digest

    def _migrate_expired(self, rate: float, now: float) -> None:
        """Move what surfaces and has stopped falling to the heap of those that are level."""
        for _ in range(MAX_MOVES if rate and rate in self._heaps else 0):
            if not self._pop_stale(rate) or self._heaps[rate][0][3] > now:
                return
            at_zero, _, digest, until = heapq.heappop(self._heaps[rate])
            del self._tickets[digest]
            self._push(digest, PriorityLine(PriorityLine(at_zero, rate, until).at(now)))

    def _pop_stale(self, rate: float) -> bool:
        """Bring a valid item to the head of a heap; forget the heap if there is none."""
        heap = self._heaps[rate]
        while heap:
            _, ticket, digest, _ = heap[0]
            if self._tickets.get(digest) == ticket:
                return True
            heapq.heappop(heap)
            self._stale -= 1
        del self._heaps[rate]
        return False

    def _drop_stale(self) -> None:
        for rate, heap in list(self._heaps.items()):
            valid = [item for item in heap if self._tickets.get(item[2]) == item[1]]
            heapq.heapify(valid)
            self._heaps[rate] = valid
        self._heaps = {rate: heap for rate, heap in self._heaps.items() if heap}
        self._stale = 0


def _with_rounded_rate(worth: PriorityLine, now: float) -> PriorityLine:
    """Return a line of the same height now and when it is level, which falls at a round rate."""
    rate = worth.loss_per_second
    if rate < LOWEST_RATE or worth.until <= now:
        return PriorityLine(worth.at(now))
    rounded = 2.0 ** round(math.log2(rate))
    until = now + (worth.until - now) * rate / rounded
    return PriorityLine(worth.at(now) + rounded * now, rounded, until)
