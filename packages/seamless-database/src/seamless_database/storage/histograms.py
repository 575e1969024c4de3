"""Histograms: their buckets, and the metrics of the commits: seconds and writes per commit.

`metrics/counters.py` counts requests with them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

#: upper bounds of the buckets of durations, in seconds
SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
#: upper bounds of the buckets of batch sizes, in writes
WRITES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


@dataclass(slots=True)
class Histogram:
    """How many values fell into each bucket; the last bucket has no upper bound."""

    bounds: tuple[float, ...]
    total: float = 0.0
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts)

    def merge(self, other: Histogram) -> Histogram:
        """Add up two histograms with the same buckets."""
        counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        return Histogram(self.bounds, self.total + other.total, counts)


@dataclass(slots=True)
class CommitMetrics:
    """Durations of the commits, and numbers of writes in each."""

    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    writes: Histogram = field(default_factory=lambda: Histogram(WRITES))

    def add(self, writes: int, seconds: float) -> None:
        """Count a commit."""
        self.writes.add(writes)
        self.seconds.add(seconds)
