"""The database suite: its parts, each of which can be run alone by `--only NAME`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.bench.free_table import FreeTable
    from tools.bench.settings import Plan

#: part -> the module that measures it
PARTS = {
    "requests": "throughput",
    "rows": "rows",
    "stress": "write_stress",
    "tail": "write_tail",
    "memory": "memory",
    "bulk": "bulk",
    "bulk-writes": "bulk_writes",
    "client": "client",
    "workers": "workers",
    "redis": "redis",
    "postgresql": "postgresql",
    "large-pg": "rows_postgresql",
}
#: parts that write gigabytes: left out of a quick look, or always, unless they are named
LONG, LONGEST = {"rows", "tail", "large-pg"}, {"large-pg"}


def run(plan: Plan) -> list[FreeTable]:
    """Measure every part that is wanted."""
    left_out = LONG if plan.quick else LONGEST
    names = [name for name in PARTS if plan.only or name not in left_out]
    sheets = []
    for name in plan.chosen("database", names):
        sheets += run_part(name, plan)
    return sheets


def run_part(name: str, plan: Plan) -> list[FreeTable]:
    """Measure one part."""
    found: list[FreeTable] = importlib.import_module(f"{__name__}.{PARTS[name]}").run(plan)
    return found
