"""What the cache holds strongly: referenced digests, their memory, and who leaves first.

Most references are given back before memory is short, if it ever is. So an entry that changes
is only noted, and ranked among those that may leave when there are many such notes, or when
somebody has to leave: the order is the same, since worth does not depend on when it is asked.

Not thread-safe: `BufferCache` uses it inside its lock, and releases outside of it the buffers
that leave.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from seamless.caching.cost_model import CostModel, Estimate
from seamless.caching.eviction_queue import EvictionQueue
from seamless.caching.references import StrongEntry
from seamless.caching.score import ScoreInputs, decayed_uses, priority_line
from seamless.caching.scratch_set import RecentSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.buffer_class import Buffer
    from seamless.caching.references import TempRef

__all__ = ["StrongTable"]

#: How many entries wait for their rank at most: what the slowest step has to do more.
UNRANKED = 128
#: How many temprefs of buffers that are not here are kept: the oldest is forgotten first.
MOST_ABSENT = 20_000


class StrongTable:
    """Entries by digest, the bytes that they hold, and what has been evicted so far.

    Parameters
    ----------
    clock
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.entries: dict[bytes, StrongEntry] = {}
        self.size = 0
        self.evictions = 0
        self.evicted_bytes = 0
        #: evicted bytes by soft cap, or by what was held if that was more: the clock of uses
        self.turnover = 0.0
        self.costs = CostModel()
        #: which of those that have left were scratch: their next holder has to know
        self.scratch_marks = RecentSet()
        #: entries with a buffer that a counted reference holds, and those only a tempref holds
        self._pinned = EvictionQueue()
        self._temporary = EvictionQueue()
        #: digests of entries without a buffer that only a tempref holds, refreshed last at the end
        self._absent: dict[bytes, None] = {}
        #: entries that have changed since they were put into one of the three, or never were
        self._dirty: dict[bytes, StrongEntry] = {}

    def is_scratch(self, digest: bytes) -> bool:
        """Tell whether the last reference to a buffer was scratch, also if it is over."""
        entry = self.entries.get(digest)
        return digest in self.scratch_marks if entry is None else entry.scratch

    def add_reference(
        self, digest: bytes, asked: TempRef | None, found: Buffer | None, scratch: bool
    ) -> StrongEntry:
        """Add a reference, a counted one if `asked` is None, to a buffer if it is there."""
        entry = self.entries.get(digest)
        if entry is None:
            entry = self.entries[digest] = StrongEntry()
        # before it counts: what an interrupt leaves must not be uploaded if it is scratch
        entry.scratch = scratch
        if asked is None:
            entry.normal_refs += 1
        elif entry.tempref is None:
            entry.tempref = asked
        else:
            entry.tempref.renew(asked)
        if found is not None and entry.buffer is None:
            self.attach(digest, entry, found, len(found))
        elif asked is not None or entry.normal_refs == 1:  # how many they are decides nothing
            self.change(digest, entry)
        return entry

    def attach(self, digest: bytes, entry: StrongEntry, buffer: Buffer, size: int) -> None:
        """Give an entry its buffer."""
        # before the buffer: `repair` clears the size of an entry without one
        entry.size = size
        entry.buffer = buffer
        self.size += size
        turnover = self.turnover
        # only what has been evicted can have past uses
        if self.evictions and (past := self.costs.pop_uses(digest)):
            entry.uses, entry.used_at = past
        if entry.uses:
            entry.uses = decayed_uses(entry.uses, turnover - entry.used_at)
        entry.uses += 1.0
        entry.used_at = turnover
        self.change(digest, entry)

    def record_hit(self, entry: StrongEntry) -> None:
        """Count that a buffer has been found. Its rank is put right when it comes up."""
        if entry.used_at == self.turnover:
            entry.uses += 1.0
        else:
            entry.uses = 1.0 + decayed_uses(entry.uses, self.turnover - entry.used_at)
            entry.used_at = self.turnover
        entry.touched = True

    def estimate(self, digest: bytes, entry: StrongEntry) -> Estimate:
        """Return how long it would take to have the buffer of an entry again."""
        return self.costs.estimate(digest, entry.size, stored=entry.stored)

    def score_inputs(self, digest: bytes, entry: StrongEntry, now: float) -> ScoreInputs:
        """Return what the score of an entry is made of at this moment."""
        fading = None if entry.normal_refs else entry.tempref
        return ScoreInputs(
            seconds=self.estimate(digest, entry).seconds,
            size=entry.size,
            uses=entry.uses,
            interest=1.0 if fading is None else fading.lasting_interest(now),
            age=self.turnover - entry.used_at,
        )

    # -- ranking ----------------------------------------------------------------------

    def change(self, digest: bytes, entry: StrongEntry) -> None:
        """Note that something has changed that decides about an entry."""
        self._dirty[digest] = entry
        if len(self._dirty) > UNRANKED:
            self._rank_all(self._clock())

    def remove(self, digest: bytes, entry: StrongEntry) -> None:
        """Forget an entry, references and all."""
        del self.entries[digest]
        self._dirty.pop(digest, None)
        if entry.ranked:
            self._pinned.discard(digest)
            self._temporary.discard(digest)
            self._absent.pop(digest, None)
        if entry.scratch:
            self.scratch_marks.add(digest)
        else:
            self.scratch_marks.discard(digest)
        self.size -= entry.size

    def _rank_all(self, now: float) -> None:
        """Rank what has changed, in the order in which it did."""
        unranked, self._dirty = self._dirty, {}
        for digest, entry in unranked.items():
            if self.entries.get(digest) is entry:  # else ranking another has made it leave
                self._rank(digest, entry, now)

    def _rank(self, digest: bytes, entry: StrongEntry, now: float) -> None:
        """Put an entry where it belongs among those that may leave."""
        queue, other = (
            (self._pinned, self._temporary)
            if entry.normal_refs
            else (self._temporary, self._pinned)
        )
        other.discard(digest)
        self._absent.pop(digest, None)
        entry.touched = False
        entry.ranked = True
        if entry.buffer is not None:
            fading = None if entry.normal_refs else entry.tempref
            score_inputs = self.score_inputs(digest, entry, now)
            queue.put(digest, priority_line(score_inputs, fading, now, self.turnover), now)
        elif not entry.normal_refs:
            self._absent[digest] = None
            if len(self._absent) > MOST_ABSENT:
                oldest = next(iter(self._absent))
                self.remove(oldest, self.entries[oldest])

    def forget_faded_absent(self, now: float) -> None:
        """Forget entries without a buffer that only a tempref holds, if its interest has faded."""
        self._rank_all(now)
        for digest in list(self._absent):
            entry = self.entries[digest]
            if entry.tempref is None or entry.tempref.fades_until <= now:
                self.remove(digest, entry)

    def repair(self) -> None:
        """Make everything that follows from the entries anew, after a change was interrupted."""
        self._pinned, self._temporary = EvictionQueue(), EvictionQueue()
        self._absent, self._dirty = {}, {}
        self.size = 0
        for digest, entry in self.entries.copy().items():
            if entry.normal_refs == 0 and entry.tempref is None:
                del self.entries[digest]
                continue
            if entry.buffer is None:
                entry.size = 0
            self.size += entry.size
            entry.ranked = False
            self._dirty[digest] = entry

    # -- making room ------------------------------------------------------------------

    def evict_until_within(
        self, soft_cap: int, hard_cap: int, incoming: bytes | None = None
    ) -> list[Buffer]:
        """Let buffers go, the least worth first, until the caps are kept; return them.

        Above the soft cap, those that only a tempref holds; above the hard cap, any. A
        newcomer stays, since somebody counts on finding it, unless it is larger than the hard
        cap: then it leaves at once, and nothing else leaves for it. Where it is worth less than
        what would have to leave for it below the soft cap, nothing does: it is above the cap
        then, as a guest, and among the first to go when others come.
        """
        now = self._clock()
        self._rank_all(now)
        dropped: list[Buffer] = []
        if incoming is not None and self.entries[incoming].size > hard_cap:
            for queue in (self._temporary, self._pinned):
                queue.discard(incoming)
            dropped.append(self._evict(incoming, soft_cap))
            incoming = None
        dropped += self._shrink(
            self._temporary, soft_cap, now, incoming, soft_cap, over_soft_cap=True
        )
        for queue in (self._temporary, self._pinned):
            dropped += self._shrink(queue, hard_cap, now, incoming, soft_cap)
        return dropped

    def _shrink(
        self,
        queue: EvictionQueue,
        limit: int,
        now: float,
        incoming: bytes | None,
        soft_cap: int,
        *,
        over_soft_cap: bool = False,
    ) -> list[Buffer]:
        """Empty a queue, but for the newcomer, until the memory taken is within `limit`."""
        dropped: list[Buffer] = []
        spared = False
        while self.size > limit and (cheapest := self._take_cheapest(queue, now)):
            if cheapest == incoming:
                spared = True
                limit += self.entries[cheapest].size if over_soft_cap else 0
            else:
                dropped.append(self._evict(cheapest, soft_cap))
        if spared and incoming is not None:
            self._rank(incoming, self.entries[incoming], now)
        return dropped

    def _take_cheapest(self, queue: EvictionQueue, now: float) -> bytes | None:
        """Take the cheapest of a queue; those used since they were queued go back first."""
        while (cheapest := queue.pop_lowest(now)) and self.entries[cheapest].touched:
            self._rank(cheapest, self.entries[cheapest], now)
        return cheapest

    def _evict(self, digest: bytes, soft_cap: int) -> Buffer:
        """Take the buffer away; counted references stay, for when it comes back."""
        entry = self.entries[digest]
        buffer = entry.buffer
        assert buffer is not None, "only entries with a buffer are queued for eviction"
        self.evictions += 1
        self.evicted_bytes += entry.size
        self.turnover += entry.size / max(1, soft_cap, self.size)
        self.costs.save_uses(digest, entry.uses, entry.used_at)
        if entry.normal_refs:
            self.size -= entry.size
            entry.buffer = None
            entry.size = 0
        else:
            self.remove(digest, entry)
        return buffer

    def largest(self, count: int) -> list[tuple[int, str]]:
        """Return size and hex digest of the largest buffers that are held."""
        sizes = (
            (entry.size, digest.hex())
            for digest, entry in self.entries.copy().items()
            if entry.buffer is not None
        )
        return heapq.nlargest(count, sizes)
