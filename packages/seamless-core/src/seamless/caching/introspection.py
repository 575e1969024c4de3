"""Introspection of the buffer cache: views, statistics, scores, and leaked references.

`CacheIntrospection` has the methods of `BufferCache` that only read its tables. Tracing the
callers of `incref` is off by default: it inspects the stack, which costs more than the reference.
"""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from seamless.caching.holder import Holder
from seamless.caching.score import log_score
from seamless.caching.views import ChecksumView

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from seamless.caching.counter import AtomicCounter
    from seamless.caching.finalizer_lock import FinalizerSafeLock
    from seamless.caching.references import StrongEntry
    from seamless.caching.strong_table import StrongTable
    from seamless.caching.weak_table import WeakTable
    from seamless.util.hex_digest import HexDigest

__all__ = ["CacheIntrospection", "Explanation", "Leak", "ReferenceTrace", "is_trace_wanted"]

Held = TypeVar("Held", bound=Holder)

TRACE_VARIABLE = "SEAMLESS_DEBUG_REFERENCES"
_PACKAGE = __name__.partition(".")[0]
#: Number of buffers that `stats` lists by size.
MAX_LARGEST = 5


class Explanation(NamedTuple):
    """The score of a buffer and its inputs, as `score.log_score` computes it.

    `held_by` is `counted references` or `tempref`, and `source` how the buffer would be reloaded.
    Among buffers with the same `held_by`, the lowest `score` is evicted first; `log_score`
    distinguishes scores that are too small or too large for a float.
    """

    checksum: str
    held_by: str
    in_memory: bool
    size: int
    seconds: float
    source: str
    uses: float
    interest: float
    age: float
    score: float
    log_score: float


class Leak(NamedTuple):
    """A checksum with counted references, their number, and the lines that took them."""

    checksum: str
    references: int
    size: int
    lines: tuple[str, ...]


class CacheIntrospection(Generic[Held]):
    """The read-only methods of `BufferCache`. Thread-safe."""

    soft_cap: int
    hard_cap: int
    _clock: Callable[[], float]
    _guard: FinalizerSafeLock
    _weak: WeakTable[Held]
    _strong: StrongTable[Held]
    _trace: ReferenceTrace | None
    _hits: AtomicCounter
    _misses: AtomicCounter

    @property
    def lock(self) -> threading.RLock:
        """The re-entrant lock of the cache, for several look-ups at one moment.

        While it is held, no other thread adds, releases or evicts a reference; buffers without
        references may still be registered or die.
        """
        return self._guard.lock

    @property
    def weak_cache(self) -> Mapping[Any, Held]:
        """The registered buffers that are alive, by `Checksum`."""
        return ChecksumView(self._weak.get, self._weak.keys)

    @property
    def strong_cache(self) -> Mapping[Any, StrongEntry[Held]]:
        """The entries of the referenced buffers, by `Checksum`."""
        return ChecksumView(self._strong.entries.get, self._strong.keys)

    def is_scratch_ref(self, checksum: HexDigest) -> bool:
        """Return whether the last reference to `checksum` was taken with `scratch`."""
        with self._guard.lock:
            return self._strong.is_scratch(checksum._value)

    def reload_seconds(self, checksum: HexDigest, size: int | None = None) -> float:
        """Return the estimated seconds that it takes to download or recompute a buffer."""
        digest = checksum._value
        with self._guard.lock:
            entry = self._strong.entries.get(digest)
            if size is None and entry is not None and entry.buffer is not None:
                size = entry.size
            stored = entry is not None and entry.stored
            return self._strong.costs.estimate(digest, size, stored=stored).seconds

    def explain(self, checksum: HexDigest) -> Explanation | None:
        """Return the score of a referenced buffer and its inputs; None if not referenced."""
        digest = checksum._value
        with self._guard.lock:
            entry = self._strong.entries.get(digest)
            if entry is None:
                return None
            inputs = self._strong.score_inputs(digest, entry, self._clock())
            source = self._strong.estimate(digest, entry).source
        logarithm = log_score(inputs)
        return Explanation(
            checksum=digest.hex(),
            held_by="counted references" if entry.normal_refs else "tempref",
            in_memory=entry.buffer is not None,
            source=source,
            score=math.exp(min(logarithm, 700.0)),
            log_score=logarithm,
            **inputs._asdict(),
        )

    def trace_references(self, enabled: bool = True) -> None:
        """Record the callers of `incref` from now on, for `leaks`; or stop and forget them.

        `SEAMLESS_DEBUG_REFERENCES=1` in the environment does so from the start.
        """
        with self._guard.lock:
            self._trace = (self._trace or ReferenceTrace()) if enabled else None

    def leaks(self) -> list[Leak]:
        """Return the buffers with counted references, the largest first, and their callers."""
        with self._guard.lock:
            trace = self._trace
            held = [
                Leak(
                    digest.hex(),
                    entry.normal_refs,
                    entry.size,
                    () if trace is None else trace.lines(digest),
                )
                for digest, entry in self._strong.entries.copy().items()
                if entry.normal_refs
            ]
        return sorted(held, key=lambda leak: (-leak.size, leak.checksum))

    def report_leaks(self) -> str:
        """Return `leaks` as a text, empty if there are none."""
        lines = []
        for leak in self.leaks():
            noun = "reference" if leak.references == 1 else "references"
            lines.append(f"{leak.checksum}: {leak.references} {noun}, {leak.size} bytes")
            lines += [f"  taken at {line}" for line in leak.lines]
        return "\n".join(lines)

    def stats(self) -> dict[str, Any]:
        """Return the number of buffers, hits, misses and evictions, and sizes in bytes."""
        self._guard.change(self._weak.purge_dead)
        with self._guard.lock:
            largest = self._strong.largest(MAX_LARGEST)
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


def is_trace_wanted() -> bool:
    """Return whether the environment asks for a trace."""
    return os.environ.get(TRACE_VARIABLE, "").strip().lower() not in {"", "0", "false", "no"}


class ReferenceTrace:
    """The lines that called `incref`, with their number of calls, by digest.

    A `decref` does not say which reference it releases, so the lines are kept until the last
    reference of a checksum is released. Not thread-safe by itself.
    """

    def __init__(self) -> None:
        self._lines: dict[bytes, Counter[str]] = {}

    def note(self, digest: bytes) -> None:
        """Record the line outside of this package that is taking a reference now."""
        self._lines.setdefault(digest, Counter())[_calling_line()] += 1

    def forget(self, digest: bytes) -> None:
        """Remove the lines of a checksum without references."""
        self._lines.pop(digest, None)

    def lines(self, digest: bytes) -> tuple[str, ...]:
        """Return the lines that took references, the most frequent first."""
        # the copy is one step: a finalizer may record another line meanwhile
        counted = Counter(dict(self._lines.get(digest, {}))).most_common()
        return tuple(line if times == 1 else f"{line} ({times} times)" for line, times in counted)


def _calling_line() -> str:
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
