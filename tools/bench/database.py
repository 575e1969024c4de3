"""The database suite: its parts, each of which can be run alone by `--only NAME`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plan import Plan
    from sheet import Sheet

#: part -> the module that measures it
PARTS = {
    "requests": "database_rates",
    "rows": "database_rows",
    "storm": "database_storm",
    "memory": "database_memory",
    "bulk": "database_bulk",
    "workers": "database_workers",
    "redis": "database_redis",
    "postgresql": "database_postgresql",
    "large-pg": "database_large_postgresql",
}
#: parts that write gigabytes: left out of a quick look, or always, unless they are named
LONG, LONGEST = {"rows", "large-pg"}, {"large-pg"}


def run(plan: Plan) -> list[Sheet]:
    """Measure every part that is wanted."""
    left_out = LONG if plan.quick else LONGEST
    names = [name for name in PARTS if plan.only or name not in left_out]
    sheets = []
    for name in plan.chosen("database", names):
        found: list[Sheet] = importlib.import_module(PARTS[name]).run(plan)
        sheets += found
    return sheets
