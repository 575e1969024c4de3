"""The figures of several workers: as text for the board, and added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seamless_database.metrics.counters import (
    SECONDS,
    WRITES,
    Commits,
    Distribution,
    Kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Figures:
    """What one worker has counted, or what several have."""

    requests: dict[Kind, Distribution] = field(default_factory=dict)
    #: None for those who do not write
    commits: Commits | None = None
    waiting: int = 0

    def plus(self, other: Figures) -> Figures:
        """Add up two."""
        requests = dict(self.requests)
        for kind, found in other.requests.items():
            requests[kind] = requests[kind].plus(found) if kind in requests else found
        commits = _sum(self.commits, other.commits)
        return Figures(requests, commits, self.waiting + other.waiting)

    def packed(self) -> dict[str, Any]:
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
    def unpacked(cls, packed: dict[str, Any]) -> Figures:
        """Read what `packed` gave."""
        requests = {
            Kind(method, kind, status): _unpacked(SECONDS, total, counts)
            for method, kind, status, total, counts in packed["requests"]
        }
        commits = None
        if packed["commits"] is not None:
            seconds, writes = packed["commits"]
            commits = Commits(_unpacked(SECONDS, *seconds), _unpacked(WRITES, *writes))
        return cls(requests, commits, packed["waiting"])


def total(several: Iterable[Figures]) -> Figures:
    """Add up any number of them."""
    whole = Figures()
    for figures in several:
        whole = whole.plus(figures)
    return whole


def _sum(one: Commits | None, other: Commits | None) -> Commits | None:
    if one is None or other is None:
        return one or other
    return Commits(one.seconds.plus(other.seconds), one.writes.plus(other.writes))


def _packed(distribution: Distribution) -> tuple[float, list[int]]:
    return distribution.total, distribution.counts


def _unpacked(bounds: tuple[float, ...], whole: float, counts: list[int]) -> Distribution:
    distribution = Distribution(bounds, whole)
    distribution.counts = counts
    return distribution
