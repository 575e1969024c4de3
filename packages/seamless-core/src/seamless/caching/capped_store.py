"""The tables of the buffer cache behind one lock, the caps they keep, and what they tell.

`BufferCache` adds how buffers come in. Everything public is safe from any thread.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from seamless.caching.counter import AtomicCounter
from seamless.caching.eviction_loop import EvictionLoop
from seamless.caching.finalizer_lock import FinalizerSafeLock
from seamless.caching.introspection import (
    Explanation,
    Leak,
    describe_leaks,
    explain,
    leaks,
)
from seamless.caching.limits import check_caps
from seamless.caching.reference_trace import ReferenceTrace, is_trace_wanted
from seamless.caching.strong_table import StrongTable
from seamless.caching.views import ChecksumView
from seamless.caching.weak_table import WeakTable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from seamless.buffer_class import Buffer
    from seamless.caching.cost_model import CostModel
    from seamless.caching.references import StrongEntry
    from seamless.checksum_class import Checksum

__all__ = ["CappedStore"]

LARGEST_SHOWN = 5


class CappedStore:
    """A weak and a strong table of buffers by checksum.

    Parameters
    ----------
    caps
        Soft and hard cap, in bytes.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        caps: tuple[int, int],
        clock: Callable[[], float],
    ) -> None:
        self.soft_cap, self.hard_cap = caps
        self._clock = clock
        #: guards every attribute below, but for what weak table and tallies do in one step
        self._section = FinalizerSafeLock(self._repair)
        self._weak = WeakTable()
        self._strong = StrongTable(clock)
        self._trace = ReferenceTrace() if is_trace_wanted() else None
        self._hits = AtomicCounter()
        self._misses = AtomicCounter()
        self._eviction_loop = EvictionLoop(self.run_eviction_once)

    @property
    def lock(self) -> threading.RLock:
        """The re-entrant lock of the cache, for looking at several things at one moment.

        While it is held nothing is referenced, given back or evicted by another thread; a
        buffer that nobody references may still come and go.
        """
        return self._section.lock

    @property
    def weak_cache(self) -> Mapping[Checksum, Buffer]:
        """The registered buffers that are alive."""
        return ChecksumView(self._weak)

    @property
    def strong_cache(self) -> Mapping[Checksum, StrongEntry]:
        """What is known of each referenced checksum."""
        return ChecksumView(self._strong.entries)

    # -- caps -------------------------------------------------------------------------

    def set_caps(self, soft: int | str | None = None, hard: int | str | None = None) -> None:
        """Change the caps, and let buffers go until they are kept.

        Parameters
        ----------
        soft, hard
            Bytes, or a text such as `8GiB`; None leaves a cap as it is.

        Raises
        ------
        ValueError
            When a cap is no size, or the soft cap would be above the hard one; then nothing
            has changed.
        """
        with self._section.lock:
            self.soft_cap, self.hard_cap = check_caps(
                self.soft_cap if soft is None else soft, self.hard_cap if hard is None else hard
            )
        self._section.change(self._make_room)

    # -- costs ------------------------------------------------------------------------

    @contextlib.contextmanager
    def update_costs(self, checksum: Checksum) -> Iterator[CostModel]:
        """Give access to what is known of costs; what is learned of `checksum` counts at once."""
        yield self._strong.costs
        self._section.change(self._rank_again, checksum.bytes())

    def reload_seconds(self, checksum: Checksum, size: int | None = None) -> float:
        """Return how long it takes to have a buffer again, as far as is known."""
        digest = checksum.bytes()
        with self._section.lock:
            entry = self._strong.entries.get(digest)
            if size is None and entry is not None and entry.buffer is not None:
                size = entry.size
            stored = entry is not None and entry.stored
            return self._strong.costs.estimate(digest, size, stored=stored).seconds

    # -- watching ---------------------------------------------------------------------

    def explain(self, checksum: Checksum) -> Explanation | None:
        """Return what decides whether a referenced buffer stays; None if it is not referenced."""
        with self._section.lock:
            return explain(self._strong, checksum.bytes(), self._clock())

    def trace_references(self, enabled: bool = True) -> None:
        """Remember from now on where `incref` is called, for `leaks`; or stop and forget.

        `SEAMLESS_DEBUG_REFERENCES=1` in the environment does so from the start.
        """
        with self._section.lock:
            self._trace = (self._trace or ReferenceTrace()) if enabled else None

    def leaks(self) -> list[Leak]:
        """Return what counted references hold, the largest first, and where they were taken."""
        with self._section.lock:
            trace = self._trace
            return leaks(self._strong, trace.places if trace is not None else lambda _: ())

    def report_leaks(self) -> str:
        """Return `leaks` as a text, empty if there are none."""
        return describe_leaks(self.leaks())

    def stats(self) -> dict[str, Any]:
        """Return counts and sizes in bytes of what is held, found, missed and evicted."""
        self._section.change(self._weak.purge_dead)
        with self._section.lock:
            largest = self._strong.largest(LARGEST_SHOWN)
            return {
                "strong_bytes": self._strong.size,
                "strong_count": len(self._strong.entries),
                "weak_count": self._weak.count(),
                "soft_cap": self.soft_cap,
                "hard_cap": self.hard_cap,
                "hits": self._hits.total(),
                "misses": self._misses.total(),
                "evictions": self._strong.evictions,
                "evicted_bytes": self._strong.evicted_bytes,
                "largest": [{"checksum": name, "size": size} for size, name in largest],
            }

    def run_eviction_once(self) -> tuple[int, int]:
        """Let buffers go until the caps are kept, and return how many and of how many bytes.

        The cache does that by itself whenever it comes to hold a buffer; a call is needed only
        after a cap has been lowered. Temprefs of buffers that are not here are forgotten when
        their interest has faded.
        """
        dropped, freed = self._section.change(self._run_eviction) or ([], 0)
        return len(dropped), freed

    def start_eviction_loop(self, interval: float = 5.0) -> None:
        """Run `run_eviction_once` every `interval` seconds, in a thread of its own.

        A forked child has no such thread until it calls this itself.

        Raises
        ------
        ValueError
            When `interval` is no number of seconds that a thread can wait.
        """
        self._eviction_loop.start(interval)

    def stop_eviction_loop(self) -> None:
        """End what `start_eviction_loop` began; nothing happens if it is not running."""
        self._eviction_loop.stop()

    # -- with the lock held -----------------------------------------------------------

    def _make_room(self, incoming: bytes | None = None) -> list[Buffer]:
        """Let buffers go, but for the newcomer, where the caps are not kept."""
        if self._strong.size <= self.soft_cap and self._strong.size <= self.hard_cap:
            return []
        return self._strong.evict_until_within(self.soft_cap, self.hard_cap, incoming)

    def _run_eviction(self) -> tuple[list[Buffer], int]:
        self._weak.purge_dead()
        self._strong.forget_faded_absent(self._clock())
        before = self._strong.size
        dropped = self._make_room()
        return dropped, before - self._strong.size

    def _rank_again(self, digest: bytes) -> None:
        if (entry := self._strong.entries.get(digest)) is not None:
            self._strong.change(digest, entry)

    def _repair(self) -> None:
        self._strong.repair()
        self._weak.repair()
