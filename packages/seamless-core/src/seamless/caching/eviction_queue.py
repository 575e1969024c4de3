"""`EvictionQueue`: a priority queue of digests, whose scores decay over time. Pure.

The queue has one heap for each rate of decay. Within a heap the order never changes, so each item
is pushed once, and the lowest score is that of one of the heads. In practice there are two or
three rates; beyond `MAX_RATES`, a rate is rounded to a power of two, so that the number of heaps,
which every step visits, stays bounded. Stale items are detected when they reach the head of their
heap, so that adding, updating, removing and popping are O(log n).

An item whose score has stopped falling belongs to the heap of constant scores. It is moved when
it reaches the head of its heap, one item at each step, so that no step is long. If very many
scores become constant at once, the order is approximate until their items have moved.
"""

from __future__ import annotations

import heapq
import itertools
import math

from seamless.caching.score import PriorityLine

__all__ = ["EvictionQueue"]

#: Items that one step moves to the heap of constant scores.
MAX_MOVES = 1
#: Stale items that the heaps may hold in addition to the number of valid items.
_SLACK = 64

#: Number of heaps from which on new rates are rounded to powers of two.
MAX_RATES = 32
#: Rates below this count as 0.
MIN_RATE = 2.0**-40


class EvictionQueue:
    """Digests in the order of their scores, the lowest first. Not thread-safe by itself."""

    def __init__(self) -> None:
        #: rate → heap of (score at time zero, ticket, digest, time when it becomes constant)
        self._heaps: dict[float, list[tuple[float, int, bytes, float]]] = {}
        #: digest → the ticket of its only valid item
        self._tickets: dict[bytes, int] = {}
        self._new_tickets = itertools.count()
        self._stale = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, digest: object) -> bool:
        return digest in self._tickets

    def put(self, digest: bytes, line: PriorityLine, now: float) -> None:
        """Add a digest, or replace its score."""
        rate = line.loss_per_second
        if rate and rate not in self._heaps and len(self._heaps) >= MAX_RATES:
            line = _with_rounded_rate(line, now)
        self._migrate_expired(line.loss_per_second, now)
        self._push(digest, line)

    def _push(self, digest: bytes, line: PriorityLine) -> None:
        self.discard(digest)
        ticket = self._tickets[digest] = next(self._new_tickets)
        heap = self._heaps.setdefault(line.loss_per_second, [])
        heapq.heappush(heap, (line.at_zero, ticket, digest, line.until))

    def discard(self, digest: bytes) -> None:
        """Remove a digest, if it is in the queue."""
        if self._tickets.pop(digest, None) is None:
            return
        self._stale += 1
        if self._stale > len(self._tickets) + _SLACK:
            self._drop_stale()

    def pop_lowest(self, now: float) -> bytes | None:
        """Remove and return the digest with the lowest score at `now`, or None when empty."""
        lowest: tuple[float, float] | None = None
        for rate in list(self._heaps):
            self._migrate_expired(rate, now)
        for rate in list(self._heaps):
            if self._pop_stale(rate):
                at_zero, _, _, until = self._heaps[rate][0]
                score = PriorityLine(at_zero, rate, until).at(now)
                lowest = min(lowest or (score, rate), (score, rate))
        if lowest is None:
            return None
        _, _, digest, _ = heapq.heappop(self._heaps[lowest[1]])
        del self._tickets[digest]
        return digest

    def _migrate_expired(self, rate: float, now: float) -> None:
        """Move the head of a heap to the heap of constant scores, if its score is constant now."""
        for _ in range(MAX_MOVES if rate and rate in self._heaps else 0):
            if not self._pop_stale(rate) or self._heaps[rate][0][3] > now:
                return
            at_zero, _, digest, until = heapq.heappop(self._heaps[rate])
            del self._tickets[digest]
            self._push(digest, PriorityLine(PriorityLine(at_zero, rate, until).at(now)))

    def _pop_stale(self, rate: float) -> bool:
        """Pop stale items from the head of a heap; return whether a valid item is left."""
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


def _with_rounded_rate(line: PriorityLine, now: float) -> PriorityLine:
    """Return a line with a rounded rate, and the same score now and when it is constant."""
    rate = line.loss_per_second
    if rate < MIN_RATE or line.until <= now:
        return PriorityLine(line.at(now))
    rounded = 2.0 ** round(math.log2(rate))
    until = now + (line.until - now) * rate / rounded
    return PriorityLine(line.at(now) + rounded * now, rounded, until)
