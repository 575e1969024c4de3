"""The buffer cache with many entries, beside the published one and a heap; and what it keeps."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evict_workloads import ENTRIES, LEFT, WORKLOADS
from sheet import Figure, Sheet
from sides import Sides, once
from table import Comparison, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan
    from table import Results

TOOLS = Path(__file__).resolve().parents[1]
SIMULATION = "simulation of a full cache"
LENGTH, QUICK_LENGTH = 20_000, 3_000  # requests


def run(plan: Plan) -> list[Results]:
    """Measure every workload; a quick run leaves the most entries out."""
    rows = [*compared(plan), *left(plan)]
    comparison = [Comparison(rows)] if rows else []
    return [*comparison, *simulated(plan)]


def compared(plan: Plan) -> list[Row]:
    """Time registrations."""
    most = f"{ENTRIES[-1]:,}"
    names = [name for name in WORKLOADS if name != LEFT and not (plan.quick and most in name)]
    with contextlib.ExitStack() as stack:
        sides = Sides("evict_workloads", plan, stack)
        return [sides.row(name, WORKLOADS[name]) for name in plan.chosen("evict", names)]


def left(plan: Plan) -> list[Row]:
    """Measure the memory that is left by what has come and gone; once, for it does not waver."""
    rows = []
    for name in plan.chosen("evict", [] if plan.quick else [LEFT]):
        own, other, limit = once("evict_workloads", name, "left", plan)
        beside = None if other is None else [other]
        rows.append(Row(name, [own], beside, [limit], unit="B"))
    return rows


def simulated(plan: Plan) -> Iterator[Sheet]:
    """Yield the table of the simulation, if it is wanted."""
    for _ in plan.chosen("evict", [SIMULATION]):
        yield simulation(QUICK_LENGTH if plan.quick else LENGTH)


def simulation(length: int) -> Sheet:
    """What policies pay for the same requests; `tools/cache_simulation.py` says more of it."""
    sys.path.append(str(TOOLS))
    import cache_simulation
    from cache_traces import traces

    names = cache_simulation.available()
    sheet = Sheet("Avoidable seconds that a full cache costs", ["trace", *names])
    for label, trace in traces(length, seed=1):
        paid = cache_simulation.simulate(trace, names)
        sheet.add(label, *(Figure(max(0.0, paid[name]), "s") for name in names))
    sheet.notes.append(
        "Downloading and computing again what had to leave, by the policy that chose it, on the "
        "same requests; `clairvoyant` knows the future. `python tools/cache_simulation.py` says "
        "what each trace is, and where others pay less than ours."
    )
    return sheet
