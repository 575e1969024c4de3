"""The buffer cache with many entries, beside the published one and a heap."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from evict_workloads import ENTRIES, WORKLOADS
from sides import Sides
from table import Comparison

if TYPE_CHECKING:
    from plan import Plan


def run(plan: Plan) -> list[Comparison]:
    """Measure every workload; a quick run leaves the most entries out."""
    most = f"{ENTRIES[-1]:,}"
    names = [name for name in WORKLOADS if not (plan.quick and most in name)]
    with contextlib.ExitStack() as stack:
        sides = Sides("evict_workloads", plan, stack)
        rows = [sides.row(name, WORKLOADS[name]) for name in plan.chosen("evict", names)]
    return [Comparison(rows)]
