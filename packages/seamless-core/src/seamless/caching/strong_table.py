"""What the cache holds strongly: referenced checksums, their memory, and who leaves first.

Not thread-safe: `BufferCache` uses it inside its lock, and releases outside of it the buffers
that leave.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .cost_book import CostBook, Estimate
from .eviction import EvictionQueue
from .references import StrongEntry
from .scratch_marks import ScratchMarks
from .worth import Terms, faded_uses, worth_line

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
        #: evicted bytes by soft cap, or by what was held if that was more: the clock of uses
        self.turnover = 0.0
        self.costs = CostBook()
        #: which of those that have left were scratch: their next holder has to know
        self.scratch_marks = ScratchMarks()
        #: entries with a buffer that a counted reference holds, and those only a tempref holds
        self._held = EvictionQueue()
        self._loose = EvictionQueue()

    def entry(self, checksum: Checksum) -> StrongEntry:
        """Return the entry of a checksum, made if there is none."""
        entry = self.entries.get(checksum)
        if entry is None:
            entry = self.entries[checksum] = StrongEntry()
        return entry

    def mark(self, checksum: Checksum, scratch: bool) -> None:
        """Note whether the last reference to an entry was scratch."""
        self.entries[checksum].scratch = scratch
        self.scratch_marks.discard(checksum.bytes())

    def is_scratch(self, checksum: Checksum) -> bool:
        """Tell whether the last reference to a checksum was scratch, also if it is over."""
        entry = self.entries.get(checksum)
        return checksum.bytes() in self.scratch_marks if entry is None else entry.scratch

    def fill(self, checksum: Checksum, buffer: Buffer, size: int) -> None:
        """Give an entry its buffer. `requeue` puts it where it belongs."""
        entry = self.entries[checksum]
        entry.buffer = buffer
        entry.size = size
        self.size += size
        if past := self.costs.take_uses(checksum):
            entry.uses, entry.used_at = past
        self._count_use(entry)

    def use(self, entry: StrongEntry) -> None:
        """Count that a buffer has been found. Its place in the queue is put right later."""
        self._count_use(entry)
        entry.touched = True

    def _count_use(self, entry: StrongEntry) -> None:
        entry.uses = 1.0 + faded_uses(entry.uses, self.turnover - entry.used_at)
        entry.used_at = self.turnover

    def estimate(self, checksum: Checksum, entry: StrongEntry) -> Estimate:
        """Return how long it would take to have the buffer of an entry again."""
        return self.costs.estimate(checksum, entry.size, stored=entry.stored)

    def terms(self, checksum: Checksum, entry: StrongEntry, now: float) -> Terms:
        """Return what the score of an entry is made of at this moment."""
        fading = None if entry.normal_refs else entry.tempref
        return Terms(
            seconds=self.estimate(checksum, entry).seconds,
            size=entry.size,
            uses=entry.uses,
            interest=1.0 if fading is None else fading.lasting_interest(now),
            age=self.turnover - entry.used_at,
        )

    def requeue(self, checksum: Checksum, now: float) -> None:
        """Put an entry whose references have changed where it belongs; remove it if unwanted."""
        entry = self.entries[checksum]
        if not entry.wanted:
            self.remove(checksum)
            return
        queue, other = (self._held, self._loose) if entry.normal_refs else (self._loose, self._held)
        other.discard(checksum)
        entry.touched = False
        if entry.buffer is not None:
            fading = None if entry.normal_refs else entry.tempref
            terms = self.terms(checksum, entry, now)
            queue.put(checksum, worth_line(terms, fading, now, self.turnover), now)

    def remove(self, checksum: Checksum) -> None:
        """Forget an entry, references and all."""
        entry = self.entries.pop(checksum)
        self._held.discard(checksum)
        self._loose.discard(checksum)
        if entry.scratch:
            self.scratch_marks.add(checksum.bytes())
        if entry.buffer is not None:
            self.size -= entry.size

    def make_room(
        self, soft_cap: int, hard_cap: int, now: float, newcomer: Checksum | None = None
    ) -> list[Buffer]:
        """Let buffers go, the least worth first, until the caps are kept; return them.

        Above the soft cap, those that only a tempref holds; above the hard cap, any. A
        newcomer stays, since somebody counts on finding it. Where it is worth less than what
        would have to leave for it below the soft cap, nothing does: it is above the cap then,
        as a guest, and among the first to go when others come.
        """
        dropped = self._shrink(self._loose, soft_cap, now, newcomer, soft_cap, as_guest=True)
        for queue in (self._loose, self._held):
            dropped += self._shrink(queue, hard_cap, now, newcomer, soft_cap)
        return dropped

    def _shrink(
        self,
        queue: EvictionQueue,
        limit: int,
        now: float,
        newcomer: Checksum | None,
        soft_cap: int,
        *,
        as_guest: bool = False,
    ) -> list[Buffer]:
        """Empty a queue, but for the newcomer, until the memory taken is within `limit`."""
        dropped: list[Buffer] = []
        spared = False
        while self.size > limit and (cheapest := self._take_cheapest(queue, now)):
            if cheapest == newcomer:
                spared = True
                limit += self.entries[cheapest].size if as_guest else 0
            else:
                dropped.append(self._evict(cheapest, soft_cap))
        if spared and newcomer is not None:
            self.requeue(newcomer, now)
        return dropped

    def _take_cheapest(self, queue: EvictionQueue, now: float) -> Checksum | None:
        """Take the cheapest of a queue; those used since they were queued go back first."""
        while (cheapest := queue.take_cheapest(now)) and self.entries[cheapest].touched:
            self.requeue(cheapest, now)
        return cheapest

    def _evict(self, checksum: Checksum, soft_cap: int) -> Buffer:
        """Take the buffer away; counted references stay, for when it comes back."""
        entry = self.entries[checksum]
        buffer = entry.buffer
        assert buffer is not None, "only entries with a buffer are queued for eviction"
        self.evictions += 1
        self.evicted_bytes += entry.size
        self.turnover += entry.size / max(1, soft_cap, self.size)
        self.costs.keep_uses(checksum, entry.uses, entry.used_at)
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
