"""Results of a benchmark: medians and ratios, as a table for people and as JSON."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One workload; seconds of each round, for ours, the published package and the limit."""

    name: str
    ours: list[float]
    published: list[float] | None
    limit: list[float] | None

    def as_json(self) -> dict[str, object]:
        """Medians in seconds, and ratios of them."""
        return {
            "workload": self.name,
            "ours": statistics.median(self.ours),
            "published": None if self.published is None else statistics.median(self.published),
            "limit": None if self.limit is None else statistics.median(self.limit),
            "times_faster_than_published": self.gain(),
            "times_the_limit": self.distance(),
        }

    def gain(self) -> float | None:
        """How many times faster than the published package."""
        if self.published is None:
            return None
        return statistics.median(self.published) / statistics.median(self.ours)

    def distance(self) -> float | None:
        """How many times the limit."""
        if self.limit is None:
            return None
        return statistics.median(self.ours) / statistics.median(self.limit)


HEAD = "| workload | ours | published | limit | faster than published | times the limit |"
RULE = "|---|---:|---:|---:|---:|---:|"


def markdown(rows: list[Row]) -> str:
    """Draw the table."""
    return "\n".join([HEAD, RULE, *map(_line, rows)])


def _line(row: Row) -> str:
    cells = [row.name, *(map(_milliseconds, (row.ours, row.published, row.limit)))]
    cells += [_times(row.gain()), _times(row.distance())]
    return f"| {' | '.join(cells)} |"


def _milliseconds(seconds: list[float] | None) -> str:
    return "–" if seconds is None else f"{1000 * statistics.median(seconds):.2f} ms"


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}×"


def geometric_mean(rows: list[Row]) -> float:
    """Mean gain over the published package."""
    return statistics.geometric_mean(gain for row in rows if (gain := row.gain()) is not None)
