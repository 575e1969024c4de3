"""The figures of several workers: as text for the board, and added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seamless_database.metrics.counters import RequestLabels
from seamless_database.storage.commit_metrics import SECONDS, WRITES, CommitMetrics, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """What one worker has counted, or what several have."""

    requests: dict[RequestLabels, Histogram] = field(default_factory=dict)
    #: None for those who do not write
    commits: CommitMetrics | None = None
    waiting: int = 0

    def merge(self, other: MetricsSnapshot) -> MetricsSnapshot:
        """Add up two."""
        requests = dict(self.requests)
        for kind, found in other.requests.items():
            requests[kind] = requests[kind].merge(found) if kind in requests else found
        commits = _sum(self.commits, other.commits)
        return MetricsSnapshot(requests, commits, self.waiting + other.waiting)

    def to_json(self) -> dict[str, Any]:
        """Give them as what has a JSON form."""
        return {
            "requests": [
                [kind.method, kind.type, kind.status, *_packed(found)]
                for kind, found in self.requests.items()
            ],
            "commits": None
            if self.commits is None
            else [_packed(self.commits.seconds), _packed(self.commits.writes)],
            "waiting": self.waiting,
        }

    @classmethod
    def from_json(cls, to_json: dict[str, Any]) -> MetricsSnapshot:
        """Read what `to_json` gave."""
        requests = {
            RequestLabels(method, kind, status): _unpacked(SECONDS, total, counts)
            for method, kind, status, total, counts in to_json["requests"]
        }
        commits = None
        if to_json["commits"] is not None:
            seconds, writes = to_json["commits"]
            commits = CommitMetrics(_unpacked(SECONDS, *seconds), _unpacked(WRITES, *writes))
        return cls(requests, commits, to_json["waiting"])


def merge_all(several: Iterable[MetricsSnapshot]) -> MetricsSnapshot:
    """Add up any number of them."""
    whole = MetricsSnapshot()
    for figures in several:
        whole = whole.merge(figures)
    return whole


def _sum(one: CommitMetrics | None, other: CommitMetrics | None) -> CommitMetrics | None:
    if one is None or other is None:
        return one or other
    return CommitMetrics(one.seconds.merge(other.seconds), one.writes.merge(other.writes))


def _packed(distribution: Histogram) -> tuple[float, list[int]]:
    return distribution.total, distribution.counts


def _unpacked(bounds: tuple[float, ...], whole: float, counts: list[int]) -> Histogram:
    distribution = Histogram(bounds, whole)
    distribution.counts = counts
    return distribution
