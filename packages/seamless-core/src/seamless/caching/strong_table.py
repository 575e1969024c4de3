"""What the cache holds strongly: referenced checksums, their memory, and who leaves first.

Not thread-safe: `BufferCache` uses it inside its lock, and releases outside of it the buffers
that leave.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .eviction import EvictionQueue
from .eviction_cost import worth_of
from .references import StrongEntry

if TYPE_CHECKING:
    from ..buffer_class import Buffer
    from ..checksum_class import Checksum

__all__ = ["StrongTable"]


class StrongTable:
    """Entries by checksum, the bytes that they hold, and what has been evicted so far."""

    def __init__(self) -> None:
        self.entries: dict[Checksum, StrongEntry] = {}
        self.size = 0
        self.evictions = 0
        self.evicted_bytes = 0
        #: entries with a buffer that a counted reference holds, and those only a tempref holds
        self._held = EvictionQueue()
        self._loose = EvictionQueue()

    def entry(self, checksum: Checksum) -> StrongEntry:
        """Return the entry of a checksum, made if there is none."""
        entry = self.entries.get(checksum)
        if entry is None:
            entry = self.entries[checksum] = StrongEntry()
        return entry

    def fill(self, checksum: Checksum, buffer: Buffer, size: int) -> None:
        """Give an entry its buffer. It can't be evicted before `requeue` is called."""
        entry = self.entries[checksum]
        entry.buffer = buffer
        entry.size = size
        self.size += size

    def requeue(self, checksum: Checksum) -> None:
        """Put an entry whose references have changed where it belongs; remove it if unwanted."""
        entry = self.entries[checksum]
        if not entry.wanted:
            self.remove(checksum)
            return
        queue, other = (self._held, self._loose) if entry.normal_refs else (self._loose, self._held)
        other.discard(checksum)
        if entry.buffer is not None:
            queue.put(checksum, worth_of(entry))

    def remove(self, checksum: Checksum) -> None:
        """Forget an entry, references and all."""
        entry = self.entries.pop(checksum)
        self._held.discard(checksum)
        self._loose.discard(checksum)
        if entry.buffer is not None:
            self.size -= entry.size

    def make_room(self, soft_cap: int, hard_cap: int, now: float) -> list[Buffer]:
        """Let buffers go, the least worth first, until the caps are kept; return them.

        Above the soft cap, those that only a tempref holds; above the hard cap, any.
        """
        dropped: list[Buffer] = []
        for cap, queue in ((soft_cap, self._loose), (hard_cap, self._held)):
            while self.size > cap and (cheapest := queue.take_cheapest(now)):
                dropped.append(self._evict(cheapest))
        return dropped

    def _evict(self, checksum: Checksum) -> Buffer:
        """Take the buffer away; counted references stay, for when it comes back."""
        entry = self.entries[checksum]
        buffer = entry.buffer
        assert buffer is not None, "only entries with a buffer are queued for eviction"
        self.evictions += 1
        self.evicted_bytes += entry.size
        if entry.normal_refs:
            self.size -= entry.size
            entry.buffer = None
            entry.size = 0
        else:
            self.remove(checksum)
        return buffer

    def largest(self, count: int) -> list[tuple[int, str]]:
        """Return size and hex digest of the largest buffers that are held."""
        sizes = (
            (entry.size, checksum.hex())
            for checksum, entry in self.entries.items()
            if entry.buffer is not None
        )
        return heapq.nlargest(count, sizes)
