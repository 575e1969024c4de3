"""Counters of requests in one process, and snapshots of all metrics that can be merged.

`storage/histograms.py` has the histograms and their buckets, and counts commits. Counts are plain
numbers, so that counting costs next to nothing. Each belongs to one thread that adds to it; any
thread may read it, and at worst misses the value that is being added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seamless_database.storage.histograms import SECONDS, WRITES, CommitMetrics, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

#: the type of a request that has no known type
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RequestLabels:
    """The labels by which requests are counted."""

    method: str
    type: str
    status: int


class RequestMetrics:
    """Durations of requests by their labels; other methods and types than these are unknown."""

    def __init__(self, methods: Iterable[str], types: Iterable[str]) -> None:
        self._methods, self._types = frozenset(methods), frozenset(types)
        # plain tuples as keys: a look-up is most of what counting costs
        self._histograms: dict[tuple[str, str, int], Histogram] = {}

    def add(self, method: str, kind: str, status: int, seconds: float) -> None:
        """Count a request."""
        found = self._histograms.get((method, kind, status))
        if found is None:
            found = self._create(method, kind, status)
        found.add(seconds)

    def items(self) -> list[tuple[RequestLabels, Histogram]]:
        """Return what has been counted so far, sorted by label."""
        found = sorted(self._histograms.copy().items())
        return [(RequestLabels(*key), histogram) for key, histogram in found]

    def _create(self, method: str, kind: str, status: int) -> Histogram:
        # clients choose these words, and must not fill the memory with them
        key = (
            method if method in self._methods else UNKNOWN,
            kind if kind in self._types else UNKNOWN,
            status,
        )
        return self._histograms.setdefault(key, Histogram(SECONDS))


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """What one process has counted, or the sum over several."""

    requests: dict[RequestLabels, Histogram] = field(default_factory=dict)
    #: None for a server that does not write
    commits: CommitMetrics | None = None
    queued_writes: int = 0

    def merge(self, other: MetricsSnapshot) -> MetricsSnapshot:
        """Add up two snapshots."""
        requests = dict(self.requests)
        for labels, found in other.requests.items():
            requests[labels] = requests[labels].merge(found) if labels in requests else found
        commits = self.commits or other.commits
        if self.commits is not None and other.commits is not None:
            commits = CommitMetrics(
                self.commits.seconds.merge(other.commits.seconds),
                self.commits.writes.merge(other.commits.writes),
            )
        return MetricsSnapshot(requests, commits, self.queued_writes + other.queued_writes)

    def to_json(self) -> dict[str, Any]:
        """Convert to an object that has a JSON form."""
        return {
            "requests": [
                [labels.method, labels.type, labels.status, found.total, found.counts]
                for labels, found in self.requests.items()
            ],
            "commits": None
            if self.commits is None
            else [
                [each.total, each.counts] for each in (self.commits.seconds, self.commits.writes)
            ],
            "queued_writes": self.queued_writes,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> MetricsSnapshot:
        """Read the object that `to_json` returned."""
        requests = {
            RequestLabels(method, kind, status): Histogram(SECONDS, total, counts)
            for method, kind, status, total, counts in content["requests"]
        }
        commits = None
        if content["commits"] is not None:
            seconds, writes = content["commits"]
            commits = CommitMetrics(Histogram(SECONDS, *seconds), Histogram(WRITES, *writes))
        return cls(requests, commits, content["queued_writes"])
