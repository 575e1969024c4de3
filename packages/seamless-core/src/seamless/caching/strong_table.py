"""`StrongTable`: referenced buffers by digest, their total size, and eviction.

Most references are released before memory is short. So a changed entry is only added to a dirty
set. While less than half of the soft cap is used, nothing else happens. Above that, each step that
adds a buffer also ranks a few dirty entries: it puts them into an eviction queue. The order of
eviction is the same, since a score does not depend on when it is computed.

Not thread-safe: `BufferCache` calls it inside its lock, and drops evicted buffers outside of it.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from seamless.caching.cost_model import CostModel, Estimate
from seamless.caching.eviction_queue import EvictionQueue
from seamless.caching.holder import Holder
from seamless.caching.references import StrongEntry
from seamless.caching.score import ScoreInputs, decayed_uses, priority_line
from seamless.caching.scratch_set import RecentSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.caching.references import TempRef
    from seamless.util.hex_digest import HexDigest

__all__ = ["StrongTable"]

Held = TypeVar("Held", bound=Holder)

#: Dirty entries that a step ranks above half of the soft cap: more than one step makes dirty.
RANKED_PER_STEP = 4
#: Dirty entries that an eviction ranks at once, before it looks for the lowest score. More are
#: dirty only if large buffers fill the cache suddenly; then the others are not evicted yet.
MAX_RANKED = 20_000
#: Temprefs without a buffer that are kept, at most; the oldest is removed first.
MAX_ABSENT = 20_000


class StrongTable(Generic[Held]):
    """Entries by digest, their total size, and eviction counters.

    Parameters
    ----------
    clock
        A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.entries: dict[bytes, StrongEntry[Held]] = {}
        #: total bytes of the buffers in `entries`
        self.size = 0
        self.evictions = 0
        self.evicted_bytes = 0
        #: the clock for the age of uses, see `caching.score`: the sum of evicted bytes / soft cap
        #: (or / `size`, if that was larger)
        self.turnover = 0.0
        self.costs = CostModel()
        #: removed entries that were scratch, for the next reference to them
        self.scratch_marks = RecentSet()
        #: entries with a buffer: with a counted reference, and with a tempref only
        self._pinned = EvictionQueue()
        self._temporary = EvictionQueue()
        #: entries with a tempref but without a buffer, in the order of their last refresh
        self._absent: dict[bytes, None] = {}
        #: entries that have changed since they were put into one of these three
        self._dirty: dict[bytes, StrongEntry[Held]] = {}

    def keys(self) -> list[HexDigest]:
        """Return the referenced checksums."""
        return [entry.key for entry in self.entries.copy().values()]

    def is_scratch(self, digest: bytes) -> bool:
        """Return whether the last reference to a buffer was scratch, even if it was released."""
        entry = self.entries.get(digest)
        return digest in self.scratch_marks if entry is None else entry.scratch

    def add_reference(
        self, key: HexDigest, tempref: TempRef | None, buffer: Held | None, scratch: bool
    ) -> StrongEntry[Held]:
        """Add a tempref, or a counted reference if `tempref` is None."""
        digest = key._value
        entry = self.entries.get(digest)
        if entry is None:
            if buffer is not None and not self.evictions:  # without `attach`: no past uses
                size = len(buffer)
                entry = StrongEntry(key, tempref, buffer, size, scratch)
                self.entries[digest] = entry
                self.size += size
                self._dirty[digest] = entry
                return entry
            entry = self.entries[digest] = StrongEntry(key, tempref, None, 0, scratch)
        else:
            # set first: after an interrupt, a scratch buffer must not be uploaded
            entry.scratch = scratch
            if tempref is None:
                entry.normal_refs += 1
            elif entry.tempref is None:
                entry.tempref = tempref
            else:
                entry.tempref.renew(tempref)
        if buffer is not None and entry.buffer is None:
            self.attach(digest, entry, buffer, len(buffer))
        elif tempref is not None or entry.normal_refs == 1:  # their number is not in the score
            self.mark_dirty(digest, entry)
        return entry

    def attach(self, digest: bytes, entry: StrongEntry[Held], buffer: Held, size: int) -> None:
        """Set the buffer of an entry that has none."""
        # size before buffer: `repair` clears the size of an entry without a buffer
        entry.size = size
        entry.buffer = buffer
        self.size += size
        if entry.ranked:
            self._absent.pop(digest, None)
        turnover = self.turnover
        # only evicted buffers have past uses
        if self.evictions and (past := self.costs.pop_uses(digest)):
            entry.uses, entry.used_at = past
        if entry.uses:
            entry.uses = decayed_uses(entry.uses, turnover - entry.used_at)
        entry.uses += 1.0
        entry.used_at = turnover
        self._dirty[digest] = entry

    def record_hit(self, entry: StrongEntry[Held]) -> None:
        """Count a hit. The rank of the entry is updated when the eviction queue reaches it."""
        if entry.used_at == self.turnover:
            entry.uses += 1.0
        else:
            entry.uses = 1.0 + decayed_uses(entry.uses, self.turnover - entry.used_at)
            entry.used_at = self.turnover
        entry.touched = True

    def refresh_tempref(self, digest: bytes) -> None:
        """Restore the full interest of a tempref, if there is one."""
        entry = self.entries.get(digest)
        if entry is not None and entry.tempref is not None:
            entry.tempref.refresh(self._clock())
            self.mark_dirty(digest, entry)

    def mark_stored(self, digest: bytes) -> None:
        """Record that a write backend has the buffer."""
        entry = self.entries.get(digest)
        if entry is not None and not entry.stored:
            entry.stored = True
            self.mark_dirty(digest, entry)

    def estimate(self, digest: bytes, entry: StrongEntry[Held]) -> Estimate:
        """Return the estimated cost of reloading the buffer of an entry."""
        return self.costs.estimate(digest, entry.size, stored=entry.stored)

    def score_inputs(self, digest: bytes, entry: StrongEntry[Held], now: float) -> ScoreInputs:
        """Return the inputs of the score of an entry at this moment."""
        fading = None if entry.normal_refs else entry.tempref
        return ScoreInputs(
            seconds=self.estimate(digest, entry).seconds,
            size=entry.size,
            uses=entry.uses,
            interest=1.0 if fading is None else fading.lasting_interest(now),
            age=self.turnover - entry.used_at,
        )

    # -- ranking ----------------------------------------------------------------------

    def mark_dirty(self, digest: bytes, entry: StrongEntry[Held]) -> None:
        """Have an entry ranked again before it may be evicted."""
        if entry.buffer is None:
            self._rank_absent(digest, entry)
        else:
            self._dirty[digest] = entry

    def costs_changed(self, digest: bytes) -> None:
        """Do `mark_dirty` for an entry, if there is one."""
        if (entry := self.entries.get(digest)) is not None:
            self.mark_dirty(digest, entry)

    def remove(self, digest: bytes, entry: StrongEntry[Held]) -> None:
        """Remove an entry with all its references."""
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

    def remove_scratch(self, digest: bytes | None) -> list[StrongEntry[Held]]:
        """Remove entries, or one, whose only reference is a scratch tempref; return them."""
        removed = []
        for candidate in list(self.entries) if digest is None else [digest]:
            entry = self.entries.get(candidate)
            if entry is not None and entry.scratch_tempref_only:
                self.remove(candidate, entry)
                removed.append(entry)
        return removed

    def _rank_dirty(self, now: float, limit: int) -> None:
        """Rank the dirty entries that changed first, at most `limit`."""
        dirty = self._dirty
        for digest in list(islice(dirty, limit)):
            if (entry := dirty.pop(digest, None)) is not None:
                self._rank(digest, entry, now)

    def _rank(self, digest: bytes, entry: StrongEntry[Held], now: float) -> None:
        """Put an entry into the eviction queue that it belongs to."""
        if entry.buffer is None:
            self._rank_absent(digest, entry)
            return
        pinned = entry.normal_refs > 0
        (self._temporary if pinned else self._pinned).discard(digest)
        entry.touched = False
        entry.ranked = True
        inputs = self.score_inputs(digest, entry, now)
        line = priority_line(inputs, None if pinned else entry.tempref, now, self.turnover)
        (self._pinned if pinned else self._temporary).put(digest, line, now)

    def _rank_absent(self, digest: bytes, entry: StrongEntry[Held]) -> None:
        """Put an entry without a buffer into `_absent`, unless it has a counted reference."""
        self._dirty.pop(digest, None)
        self._pinned.discard(digest)
        self._temporary.discard(digest)
        self._absent.pop(digest, None)
        entry.ranked = True
        if not entry.normal_refs:
            self._absent[digest] = None
            if len(self._absent) > MAX_ABSENT:
                oldest = next(iter(self._absent))
                self.remove(oldest, self.entries[oldest])

    def remove_expired_absent(self, now: float) -> None:
        """Remove entries without a buffer whose only reference is an expired tempref."""
        for digest in list(self._absent):
            entry = self.entries[digest]
            if entry.tempref is None or entry.tempref.fades_until <= now:
                self.remove(digest, entry)

    def repair(self) -> None:
        """Rebuild all derived state from the entries, after a change was interrupted."""
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
            self.mark_dirty(digest, entry)

    # -- eviction ---------------------------------------------------------------------

    def evict_until_within(
        self, soft_cap: int, hard_cap: int, incoming: bytes | None = None
    ) -> list[Held]:
        """Evict buffers until the caps are kept, the lowest score first; return them.

        Above the soft cap, buffers with temprefs only are evicted; above the hard cap, any
        buffers. The incoming buffer stays, since its caller expects to find it, unless it is
        larger than the hard cap: then only it is evicted. If the incoming buffer has the lowest
        score of the temporary buffers, it may exceed the soft cap; it is then among the first
        that the next call evicts.
        """
        if 2 * self.size <= soft_cap <= hard_cap:
            return []
        now = self._clock()
        if self.size <= soft_cap and self.size <= hard_cap:
            self._rank_dirty(now, RANKED_PER_STEP)
            return []
        self._rank_dirty(now, MAX_RANKED)
        dropped: list[Held] = []
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
    ) -> list[Held]:
        """Evict from a queue, except the incoming buffer, until `size` is within `limit`."""
        dropped: list[Held] = []
        keeps_incoming = False
        while self.size > limit and (lowest := self._pop_lowest(queue, now)):
            if lowest == incoming:
                keeps_incoming = True
                limit += self.entries[lowest].size if over_soft_cap else 0
            else:
                dropped.append(self._evict(lowest, soft_cap))
        if keeps_incoming and incoming is not None:
            self._rank(incoming, self.entries[incoming], now)
        return dropped

    def _pop_lowest(self, queue: EvictionQueue, now: float) -> bytes | None:
        """Pop the lowest score of a queue; entries that were hit or changed are ranked again."""
        while True:
            lowest = queue.pop_lowest(now)
            if lowest is None:
                if not self._dirty:
                    return None
                self._rank_dirty(now, MAX_RANKED)
            elif lowest in self._dirty or self.entries[lowest].touched:
                self._dirty.pop(lowest, None)
                self._rank(lowest, self.entries[lowest], now)
            else:
                return lowest

    def _evict(self, digest: bytes, soft_cap: int) -> Held:
        """Remove the buffer; counted references stay, and hold it again if it is registered."""
        entry = self.entries[digest]
        buffer = entry.buffer
        assert buffer is not None, "only entries with a buffer are queued for eviction"
        self.evictions += 1
        self.evicted_bytes += entry.size
        self.turnover += entry.size / max(soft_cap, self.size)
        self.costs.save_uses(digest, entry.uses, entry.used_at)
        if entry.normal_refs:
            self.size -= entry.size
            entry.buffer = None
            entry.size = 0
        else:
            self.remove(digest, entry)
        return buffer

    def largest(self, count: int) -> list[tuple[int, str]]:
        """Return size and hex digest of the largest buffers in memory."""
        sizes = (
            (entry.size, digest.hex())
            for digest, entry in self.entries.copy().items()
            if entry.buffer is not None
        )
        return heapq.nlargest(count, sizes)
