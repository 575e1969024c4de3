"""Histograms of what the writer commits: seconds per commit, writes per commit."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

#: upper bounds of the classes that durations fall into, in seconds
SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
#: upper bounds of the classes that batches fall into, in writes
WRITES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


@dataclass(slots=True)
class Histogram:
    """How many values fell into each class, the last being for those above all bounds."""

    bounds: tuple[float, ...]
    total: float = 0.0
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def merge(self, other: Histogram) -> Histogram:
        """Add up two distributions over the same classes."""
        both = Histogram(self.bounds, self.total + other.total)
        both.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        return both


@dataclass(slots=True)
class CommitMetrics:
    """What the writer does: how long its commits take, and how many writes are in each."""

    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    writes: Histogram = field(default_factory=lambda: Histogram(WRITES))

    def add(self, writes: int, seconds: float) -> None:
        """Count a commit."""
        self.writes.add(writes)
        self.seconds.add(seconds)
