"""Workloads beside the published package and the limit: a table for people, and JSON.

`Results` is what the report takes from a suite; `Comparison` is the one most suites give.
"""

from __future__ import annotations

import statistics
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Sample(NamedTuple):
    """One figure of one side, `ours` or `published`."""

    name: str
    side: str
    #: of `/s` more is better, of all others less
    unit: str
    value: float


def seconds_text(seconds: float) -> str:
    """Write a time in the unit that leaves one to three digits before the point."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.2f} {unit}"
    return f"{seconds * 1e6:.1f} µs"


#: unit of a figure -> how it is written; less is better in all of them
UNITS: dict[str, Callable[[float], str]] = {
    "s": seconds_text,
    "B": lambda size: f"{size / 1e6:.1f} MB",
    "N": lambda times: f"{times:.2f} N",  # N bytes is what was written
}


@dataclass(frozen=True)
class Row:
    """One workload: a figure of each round, for ours, the published package and the limit."""

    name: str
    ours: list[float]
    published: list[float] | None
    limit: list[float] | None
    _: KW_ONLY
    unit: str = "s"
    #: wanted: so many times better than the published package
    at_least: float | None = None
    #: wanted: no more than so many times the limit
    at_most: float | None = None
    #: wanted: a figure of ours no larger than this
    no_more_than: float | None = None
    #: whether no implementation can speed it up
    bound: bool = False
    #: what the limit is, in words and code
    limit_text: str = ""

    def as_json(self) -> dict[str, object]:
        """Medians and the ratios of them, what is wanted of those, and every round."""
        rounds = {"ours": self.ours, "published": self.published, "limit": self.limit}
        medians = {key: found and statistics.median(found) for key, found in rounds.items()}
        return {
            "workload": self.name,
            "unit": self.unit,
            **medians,
            "times_faster_than_published": self.gain(),
            "times_the_limit": self.distance(),
            "wanted_times_faster": self.at_least,
            "wanted_times_the_limit": self.at_most,
            "wanted_figure": self.no_more_than,
            "reached": self.reached(),
            "limit_is": self.limit_text,
            "rounds": rounds,
        }

    def gain(self) -> float | None:
        """How many times better than the published package."""
        if not self.published:
            return None
        return statistics.median(self.published) / statistics.median(self.ours)

    def distance(self) -> float | None:
        """How many times the limit."""
        if not self.limit or not statistics.median(self.limit):
            return None
        return statistics.median(self.ours) / statistics.median(self.limit)

    def reached(self) -> bool:
        """Whether all is as wanted, as far as it was measured."""
        gain, distance = self.gain(), self.distance()
        return (
            (gain is None or self.at_least is None or gain >= self.at_least)
            and (distance is None or self.at_most is None or distance <= self.at_most)
            and (self.no_more_than is None or statistics.median(self.ours) <= self.no_more_than)
        )


HEAD = "| workload | ours | published | limit | faster than published | times the limit |"
RULE = "|---|---:|---:|---:|---:|---:|"


class Results(Protocol):
    """A part of a report."""

    def markdown(self) -> str:
        """Draw it for people, with a line break at the end."""

    def as_json(self) -> dict[str, object]:
        """Return all figures."""

    def samples(self) -> Iterator[Sample]:
        """Yield the figures by which ours can be compared with another side."""


#: a gain above this would decide a mean alone
MOST_IN_A_MEAN = 100


@dataclass(frozen=True)
class Comparison:
    """A table of workloads, and the mean gain in time over the published package."""

    rows: list[Row]
    #: the mean gain that is wanted
    mean: float | None = None

    def markdown(self) -> str:
        """Draw the table; what is wanted is behind a figure, a star before a line that misses it.

        Below are the means, if the published package was measured, and what each limit is.
        """
        lines = [HEAD, RULE, *map(_line, self.rows), *self._means()]
        limits: dict[str, list[str]] = {}
        for row in self.rows:
            if row.limit_text:
                limits.setdefault(row.limit_text, []).append(row.name)
        lines += ["", "The limits:"] if limits else []
        for text, names in limits.items():
            lines += ["", f"- {'; '.join(names)}: {text}".replace("\n", "\n  ")]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, object]:
        """Return the workloads and the means."""
        return {
            "mean_times_faster": geometric_mean(self.rows),
            "mean_times_faster_where_possible": geometric_mean(self._unbound()),
            "wanted_mean": self.mean,
            "workloads": [row.as_json() for row in self.rows],
        }

    def samples(self) -> Iterator[Sample]:
        """Yield the medians."""
        for row in self.rows:
            for side, rounds in (("ours", row.ours), ("published", row.published)):
                if rounds:
                    yield Sample(row.name, side, row.unit, statistics.median(rounds))

    def _means(self) -> list[str]:
        """Return the lines below the table."""
        mean, unbound = geometric_mean(self.rows), geometric_mean(self._unbound())
        if mean is None:
            return []
        text = f"Geometric mean of the gains in time: {_times(mean, '≥', self.mean)}"
        bound = [row.name for row in self.rows if row.bound]
        if bound and unbound is not None:
            text += f"; {unbound:.2f}× without those that no implementation can speed up, because "
            text += f"they are one SHA-256 or one copy ({', '.join(bound)})"
        if above := [row.name for row in self.rows if row.unit == "s" and _above(row)]:
            text += f"; left out, because one gain above {MOST_IN_A_MEAN}× would decide it: "
            text += ", ".join(above)
        return ["", f"{text}."]

    def _unbound(self) -> list[Row]:
        return [row for row in self.rows if not row.bound]


def _line(row: Row) -> str:
    write = UNITS[row.unit]
    texts = [
        "–" if not found else write(statistics.median(found))
        for found in (row.ours, row.published, row.limit)
    ]
    texts[0] += "" if row.no_more_than is None else f" (≤ {row.no_more_than:g})"
    cells = ["" if row.reached() else "* "]
    cells[0] += row.name
    cells += [*texts, _times(row.gain(), "≥", row.at_least)]
    cells.append(_times(row.distance(), "≤", row.at_most))
    return f"| {' | '.join(cells)} |"


def _times(ratio: float | None, sign: str, wanted: float | None) -> str:
    if ratio is None:
        return "–"
    return f"{ratio:.2f}×" + ("" if wanted is None else f" ({sign} {wanted:.3g})")


def _above(row: Row) -> bool:
    return (row.gain() or 0) > MOST_IN_A_MEAN


def geometric_mean(rows: list[Row]) -> float | None:
    """Mean gain in time over the published package; None where none was measured.

    A gain above 100× is left out: it would decide the mean alone.
    """
    counted = [row for row in rows if row.unit == "s" and not _above(row)]
    gains = [gain for row in counted if (gain := row.gain()) is not None]
    return statistics.geometric_mean(gains) if gains else None
