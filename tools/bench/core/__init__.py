"""seamless-core beside the published package and the physical limit, round by round."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tools.bench.contenders import Contenders, once
from tools.bench.core.workloads import PEAKS, WORKLOADS
from tools.bench.table import Comparison, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.settings import Plan


def run(plan: Plan) -> list[Comparison]:
    """Measure every workload, then the memory of those that write much."""
    with contextlib.ExitStack() as stack:
        sides = Contenders("tools.bench.core.workloads", plan, stack)
        rows = [sides.row(name, WORKLOADS[name]) for name in plan.chosen("core", WORKLOADS)]
    return [Comparison([*rows, *peaks(plan)], mean=5.0)]


def peaks(plan: Plan) -> Iterator[Row]:
    """Measure the memory of the workloads that write much; once, for it does not waver."""
    labels = {f"peak memory: {name}": name for name in PEAKS}
    for label in plan.chosen("core", labels):
        name = labels[label]
        own, other, limit = once("tools.bench.core.workloads", name, "peak", plan)
        text = WORKLOADS[name].limit_text()
        yield Row(
            label,
            own,
            other or None,
            limit or None,
            unit="N",
            no_more_than=PEAKS[name],
            limit_text=text,
        )
