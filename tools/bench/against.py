"""Two commits alternately: this checkout beside another, and the rows that differ beyond noise.

Each round is a whole run of the suite with new processes, in which the sides take turns workload
by workload; the next round has them in the other order. What has no second side in the suite
is run once for each.
"""

from __future__ import annotations

import importlib
import statistics
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from tools.bench.database import LONG, PARTS, run_part
from tools.bench.environments import of_checkout, of_commit, replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tools.bench.settings import Plan
    from tools.bench.table import Results

#: the least change that is listed
LEAST = 0.05
#: rounds without which there is no saying what is noise
FEWEST_ROUNDS = 3
#: parts of the database suite that are run only if they are named
LEFT_OUT = LONG | {"redis", "workers"}
#: seconds of the write stress in each round
STRESS = 5.0
HEAD = ["| row | of the other commit's time or size | noise |", "|---|---:|---:|"]
#: seconds or bytes by row; of a rate its inverse
Run = dict[str, float]


@dataclass(frozen=True)
class Change:
    """One row: times or sizes of this checkout, in multiples of the other commit's, by round."""

    name: str
    ratios: list[float]

    def ratio(self) -> float:
        """Return the median; above 1, this checkout is slower or larger."""
        return statistics.median(self.ratios)

    def noise(self) -> float:
        """Return the range of all rounds; of five or more, without the farthest from the median.

        Rounds in either order always remain: which side comes first can matter more than its code.
        """
        middle = self.ratio()
        count = max(FEWEST_ROUNDS, len(self.ratios) - 1)
        kept = sorted(self.ratios, key=lambda ratio: abs(ratio - middle))[:count]
        return max(kept) - min(kept)

    def beyond_noise(self) -> bool:
        """Whether the medians differ by more than noise, and by more than 5 %."""
        difference = abs(self.ratio() - 1)
        return difference > LEAST and difference > self.noise()


@dataclass
class Changes:
    """What was found of one part of a suite, or of all of it."""

    part: str
    commit: str
    rounds: int
    rows: list[Change] = field(default_factory=list)
    #: what one side alone could run, and why a part could not be run
    missing: list[str] = field(default_factory=list)

    def slower(self) -> list[Change]:
        """Return the rows that are worse here, the worst first."""
        found = [row for row in self.rows if row.beyond_noise() and row.ratio() > 1]
        return sorted(found, key=Change.ratio, reverse=True)

    def faster(self) -> list[Change]:
        """Return the rows that are better here, the best first."""
        found = [row for row in self.rows if row.beyond_noise() and row.ratio() < 1]
        return sorted(found, key=Change.ratio)

    def markdown(self) -> str:
        """Draw the rows beyond noise, and name what could not be compared."""
        lines = [f"## {self.part}: this checkout beside {self.commit[:10]}, {self.rounds} rounds"]
        slower, faster = self.slower(), self.faster()
        for title, rows in (("Slower or larger", slower), ("Faster or smaller", faster)):
            if rows:
                lines += ["", f"{title}: {len(rows)} of {len(self.rows)} rows.", "", *HEAD]
            for row in rows:
                share, noise = 100 * row.ratio(), 100 * row.noise()
                lines.append(f"| {row.name} | {share:.0f} % | ±{noise:.0f} % |")
        within = len(self.rows) - len(slower) - len(faster)
        lines += ["", f"Within noise, or within {100 * LEAST:.0f} %: {within} rows."]
        if self.missing:
            lines += ["", "Not compared:", "", *(f"- {text}" for text in self.missing)]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, object]:
        """Return the ratios of every row and round."""
        rows = {row.name: row.ratios for row in self.rows}
        return {"commit": self.commit, "ratios": rows, "not_compared": self.missing}


def compare(suite: str, plan: Plan, commit: str) -> Iterator[Changes]:
    """Measure this checkout and another commit, of that full name, alternately; part by part."""
    sides = of_checkout(), of_commit(commit)
    once = replace(plan, rounds=1, published=True, against=True, seconds=plan.seconds or STRESS)
    for part, run in parts(suite, plan).items():
        changes = Changes(part, commit, plan.rounds)
        rounds = []
        try:
            for number in range(plan.rounds):
                print(f"[{part}] round {number + 1} of {plan.rounds}", file=sys.stderr)
                first, second = sides if number % 2 == 0 else sides[::-1]
                found, beside = _round(run, once, first, second)
                rounds.append((found, beside) if number % 2 == 0 else (beside, found))
            _add(changes, rounds)
        except Exception as error:  # noqa: BLE001 - of whatever a commit lacks
            changes.missing.append(f"{type(error).__name__}: {error}".splitlines()[-1])
        yield changes


def parts(suite: str, plan: Plan) -> dict[str, Callable[[Plan], Sequence[Results]]]:
    """Return what is run in each round, by name."""
    if suite != "database":
        return {suite: importlib.import_module(f"tools.bench.{suite}").run}
    names = [name for name in PARTS if (plan.only in name if plan.only else name not in LEFT_OUT)]
    return {f"{suite} {name}": partial(run_part, name) for name in names}


def _round(
    run: Callable[[Plan], Sequence[Results]], plan: Plan, first: Path, second: Path
) -> tuple[Run, Run]:
    """Return the figures of two environments, measured in this order."""
    with replaced(first, second):
        found = [sample for part in run(plan) for sample in part.samples()]
    if all(sample.side == "ours" for sample in found):  # it has no second side
        with replaced(second, first):
            alone = run(replace(plan, published=False))
        again = (sample for part in alone for sample in part.samples())
        found += [sample._replace(side="published") for sample in again]
    own, other = (
        {
            sample.name: 1 / sample.value if sample.unit == "/s" else sample.value
            for sample in found
            if sample.side == side
        }
        for side in ("ours", "published")
    )
    return own, other


def _add(changes: Changes, rounds: list[tuple[Run, Run]]) -> None:
    """Add the rows that both sides could run in every round, and the names of the others."""
    for name in dict.fromkeys(name for sides in rounds for run in sides for name in run):
        lacking = [
            who
            for number, who in enumerate(("this checkout", "the other commit"))
            if not all(name in sides[number] for sides in rounds)
        ]
        if lacking:
            changes.missing.append(f"{name}: {' and '.join(lacking)} cannot run it")
        else:  # of memory, nothing can be left
            ratios = [(own[name] or 1) / (other[name] or 1) for own, other in rounds]
            changes.rows.append(Change(name, ratios))
