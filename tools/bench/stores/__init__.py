"""Buffer directories and a hashserver, beside the system's own commands and plain code."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from tools.bench.contenders import Contenders
from tools.bench.environments import hashserver
from tools.bench.stores.workloads import SMALL_SECONDS, WORKLOADS, WRITE_SMALL
from tools.bench.table import Comparison

if TYPE_CHECKING:
    from tools.bench.settings import Plan


def run(plan: Plan) -> list[Comparison]:
    """Measure every workload; the published package can do none of them."""
    compared = dataclasses.replace(plan, published=plan.against)
    rows = []
    with contextlib.ExitStack() as stack:
        sides = Contenders("tools.bench.stores.workloads", compared, stack)
        for name in plan.chosen("stores", WORKLOADS):
            if "hashserver" in name:
                hashserver()  # installed here, not by a process that is measured
            rows.append(sides.row(name, WORKLOADS[name]))
            if name == WRITE_SMALL:
                rows[-1] = dataclasses.replace(rows[-1], no_more_than=SMALL_SECONDS)
    return [Comparison(rows)]
