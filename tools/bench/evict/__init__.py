"""The buffer cache with many entries, beside the published one and a heap; and what it keeps."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tools.bench.contenders import Contenders, once
from tools.bench.evict.workloads import ENTRIES, LEFT, WORKLOADS
from tools.bench.free_table import Figure, FreeTable
from tools.bench.table import Comparison, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.settings import Plan
    from tools.bench.table import Results

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
        sides = Contenders("tools.bench.evict.workloads", plan, stack)
        return [sides.row(name, WORKLOADS[name]) for name in plan.chosen("evict", names)]


def left(plan: Plan) -> list[Row]:
    """Measure the memory that is left by what has come and gone; once, for it does not waver."""
    rows = []
    for name in plan.chosen("evict", [] if plan.quick else [LEFT]):
        own, other, limit = once("tools.bench.evict.workloads", name, "left", plan)
        text = WORKLOADS[name].limit_text()
        rows.append(Row(name, own, other or None, limit or None, unit="B", limit_text=text))
    return rows


def simulated(plan: Plan) -> Iterator[FreeTable]:
    """Yield the table of the simulation, if it is wanted; it runs this checkout's code alone."""
    for _ in plan.chosen("evict", [] if plan.against else [SIMULATION]):
        yield simulation(QUICK_LENGTH if plan.quick else LENGTH)


def simulation(length: int) -> FreeTable:
    """What policies pay for the same requests; `tools.cache_simulation.simulate` describes it."""
    from tools.cache_simulation import simulate
    from tools.cache_simulation.traces import traces

    names = simulate.available()
    sheet = FreeTable("Avoidable seconds that a full cache costs", ["trace", *names])
    for label, trace in traces(length, seed=1):
        paid = simulate.simulate(trace, names)
        sheet.add(label, *(Figure(max(0.0, paid[name]), "s") for name in names))
    sheet.notes.append(
        "Downloading and computing again what had to leave, by the policy that chose it, on the "
        "same requests; `clairvoyant` knows the future. "
        "`python -m tools.cache_simulation.simulate --help` says what each trace is, "
        "and where others pay less than ours."
    )
    return sheet
